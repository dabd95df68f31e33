//! DICOM: a folder with the slices of one series, or one file with one slice. It is read, never written.
//!
//! Values are `RescaleSlope * stored + RescaleIntercept`, slice by slice. DICOM's world is ITK's: left, posterior, superior.

mod lengths;
mod series;
mod slice;

use super::voxels::{Content, Opened, Voxels};
use super::{Format, Geometry, ImageError, ImageHeader};
use series::Series;
use slice::Slice;
use std::path::{Path, PathBuf};

pub(super) struct Dicom;

impl Format for Dicom {
    fn header(&self, path: &Path) -> Result<ImageHeader, ImageError> {
        Ok(series(path)?.header)
    }

    fn open(&self, path: &Path) -> Result<Opened, ImageError> {
        let Series { slices, header } = series(path)?;
        let [_, height, width] = header.shape;
        let mut values = Vec::new();
        for slice in &slices {
            slice.decode(height * width, &mut values)?;
        }
        Ok(Opened { header, voxels: Voxels::Decoded(values) })
    }

    fn files(&self, path: &Path) -> Result<Vec<PathBuf>, ImageError> {
        list(path)
    }

    fn write(&self, path: &Path, _: Content<'_>, _: &Geometry) -> Result<(), ImageError> {
        Err(ImageError::unwritable(path, "DICOM is read only; set `file_ending` in dataset.json to .nii.gz"))
    }
}

fn series(path: &Path) -> Result<Series, ImageError> {
    let slices = list(path)?.iter().map(|file| Slice::read(file)).collect::<Result<Vec<_>, _>>()?;
    Series::of(path, slices)
}

/// The files of a folder that may hold slices, sorted by name: those that end in `.dcm` or in nothing.
fn list(path: &Path) -> Result<Vec<PathBuf>, ImageError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(ImageError::read(path))? {
        let file = entry.map_err(ImageError::read(path))?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ending = file.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        // names are often UIDs, whose last number looks like an ending
        let may_be = ending.is_none_or(|ending| ending == "dcm" || ending == "ima" || ending.bytes().all(|byte| byte.is_ascii_digit()));
        if file.is_file() && may_be && !name.starts_with('.') && name != "DICOMDIR" {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(ImageError::malformed(path, "is a folder without DICOM slices; wanted files that end in .dcm, or in nothing"));
    }
    Ok(files)
}
