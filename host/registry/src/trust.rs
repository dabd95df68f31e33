//! Who can write a plugin, and whether it is the file that was used before.

use crate::{
    Error, Options, Result, State,
    admit::{asked, signer},
    scan,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use volume::files::{FileError, atomic::write_bytes};

/// Accepts a file as it is now: its hash replaces the one that was pinned.
///
/// # Errors
/// The file is refused for another reason than a change: it does not fit its signature, others can write it, the trust level asks for
/// a signature; or the pin cannot be written.
pub fn trust(file: &Path, options: &Options) -> Result<()> {
    let refused = |file: &Path, reason| Error::Refused { file: file.to_path_buf(), reason };
    let (bytes, real) = scan::real_file(file).and_then(|real| Ok((scan::read(&real)?, real))).map_err(|reason| refused(file, reason))?;
    let judgement = scan::verdict(real, scan::inspect(&bytes));
    let allowed = match &judgement.state {
        State::Refused(reason) => Err(reason.clone()),
        State::Ready => signer(&judgement.file, &bytes, options).and_then(|signed| {
            open_to_others(&judgement.file, EVERYONE_ELSE).map_or(Ok(()), Err)?;
            asked(&judgement.file, &signed, true, options.trust.level)
        }),
    };
    allowed.map_err(|reason| refused(&judgement.file, reason))?;
    Pins::read(&options.lock)?.set(&judgement.file, &scan::sha256(&bytes))
}

/// Mode bits by which anyone but the owner writes.
pub(crate) const EVERYONE_ELSE: u32 = 0o022;
/// The same where the owner's group is trusted.
pub(crate) const EVERYONE: u32 = 0o002;

/// Says how somebody else could have put `file` there: its mode, or that of its folder; none if nobody could.
pub(crate) fn open_to_others(file: &Path, mask: u32) -> Option<String> {
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    writable(file, "it", mask).or_else(|| writable(folder, &format!("its folder {}", folder.display()), mask))
}

/// Says who else can write `path`, which the sentence calls `what`.
pub(crate) fn writable(path: &Path, what: &str, mask: u32) -> Option<String> {
    match mode(path) {
        Err(e) => Some(format!("cannot be trusted: the mode of {} cannot be read: {e}", path.display())),
        Ok(mode) if mode & mask == 0 => None,
        Ok(mode) => {
            let who = if mode & EVERYONE != 0 { "everyone" } else { "its group" };
            let path = path.display();
            Some(format!(
                "cannot be trusted: {what} can be written by {who} (mode {:03o}): `chmod go-w {path}` if you know what is in it",
                mode & 0o777
            ))
        }
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode())
}

/// Elsewhere access is not told by a mode; the pins alone guard.
#[cfg(not(unix))]
fn mode(_: &Path) -> io::Result<u32> {
    Ok(0)
}

/// `plugins.lock`: the hash that each file had when it was first used, one `SHA256  PATH` a line, so that
/// `sha256sum -c plugins.lock` checks them too.
#[derive(Debug)]
pub(crate) struct Pins {
    file: PathBuf,
    hashes: BTreeMap<PathBuf, String>,
}

impl Pins {
    /// A file that is not there pins nothing.
    ///
    /// # Errors
    /// The file cannot be read, or a line is not understood. It is not skipped: a lost pin would accept any change.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(FileError::io("read", file)(e).into()),
        };
        let mut hashes = BTreeMap::new();
        for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let pin =
                line.split_once("  ").filter(|(hash, path)| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) && !path.is_empty());
            let (hash, path) = pin.ok_or_else(|| Error::Lock { file: file.to_path_buf(), line: i + 1, found: line.to_string() })?;
            hashes.insert(PathBuf::from(path), hash.to_string());
        }
        Ok(Pins { file: file.to_path_buf(), hashes })
    }

    /// Why a file with this hash is not the one that was used before; none if it is, or never was used.
    pub(crate) fn changed(&self, file: &Path, sha256: &str) -> Option<String> {
        let before = self.hashes.get(file).filter(|h| *h != sha256)?;
        Some(format!(
            "changed since its first use (sha256 {:.12}... then, {:.12}... now): `host trust {}` accepts it as it is, --dev-plugins accepts every change",
            before,
            sha256,
            file.display()
        ))
    }

    /// Whether the file has a pin.
    pub(crate) fn knows(&self, file: &Path) -> bool {
        self.hashes.contains_key(file)
    }

    /// Pins a hash and writes the file.
    pub(crate) fn set(&mut self, file: &Path, sha256: &str) -> Result<()> {
        if self.hashes.get(file).is_some_and(|h| h == sha256) {
            return Ok(());
        }
        let Some(name) = file.to_str().filter(|n| !n.contains(['\n', '\r'])) else {
            let reason = "cannot be pinned: its path is not a line of text, so give it another".into();
            return Err(Error::Refused { file: file.to_path_buf(), reason });
        };
        let _alone = self.alone()?;
        self.hashes = Pins::read(&self.file)?.hashes; // another process may have pinned meanwhile
        self.hashes.insert(name.into(), sha256.to_string());
        self.write()
    }

    /// Forgets a file.
    pub(crate) fn remove(&mut self, file: &Path) -> Result<()> {
        self.hashes = Pins::read(&self.file)?.hashes;
        if !self.knows(file) {
            return Ok(());
        }
        let _alone = self.alone()?;
        self.hashes = Pins::read(&self.file)?.hashes;
        self.hashes.remove(file);
        self.write()
    }

    /// Waits until no other process changes the pins; none does before what this gives is dropped. It is a lock of the system on a hidden file beside
    /// them, which stays and means nothing then.
    fn alone(&self) -> Result<fs::File> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).map_err(FileError::io("create", folder))?;
        }
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let path = self.file.with_file_name(format!(".{name}.lock"));
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(FileError::io("open", &path))?;
        if let Err(error) = file.lock() {
            let place = self.file.display();
            tracing::warn!("the file system of {place} has no locks ({error}): a pin is lost where two processes write one at once");
        }
        Ok(file)
    }

    fn write(&self) -> Result<()> {
        let text: String = self.hashes.iter().map(|(path, hash)| format!("{hash}  {}\n", path.display())).collect();
        Ok(write_bytes(&self.file, text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (lock, file) = (dir.path().join("data/plugins.lock"), Path::new("/p/with two  spaces.so"));
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let mut pins = Pins::read(&lock).unwrap();
        assert_eq!(pins.changed(file, &a), None);
        pins.set(file, &a).unwrap();
        Pins::read(&lock).unwrap().set(Path::new("/other.so"), &b).unwrap();
        let again = Pins::read(&lock).unwrap();
        assert_eq!(again.changed(file, &a), None);
        assert!(again.changed(file, &b).unwrap().contains("sha256 aaaaaaaaaaaa... then, bbbbbbbbbbbb... now"));
        assert_eq!(fs::read_to_string(&lock).unwrap(), format!("{b}  /other.so\n{a}  /p/with two  spaces.so\n"));
    }

    #[test]
    fn no_pin_is_lost_when_several_write_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join("data/plugins.lock");
        std::thread::scope(|scope| {
            for file in (0..8).map(|i| format!("/p/{i}.so")) {
                let lock = &lock;
                scope.spawn(move || Pins::read(lock).unwrap().set(Path::new(&file), &"a".repeat(64)).unwrap());
            }
        });
        assert_eq!(Pins::read(&lock).unwrap().hashes.len(), 8);
    }

    #[test]
    fn a_damaged_lock_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join("plugins.lock");
        fs::write(&lock, format!("{}  /a.so\nxyz  /b.so\n", "0".repeat(64))).unwrap();
        let e = Pins::read(&lock).err().unwrap().to_string();
        assert!(e.contains("line 2") && e.contains("xyz"), "{e}");
    }
}
