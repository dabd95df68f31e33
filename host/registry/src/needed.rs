//! The shared libraries that a plugin needs in turn, and whether the loader would find them.
//!
//! Only a library that none of the loader's places has is called missing, so that the verdict is a name instead of what
//! the loader would say. What is found here and fails all the same is the loader's to report.

use object::{Object, elf};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// The names in the file's dynamic table.
pub(crate) fn libraries(file: &object::File<'_>) -> object::Result<Vec<String>> {
    file.import_libraries()?.map(|l| l.map(|l| String::from_utf8_lossy(l.name()).into_owned())).collect()
}

/// The file's own search folders. `$ORIGIN` is left out: a plugin is loaded from a copy, beside which nothing lies.
pub(crate) fn runpath(file: &object::File<'_>) -> object::Result<Vec<PathBuf>> {
    let object::File::Elf64(file) = file else { return Ok(vec![]) };
    let (table, mut folders) = (file.elf_dynamic_table()?, Vec::new());
    for entry in table.iter().filter(|d| d.tag == elf::DT_RUNPATH || d.tag == elf::DT_RPATH) {
        let list = String::from_utf8_lossy(table.string(entry)?).into_owned();
        folders.extend(list.split(':').filter(|f| f.starts_with('/')).map(PathBuf::from));
    }
    Ok(folders)
}

/// Those of `needed` that the loader has no way to find.
pub(crate) fn missing(needed: &[String], runpath: &[PathBuf]) -> Vec<String> {
    if !cfg!(target_os = "linux") {
        return vec![]; // other loaders have caches that cannot be read
    }
    needed.iter().filter(|name| !is_here(name, runpath)).cloned().collect()
}

fn is_here(name: &str, runpath: &[PathBuf]) -> bool {
    if name.contains('/') {
        return Path::new(name).exists();
    }
    let arch = std::env::consts::ARCH;
    let system = ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    let by_machine = [format!("/lib/{arch}-linux-gnu"), format!("/usr/lib/{arch}-linux-gnu")].map(PathBuf::from);
    let listed: Vec<PathBuf> = std::env::var_os("LD_LIBRARY_PATH").map(|l| std::env::split_paths(&l).collect()).unwrap_or_default();
    in_process_or_cache(name) || [runpath, &listed, &system, &by_machine].into_iter().flatten().any(|f| f.join(name).exists())
}

/// Whether the process has it open already, or the loader's cache knows it.
fn in_process_or_cache(name: &str) -> bool {
    static KNOWN: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    // the cache holds names and paths that end in a zero, the map of the process one path a line
    let (maps, cache) = KNOWN.get_or_init(|| (fs::read("/proc/self/maps").unwrap_or_default(), fs::read("/etc/ld.so.cache").unwrap_or_default()));
    contains(maps, format!("/{name}\n").as_bytes()) || contains(cache, format!("/{name}\0").as_bytes())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn names_what_no_place_has() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("libmine.so.1"), "").unwrap();
        let needed: Vec<String> = ["libc.so.6", "libmine.so.1", "libnowhere.so.9"].map(String::from).into();
        let gone = missing(&needed, &[dir.path().into()]);
        if cfg!(target_env = "gnu") {
            assert_eq!(gone, ["libnowhere.so.9"]);
        }
        assert!(missing(&needed, &[]).contains(&"libmine.so.1".to_string()));
    }
}
