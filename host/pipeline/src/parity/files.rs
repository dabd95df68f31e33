//! Every file of the folder, and what became of it: none is passed over in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What a file was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// Nobody knows yet.
    Unknown,
    /// It tells of how the folder was made.
    Information,
    /// Our code worked on it.
    Input,
    /// Our result was compared with it.
    Compared,
}

/// Files by their paths below the root, with `/` between the parts.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    uses: BTreeMap<String, Use>,
}

impl Files {
    /// All files below `root`.
    pub(super) fn list(root: &Path) -> Result<Self> {
        let mut files = Self { root: root.to_path_buf(), uses: BTreeMap::new() };
        let mut open = vec![String::new()];
        while let Some(folder) = open.pop() {
            let path = if folder.is_empty() { root.to_path_buf() } else { root.join(&folder) };
            for entry in std::fs::read_dir(&path).map_err(Error::io("list", &path))? {
                let path = entry.map_err(Error::io("list", &path))?.path();
                let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                    return Err(Error::content(&path, "the name is not UTF-8; rename the file"));
                };
                let name = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                if path.is_dir() {
                    open.push(name);
                } else {
                    files.uses.insert(name, Use::Unknown);
                }
            }
        }
        Ok(files)
    }

    /// Where `name` lies.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.uses.contains_key(name)
    }

    /// The names of the files right in `folder`, sorted.
    pub(super) fn names_in(&self, folder: &str) -> Vec<String> {
        self.below(folder).filter(|(_, rest)| !rest.contains('/')).map(|(_, rest)| rest.to_owned()).collect()
    }

    /// The names of the folders right in `folder`, sorted.
    pub(super) fn folders_in(&self, folder: &str) -> BTreeSet<String> {
        self.below(folder).filter_map(|(_, rest)| rest.split_once('/').map(|(first, _)| first.to_owned())).collect()
    }

    /// All folders below `folder` with files right in them, itself included.
    pub(super) fn folders_below(&self, folder: &str) -> BTreeSet<String> {
        self.below(folder).filter_map(|(name, _)| name.rsplit_once('/').map(|(parent, _)| parent.to_owned())).collect()
    }

    fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.uses.keys().filter_map(move |name| match folder {
            "" => Some((name.as_str(), name.as_str())),
            _ => Some((name.as_str(), name.strip_prefix(folder)?.strip_prefix('/')?)),
        })
    }

    /// Notes what `name` is for; a lesser use never takes the place of a better one.
    pub(super) fn note(&mut self, name: &str, now: Use) {
        if let Some(before) = self.uses.get_mut(name) {
            *before = now.max(*before);
        }
    }

    /// Notes it of all files below `folder`.
    pub(super) fn note_below(&mut self, folder: &str, now: Use) {
        let names: Vec<String> = self.below(folder).map(|(name, _)| name.to_owned()).collect();
        names.iter().for_each(|name| self.note(name, now));
    }

    /// The files of this use.
    pub(super) fn of_use(&self, wanted: Use) -> impl Iterator<Item = &str> {
        self.uses.iter().filter(move |(_, found)| **found == wanted).map(|(name, _)| name.as_str())
    }
}
