//! Whole files or none: written beside their place, synced to disk, renamed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::{FileError, Result};

/// After this long a writer on another machine, which cannot be asked, is taken for dead.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// Writes `path` through `fill`: a reader sees the old file or the new one, never a part.
///
/// The bytes go to `.{name}.{machine}.{process id}.tmp` in the same folder, are flushed and synced, and take the place of `path`
/// by a rename; the folder is synced after it. On an error the temporary file is removed and `path` is as it was.
///
/// # Errors
/// What `fill` returns, or the step that the system refused.
pub fn write_atomic<E: From<FileError>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let temp = temp_path(path)?;
    let result = fill_and_rename(path, &temp, fill);
    if result.is_err() {
        // The first error is the one to report; what stays behind is swept by `remove_stale`.
        let _ = fs::remove_file(&temp);
    }
    result
}

/// Writes `bytes` to `path` as [`write_atomic`] does.
///
/// # Errors
/// The step that the system refused.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic(path, |out| out.write_all(bytes).map_err(FileError::io("write", path)))
}

/// Copies the content of `from` to `to` as [`write_atomic`] does.
///
/// # Errors
/// The step that the system refused, with the file it concerns.
pub fn copy_atomic(from: &Path, to: &Path) -> Result<()> {
    let mut source = File::open(from).map_err(FileError::io("read", from))?;
    write_atomic(to, |out| io::copy(&mut source, out).map(drop).map_err(FileError::io("copy into", to)))
}

/// Removes the temporary files and folders that writers which were killed left in `folder`; returns how many.
///
/// One goes when its name is one that [`temp_path`] makes and the process in its name is not running, or began after the file was last written: then the
/// system gave the number of a dead process to a new one. Those of other machines, which write in a shared folder at the same time, go once they
/// are a day old. A folder that does not exist has none.
///
/// # Errors
/// The folder cannot be listed, or something in it not removed.
pub fn remove_stale(folder: &Path) -> Result<usize> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(FileError::io("list", folder)(e)),
    };
    let mut removed = 0;
    for entry in entries {
        let path = entry.map_err(FileError::io("list", folder))?.path();
        let Some(writer) = path.file_name().and_then(|n| writer_of(&n.to_string_lossy())) else { continue };
        let dead = match writer {
            Writer::Here(pid) => !is_written_by(pid, &path),
            Writer::Elsewhere => is_forgotten(&path),
        };
        if dead {
            remove(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes a file, or a folder with all that is in it, that may not be there.
///
/// # Errors
/// The system refuses.
pub fn remove(path: &Path) -> Result<()> {
    let gone = if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match gone {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

fn fill_and_rename<E: From<FileError>>(
    path: &Path,
    temp: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let file = File::create(temp).map_err(FileError::io("create", path))?;
    let mut out = BufWriter::with_capacity(1 << 18, file);
    fill(&mut out)?;
    let file = out.into_inner().map_err(|e| FileError::io("write", path)(e.into_error()))?;
    file.sync_all().map_err(FileError::io("sync", path))?;
    drop(file);
    fs::rename(temp, path).map_err(FileError::io("rename to", path))?;
    sync_folder(&folder_of(path))?;
    Ok(())
}

/// `.{name}.{machine}.{process id}.tmp` beside `path`, where what becomes `path` is made.
///
/// # Errors
/// The path names no file.
pub fn temp_path(path: &Path) -> Result<PathBuf> {
    let Some(name) = path.file_name() else {
        let no_name = io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
        return Err(FileError::io("write", path)(no_name));
    };
    let mut temp = OsString::from(".");
    temp.push(name);
    temp.push(format!(".{}.{}.tmp", machine(), std::process::id()));
    Ok(folder_of(path).join(temp))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Makes a rename last: on Unix a folder is synced like a file; elsewhere the system offers no such call.
fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(FileError::io("sync", folder))?;
    }
    Ok(())
}

/// The name of this machine; two that share a folder have two names.
pub fn machine() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let name = System::host_name().unwrap_or_default();
        let plain: String = name.chars().map(|c| if c.is_alphanumeric() || "-._".contains(c) { c } else { '-' }).take(64).collect();
        if plain.is_empty() { "localhost".into() } else { plain }
    });
    &NAME
}

enum Writer {
    Here(u32),
    Elsewhere,
}

/// Whose temporary file it is, by its name.
fn writer_of(name: &str) -> Option<Writer> {
    let (stem, pid) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
    let pid = pid.parse().ok().filter(|_| !stem.is_empty())?;
    let here = stem.strip_suffix(machine()).and_then(|stem| stem.strip_suffix('.')).is_some_and(|stem| !stem.is_empty());
    Some(if here { Writer::Here(pid) } else { Writer::Elsewhere })
}

fn is_forgotten(path: &Path) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|about| about.modified()).ok();
    changed.and_then(|at| SystemTime::now().duration_since(at).ok()).is_some_and(|age| age > FORGOTTEN)
}

/// Whether a process runs with that number which may have written the file.
fn is_written_by(pid: u32, path: &Path) -> bool {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, ProcessRefreshKind::nothing());
    let written = fs::symlink_metadata(path).and_then(|about| about.modified()).ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    // a start is known to the second
    system.process(pid).is_some_and(|process| written.is_none_or(|at| process.start_time() <= at.as_secs() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_bytes(&path, b"old").unwrap();
        let failed: Result<()> = write_atomic(&path, |out| {
            out.write_all(b"half").unwrap();
            Err(FileError::io("write", &path)(io::Error::other("disk full")))
        });
        assert!(failed.unwrap_err().to_string().contains("disk full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_bytes(&path, b"old").unwrap();
        write_atomic(&path, |out| {
            out.write_all(b"new").unwrap();
            out.flush().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"old");
            assert_eq!(names(dir.path()), [format!(".a.{}.{}.tmp", machine(), std::process::id()), "a".into()]);
            Ok::<_, FileError>(())
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        copy_atomic(&path, &dir.path().join("b")).unwrap();
        assert_eq!(fs::read(dir.path().join("b")).unwrap(), b"new");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_bytes(&dir.path().join("no/such"), b"").unwrap_err().to_string();
        assert!(error.starts_with("cannot create") && error.contains("no/such"), "{error}");
        assert!(write_bytes(Path::new("/"), b"").is_err());
    }

    #[test]
    fn only_temporary_files_of_dead_writers_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let of = |machine: &str, pid: u32| format!(".x.npz.{machine}.{pid}.tmp");
        let (own, dead, other) = (of(machine(), std::process::id()), of(machine(), u32::MAX - 1), of("elsewhere", u32::MAX - 1));
        let forgotten = of("elsewhere", 7);
        let kept = [own.as_str(), ".hidden", "y.4294967294.tmp", ".z.tmp", "case.npz", &other];
        for name in kept.iter().copied().chain([dead.as_str(), &forgotten]) {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        let long_ago = SystemTime::now() - 2 * FORGOTTEN;
        File::options().write(true).open(dir.path().join(&forgotten)).unwrap().set_modified(long_ago).unwrap();
        // the number was given to this process later
        let reused = format!(".old.npz.{}.{}.tmp", machine(), std::process::id());
        fs::write(dir.path().join(&reused), b"x").unwrap();
        File::options().write(true).open(dir.path().join(&reused)).unwrap().set_modified(SystemTime::now() - FORGOTTEN / 2).unwrap();
        fs::create_dir_all(dir.path().join(format!(".folder.{}.4294967294.tmp/inside", machine()))).unwrap();
        assert_eq!(remove_stale(dir.path()).unwrap(), 4);
        let mut kept = kept.map(String::from);
        kept.sort();
        assert_eq!(names(dir.path()), kept);
        assert_eq!(remove_stale(&dir.path().join("none")).unwrap(), 0);
    }
}
