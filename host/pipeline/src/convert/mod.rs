//! Datasets of other forms into nnU-Net's: the Medical Segmentation Decathlon's tasks, and nnU-Net v1's.

mod json;
mod msd;
#[cfg(test)]
mod tests;
mod v1;

pub use msd::convert_msd;
pub use v1::convert_v1;

use std::path::{Path, PathBuf};

use volume::files::atomic::copy_atomic;

use crate::dataset::DatasetJson;
use crate::error::{Error, Result};
use crate::evaluate::files;
use crate::paths::{Paths, dataset_id};

/// Ending of all files of both kinds.
const ENDING: &str = ".nii.gz";

/// The place of a new raw dataset.
///
/// # Errors
/// The name is none; its number is taken in one of the three folders.
fn place(paths: &Paths, name: &str) -> Result<PathBuf> {
    let Some(id) = dataset_id(name) else {
        return Err(Error::invalid(format!("{name} is no dataset's name; wanted DatasetXXX_NAME, such as Dataset004_Hippocampus")));
    };
    let raw = paths.raw()?;
    if let Some(taken) = paths.folders_of(id).first() {
        return Err(Error::invalid(format!("the number {id} is taken by {}; choose another one", taken.display())));
    }
    Ok(raw.join(name))
}

/// The files in `folder` that a dataset consists of; names that begin with `.` or `_` are left behind by some systems.
fn images(folder: &Path) -> Result<Vec<String>> {
    Ok(files(folder, &[ENDING])?.into_iter().filter(|name| !name.starts_with('_')).collect())
}

/// A part of a dataset, such as `imagesTr`, which must be there.
fn part(source: &Path, name: &str) -> Result<PathBuf> {
    let folder = source.join(name);
    if folder.is_dir() {
        Ok(folder)
    } else {
        Err(Error::content(source, format!("there is no folder {name}; wanted imagesTr, labelsTr and dataset.json")))
    }
}

/// Makes `to` and gives it.
fn made(to: PathBuf) -> Result<PathBuf> {
    std::fs::create_dir_all(&to).map_err(Error::io("create", &to))?;
    Ok(to)
}

/// A file that is copied.
struct Copy {
    from: PathBuf,
    to: PathBuf,
}

impl Copy {
    fn name(&self) -> &str {
        self.from.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    fn run(&self) -> Result<()> {
        Ok(copy_atomic(&self.from, &self.to)?)
    }
}

/// The dataset as nnU-Net reads it: a last look before it is put in place.
fn check(folder: &Path) -> Result<DatasetJson> {
    let dataset = DatasetJson::read(folder)?;
    dataset.label_manager()?;
    Ok(dataset)
}
