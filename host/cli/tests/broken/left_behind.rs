//! What a failed command leaves: whole files or none.

use pipeline::{checkpoint, json};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};
use volume::{files::npz::read_npz, image::read_image};

/// The files below a folder with their size and time. Links are not followed.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        let (path, about) = (entry.path(), entry.metadata().unwrap());
        if about.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path, (about.len(), about.modified().unwrap()));
        }
    }
    found
}

/// Temporary files, and files that are new or changed and are not what their names say.
pub(crate) fn half_written(before: &BTreeMap<PathBuf, (u64, SystemTime)>, folder: &Path) -> Vec<PathBuf> {
    let after = files(folder).into_iter().filter(|(path, about)| before.get(path) != Some(about));
    after.map(|(path, _)| path).filter(|path| !is_whole(path)).collect()
}

fn is_whole(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    match () {
        () if name.ends_with(".tmp") => false,
        () if name.ends_with(".json") => json::read::<Value>(path).is_ok(),
        () if name.ends_with(".npz") => read_npz(path).is_ok(),
        () if name.ends_with(".pth") => checkpoint::read(path).is_ok(),
        () if name.ends_with(".nii.gz") => read_image(path).is_ok(),
        () => true,
    }
}
