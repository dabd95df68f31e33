//! One process at a time where two would make the same files: a fold that is trained, cases that are preprocessed, plans, splits.
//!
//! A claim is an advisory lock of the system on a hidden file beside the place (`.fold_0.lock` beside `fold_0`); its text says who holds it. The
//! system lets go of it when the process ends, however it ends. The file stays, and means nothing then.

use crate::error::{Error, Result};
use jiff::ZonedDateTime;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// For so long somebody may hold a place who only looks who holds it.
const LOOKING: Duration = Duration::from_millis(250);

/// Who works in a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id on its machine; 0 where it has not said so yet.
    pub pid: u32,
    /// The machine's name.
    pub machine: String,
    /// Since when, with the offset from UTC.
    pub since: String,
}

impl Holder {
    fn this_process() -> Self {
        Holder {
            pid: std::process::id(),
            machine: volume::files::atomic::machine().to_owned(),
            since: ZonedDateTime::now().strftime("%FT%T%:z").to_string(),
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            0 => f.write_str("another process"),
            pid => write!(f, "process {pid} on {} (since {})", self.machine, self.since),
        }
    }
}

/// A place that is this process's own until the claim is dropped.
#[derive(Debug)]
pub struct Claim {
    file: File,
}

impl Claim {
    /// Claims `place`, a file or folder that need not be there yet.
    ///
    /// # Errors
    /// Somebody holds it, who is named; the system refuses the file.
    pub fn take(place: &Path) -> Result<Self> {
        let (path, file) = open(place)?;
        let start = Instant::now();
        while let Err(error) = file.try_lock() {
            match error {
                TryLockError::WouldBlock if start.elapsed() < LOOKING => std::thread::sleep(LOOKING / 10),
                TryLockError::WouldBlock => {
                    let holder = said(&path);
                    let end = if holder.pid == 0 { String::new() } else { format!(" (`kill {}` on {})", holder.pid, holder.machine) };
                    return Err(Error::content(
                        place,
                        format!("{holder} works here, and two would write the same files; wait for it, or end it{end}"),
                    ));
                }
                TryLockError::Error(error) => {
                    unlockable(place, &error);
                    break;
                }
            }
        }
        Self::signed(&path, file)
    }

    /// Claims `place` as soon as nobody else holds it, and says whom it waits for.
    ///
    /// # Errors
    /// The system refuses the file.
    pub fn wait(place: &Path) -> Result<Self> {
        let (path, file) = open(place)?;
        let locked = match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                waits(place, &said(&path));
                file.lock()
            }
            Err(TryLockError::Error(error)) => Err(error),
        };
        locked.unwrap_or_else(|error| unlockable(place, &error));
        Self::signed(&path, file)
    }

    fn signed(path: &Path, mut file: File) -> Result<Self> {
        let text = serde_json::to_string(&Holder::this_process()).map_err(|error| Error::invalid(error.to_string()))?;
        file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(Error::io("write", path))?;
        Ok(Claim { file })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // who looks tests the lock, not the text; an empty file only says less
        let _ = self.file.set_len(0);
    }
}

/// Waits until nobody makes `place` any more, and says for whom.
///
/// # Errors
/// The system refuses the file.
pub fn wait_until_free(place: &Path) -> Result<()> {
    let path = lock_file(place)?;
    let Ok(file) = File::open(&path) else { return Ok(()) };
    match file.try_lock_shared() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            waits(place, &said(&path));
            file.lock_shared().map_err(Error::io("wait for", place))
        }
        Err(TryLockError::Error(error)) => {
            unlockable(place, &error);
            Ok(())
        }
    }
}

/// Who holds `place` now. On a file system without locks it is who last said so and did not come to an end.
///
/// # Errors
/// The place has no name.
pub fn holder(place: &Path) -> Result<Option<Holder>> {
    let path = lock_file(place)?;
    let Ok(file) = File::open(&path) else { return Ok(None) };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(said(&path))),
        Err(TryLockError::Error(_)) => Ok(Some(said(&path)).filter(|holder| holder.pid != 0)),
    }
}

/// `.{name}.lock` beside the place.
fn lock_file(place: &Path) -> Result<PathBuf> {
    let name = place.file_name().ok_or_else(|| Error::content(place, "is no place for files: it has no name"))?;
    Ok(place.with_file_name(format!(".{}.lock", name.to_string_lossy())))
}

fn open(place: &Path) -> Result<(PathBuf, File)> {
    let path = lock_file(place)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(Error::io("open", &path))?;
    Ok((path, file))
}

/// What the holder wrote; nothing yet if it has just come.
fn said(path: &Path) -> Holder {
    std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

fn waits(place: &Path, holder: &Holder) {
    tracing::warn!("waiting for {holder}, which makes {}", place.display());
}

fn unlockable(place: &Path, error: &std::io::Error) {
    tracing::warn!("the file system of {} has no locks ({error}): nothing keeps a second process from the same files", place.display());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_processs_and_its_own_again_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("model/fold_0");
        assert_eq!(holder(&place).unwrap(), None);
        let claim = Claim::take(&place).unwrap();
        let found = holder(&place).unwrap().unwrap();
        assert_eq!((found.pid, found.machine.as_str()), (std::process::id(), volume::files::atomic::machine()));
        // a lock belongs to the open file, so that this process is a stranger to itself
        let error = Claim::take(&place).unwrap_err().to_string();
        for part in ["model/fold_0", &format!("process {} on ", std::process::id()), &format!("kill {}", std::process::id())] {
            assert!(error.contains(part), "{part}: {error}");
        }
        drop(claim);
        assert_eq!(holder(&place).unwrap(), None);
        wait_until_free(&place).unwrap();
        Claim::take(&place).unwrap();
    }

    #[test]
    fn whoever_waits_comes_next() {
        let dir = tempfile::tempdir().unwrap();
        let (place, counter) = (dir.path().join("plans.json"), dir.path().join("counter"));
        std::fs::write(&counter, "0").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _claim = Claim::wait(&place).unwrap();
                    let count: u32 = std::fs::read_to_string(&counter).unwrap().parse().unwrap();
                    std::thread::sleep(Duration::from_millis(5));
                    std::fs::write(&counter, (count + 1).to_string()).unwrap();
                });
            }
        });
        assert_eq!(std::fs::read_to_string(&counter).unwrap(), "8");
    }

    #[test]
    fn a_look_does_not_keep_a_training_out() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("fold_0");
        drop(Claim::take(&place).unwrap());
        let looking = File::open(lock_file(&place).unwrap()).unwrap();
        looking.lock_shared().unwrap();
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| Claim::take(&place).map(drop));
            std::thread::sleep(LOOKING / 5);
            drop(looking);
            taken.join().unwrap().unwrap();
        });
    }
}
