//! Copies of images with the geometry that they should have.

use std::path::{Path, PathBuf};

use volume::image::{Reader, read_header, write_image, write_segmentation};

use super::{DatasetJson, Misplaced, image_workers, read_labels_with};
use crate::error::{Error, Result};
use crate::progress::{Report, for_each_case};

/// Where the repaired copy of a file goes: its folder's and its own name in `folder`.
pub fn repaired(folder: &Path, file: &Path) -> PathBuf {
    let parent = file.parent().and_then(Path::file_name).unwrap_or_default();
    folder.join(parent).join(file.file_name().unwrap_or_default())
}

/// Writes each of `misplaced` in the raw dataset `raw` to [`repaired`] in `folder` with its voxels as they are and the geometry of the first channel of its case.
/// Image voxels are written as `f32`, as they are read for training.
///
/// # Errors
/// A file that cannot be read or written, or that does not fit into memory.
pub fn repair(raw: &Path, misplaced: &[Misplaced], folder: &Path, report: Report<'_>) -> Result<()> {
    let dataset = DatasetJson::read(raw)?;
    let reader = dataset.reader()?;
    let name = |misplaced: &Misplaced| misplaced.file.to_string_lossy().into_owned();
    let named: Vec<(String, &Misplaced)> = misplaced.iter().map(|misplaced| (name(misplaced), misplaced)).collect();
    // the image, a copy in new axes, and its file
    let workers = image_workers(1, named.iter().map(|(name, misplaced)| (name.as_str(), &misplaced.file)), 16)?;
    for_each_case(
        "repair",
        &named,
        |(name, _)| name,
        workers,
        report,
        |(_, misplaced)| {
            let target = repaired(folder, &misplaced.file);
            let parent = target.parent().unwrap_or(folder);
            std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
            // a reader that turns images turns by the very header that is wrong; it is asked where only that makes the grids fit
            let fits = read_header(&misplaced.file)?.shape == read_header(&misplaced.like)?.shape;
            let reader = if fits { Reader::SimpleItk } else { reader };
            let geometry = reader.read_header(&misplaced.like)?.geometry;
            if misplaced.is_label {
                let (labels, _) = read_labels_with(reader, &misplaced.file, &dataset)?;
                write_segmentation(target, &labels, &geometry)?;
            } else {
                write_image(target, &reader.read_image(&misplaced.file)?.data, &geometry)?;
            }
            Ok(())
        },
    )?;
    Ok(())
}
