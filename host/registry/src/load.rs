//! Opens what was checked. The one place where code from outside starts.

use crate::scan;
use plugin_api::abi::{ROOT_SYMBOL, host::Library};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use volume::files::atomic::write_bytes;

const KEPT_UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Opens `bytes` from a copy in `store`, a folder that only the user can enter. The same content is opened once a process
/// and stays open until it ends.
///
/// # Errors
/// The copy cannot be kept, the system's loader refuses it (its words are in the reason), or its layout does not fit.
pub(crate) fn open(bytes: &[u8], sha256: &str, store: &Path) -> Result<Library, String> {
    static OPENED: Mutex<BTreeMap<String, Library>> = Mutex::new(BTreeMap::new());
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = opened.get(sha256) {
        return Ok(*library);
    }
    let library = start(&keep(bytes, sha256, store)?)?;
    opened.insert(sha256.to_string(), library);
    Ok(library)
}

/// The copy of `bytes` in `store`, named after its hash. Copies that nobody opened for thirty days go.
fn keep(bytes: &[u8], sha256: &str, store: &Path) -> Result<PathBuf, String> {
    let copy = store.join(format!("{sha256}{}", std::env::consts::DLL_SUFFIX));
    let failed = |e: &dyn std::fmt::Display| format!("its copy {} cannot be kept: {e} (XDG_CACHE_HOME names another cache folder)", copy.display());
    own_folder(store).map_err(|e| failed(&e))?;
    // a copy of other content is not what was checked
    if scan::read(&copy).is_ok_and(|kept| kept == bytes) {
        let _ = File::open(&copy).and_then(|f| f.set_modified(SystemTime::now()));
    } else {
        write_bytes(&copy, bytes).map_err(|e| failed(&e))?;
        let _ = sweep(store);
    }
    Ok(copy)
}

/// Makes a folder that nobody else can enter. Setting the mode fails where the folder is another user's.
fn own_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    #[cfg(unix)]
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

fn sweep(store: &Path) -> io::Result<()> {
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        if entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > KEPT_UNUSED) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn start(copy: &Path) -> Result<Library, String> {
    // SAFETY: opening runs the file's constructors. The file is a whole shared library for this machine, only the user can
    // write this copy of it, and the trust rules made its code the user's own choice. It is leaked, so nothing dangles.
    let opened: &'static _ = Box::leak(Box::new(unsafe { open_now(copy) }.map_err(|e| words(&e))?));
    // SAFETY: only the symbol's address is taken; what lies there is checked below.
    let symbol = *unsafe { opened.get::<*const ()>(ROOT_SYMBOL) }.map_err(|e| words(&e))?;
    // SAFETY: the library was leaked above, and `ROOT_SYMBOL` is the name of the `LibHeader` that `plugin!` exports.
    unsafe { Library::open(symbol) }.map_err(|e| format!("it {e}"))
}

/// All symbols now, none of them for other libraries.
#[cfg(unix)]
unsafe fn open_now(copy: &Path) -> Result<libloading::os::unix::Library, libloading::Error> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: the caller's.
    unsafe { Library::open(Some(copy), RTLD_NOW | RTLD_LOCAL) }
}

#[cfg(not(unix))]
unsafe fn open_now(copy: &Path) -> Result<libloading::Library, libloading::Error> {
    // SAFETY: the caller's.
    unsafe { libloading::Library::new(copy) }
}

/// The error with its causes: libloading keeps the loader's words there.
fn words(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_checked_before_it_is_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("cache/plugins");
        let copy = keep(b"checked", "0123", &store).unwrap();
        fs::write(&copy, b"forged").unwrap();
        assert_eq!(fs::read(keep(b"checked", "0123", &store).unwrap()).unwrap(), b"checked");
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&store).unwrap().permissions()) & 0o777, 0o700);
    }

    #[test]
    fn old_copies_go() {
        let dir = tempfile::tempdir().unwrap();
        let old = keep(b"old", "0", dir.path()).unwrap();
        File::options().write(true).open(&old).unwrap().set_modified(SystemTime::now() - 2 * KEPT_UNUSED).unwrap();
        let young = keep(b"young", "1", dir.path()).unwrap();
        assert!(!old.exists() && young.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_loaders_words_arrive() {
        let dir = tempfile::tempdir().unwrap();
        let e = open(b"no library", "2", dir.path()).unwrap_err();
        assert!(e.contains("file too short") || e.contains("invalid ELF header"), "{e}");
    }
}
