//! nnU-Net v1.

use std::path::{Path, PathBuf};

use super::{Copy, check, images, json, made, part, place};
use crate::error::Result;
use crate::paths::Paths;
use crate::progress::{Report, for_each_case};
use crate::staging::Staging;

/// Copies the raw dataset of nnU-Net v1 in `source` to the raw dataset `name`, with `dataset.json` in today's form; its folder.
///
/// `imagesTr` and `labelsTr`, and if they are there `imagesTs`, `labelsTs`, `imagesVal` and `labelsVal`. It is whole or not there.
///
/// # Errors
/// The name is none of a dataset, or its number is taken; a part is missing; a file that cannot be read.
pub fn convert_v1(paths: &Paths, source: &Path, name: &str, num_processes: usize, report: Report<'_>) -> Result<PathBuf> {
    let target = place(paths, name)?;
    let labels = images(&part(source, "labelsTr")?)?;
    part(source, "imagesTr")?;

    let staging = Staging::beside(&target)?;
    let mut copies = Vec::new();
    let parts = ["imagesTr", "labelsTr", "imagesTs", "labelsTs", "imagesVal", "labelsVal"];
    for folder in parts.into_iter().filter(|folder| source.join(folder).is_dir()) {
        let (from, to) = (source.join(folder), made(staging.path().join(folder))?);
        copies.extend(images(&from)?.into_iter().map(|name| Copy { from: from.join(&name), to: to.join(&name) }));
    }
    for_each_case("copy", &copies, Copy::name, num_processes, report, Copy::run)?;
    json::convert(source, staging.path(), labels.len(), &["tensorImageSize", "numTest", "training", "test"])?;
    check(staging.path())?;
    staging.finish(&target)?;
    Ok(target)
}
