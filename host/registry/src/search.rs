//! Where plugins are looked for.

use crate::{Error, Result, config_file};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// Who named a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// `--plugins-dir`.
    Flag,
    /// `NNUNET_PLUGINS`.
    Environment,
    /// The executable's own folder, where only files with plugin records count, or its `plugins` folder.
    Beside,
    /// The user's data folder.
    User,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Flag => "from --plugins-dir",
            Origin::Environment => "from NNUNET_PLUGINS",
            Origin::Beside => "beside the executable",
            Origin::User => "the user's plugins",
        })
    }
}

/// A folder to search, or one plugin file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The folder or file.
    pub path: PathBuf,
    /// Who named it.
    pub origin: Origin,
    /// Files without plugin records are not worth a word here.
    pub mixed: bool,
}

/// A file that may be a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// As it was found: in the folder that was searched, perhaps a link.
    pub path: PathBuf,
    /// Where it was found.
    pub place: Place,
}

/// Places in the order in which they are searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPath(pub Vec<Place>);

impl SearchPath {
    /// `--plugins-dir` (folders or files), a path list as `NNUNET_PLUGINS` holds it, the executable's folder and its
    /// `plugins`, and the user's data folder.
    pub fn new(given: &[PathBuf], listed: Option<&OsStr>, executable: Option<&Path>, data: Option<&Path>) -> Self {
        let place = |path: PathBuf, origin| Place { path, origin, mixed: false };
        let mut places: Vec<Place> = given.iter().map(|p| place(p.clone(), Origin::Flag)).collect();
        let listed = listed.map(|l| std::env::split_paths(l).collect::<Vec<_>>()).unwrap_or_default();
        places.extend(listed.into_iter().filter(|p| !p.as_os_str().is_empty()).map(|p| place(p, Origin::Environment)));
        if let Some(folder) = executable {
            places.push(Place { mixed: true, ..place(folder.to_path_buf(), Origin::Beside) });
            places.push(place(folder.join("plugins"), Origin::Beside));
        }
        places.extend(data.map(|d| place(d.join("plugins"), Origin::User)));
        Self(places)
    }

    /// The places of this process: its environment and its executable.
    pub fn of_process(given: &[PathBuf], data: Option<&Path>) -> Self {
        let executable = std::env::current_exe().ok();
        Self::new(given, std::env::var_os("NNUNET_PLUGINS").as_deref(), executable.as_deref().and_then(Path::parent), data)
    }

    /// Every `.so`, `.dylib` and `.dll`, and every `.toml` and `.json` (a trainer config; not beside the executable, where a build leaves
    /// such files), sorted within its place; a file that two places lead to is listed once.
    ///
    /// # Errors
    /// A place cannot be listed. One that nobody named in so many words may be missing.
    pub fn files(&self) -> Result<Vec<Candidate>> {
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        for place in &self.0 {
            for path in files_of(place)? {
                // a link to nowhere stands for itself and is refused later
                if seen.insert(fs::canonicalize(&path).unwrap_or_else(|_| path.clone())) {
                    found.push(Candidate { path, place: place.clone() });
                }
            }
        }
        Ok(found)
    }
}

fn files_of(place: &Place) -> Result<Vec<PathBuf>> {
    if place.path.is_file() {
        return Ok(vec![place.path.clone()]);
    }
    let failed = |source| Error::Folder { folder: place.path.clone(), origin: place.origin, source };
    let entries = match fs::read_dir(&place.path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound && matches!(place.origin, Origin::Beside | Origin::User) => return Ok(vec![]),
        Err(e) => return Err(failed(e)),
    };
    let mut files = entries.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    let library = |p: &Path| p.extension().and_then(OsStr::to_str).is_some_and(|e| ["so", "dylib", "dll"].contains(&e));
    files.retain(|p| library(p) || (!place.mixed && config_file::is_one(p)));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_in_order() {
        let listed = std::env::join_paths(["/env/a", "", "/env/b"]).unwrap();
        let path = SearchPath::new(&["/flag".into()], Some(&listed), Some(Path::new("/bin")), Some(Path::new("/data")));
        let names: Vec<&str> = path.0.iter().map(|p| p.path.to_str().unwrap()).collect();
        assert_eq!(names, ["/flag", "/env/a", "/env/b", "/bin", "/bin/plugins", "/data/plugins"]);
        assert_eq!(path.0.iter().map(|p| p.mixed).collect::<Vec<_>>(), [false, false, false, true, false, false]);
    }

    #[test]
    fn a_folder_that_was_named_must_be_there_and_others_need_not() {
        let none = Path::new("/there/is/no/such/folder");
        assert_eq!(SearchPath::new(&[], None, Some(none), Some(none)).files().unwrap(), []);
        let e = SearchPath::new(&[none.into()], None, None, None).files().unwrap_err().to_string();
        assert!(e.contains("/there/is/no/such/folder (from --plugins-dir)"), "{e}");
    }

    #[test]
    fn a_file_is_listed_once() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.so", "a.so", "c.dylib", "d.dll", "e.toml", "f.json", "Cargo.toml", "README.md", "so"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let twice = SearchPath::new(&[dir.path().into(), dir.path().join("."), dir.path().join("a.so")], None, None, None);
        let names: Vec<_> = twice.files().unwrap().iter().map(|c| c.path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["a.so", "b.so", "c.dylib", "d.dll", "e.toml", "f.json"]);
        let beside = SearchPath::new(&[], None, Some(dir.path()), None).files().unwrap();
        assert_eq!(beside.len(), 4, "a build's own files are no configs");
    }
}
