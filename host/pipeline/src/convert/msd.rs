//! The Medical Segmentation Decathlon (Antonelli et al. 2022, doi 10.1038/s41467-022-30695-9).

use std::path::{Path, PathBuf};

use volume::image::{read_header, split_channels};

use super::{Copy, ENDING, check, images, json, made, part, place};
use crate::error::{Error, Result};
use crate::paths::Paths;
use crate::progress::{Report, for_each_case};
use crate::staging::Staging;

/// Converts the task in `source` (`Task05_Prostate`) to the raw dataset `Dataset005_Prostate`, or to the number `id`; its folder.
///
/// 4D images become a file a channel with the voxels as they are; 3D images and labels are copied. It is whole or not there.
///
/// # Errors
/// The folder's name is no task's, or the number is taken; a part is missing; images and labels of different cases; a file that cannot
/// be read.
pub fn convert_msd(paths: &Paths, source: &Path, id: Option<u32>, num_processes: usize, report: Report<'_>) -> Result<PathBuf> {
    let absolute = std::path::absolute(source).map_err(Error::io("find", source))?;
    let name = absolute.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((task, name)) = task(&name) else {
        return Err(Error::content(source, "is not named as a task of the decathlon, such as Task05_Prostate"));
    };
    let target = place(paths, &format!("Dataset{:03}_{name}", id.unwrap_or(task)))?;
    let training = images(&part(source, "imagesTr")?)?;
    let labels = images(&part(source, "labelsTr")?)?;
    if training != labels {
        let odd = |have: &[String], lack: &[String]| have.iter().filter(|name| !lack.contains(name)).cloned().collect::<Vec<_>>().join(", ");
        let (images, labels) = (odd(&training, &labels), odd(&labels, &training));
        return Err(Error::content(source, format!("imagesTr and labelsTr differ: only images [{images}], only labels [{labels}]")));
    }
    if training.is_empty() {
        return Err(Error::content(source, format!("imagesTr has no file that ends in {ENDING}")));
    }

    let staging = Staging::beside(&target)?;
    let mut splits = Vec::new();
    for folder in ["imagesTr", "imagesTs"].into_iter().filter(|folder| source.join(folder).is_dir()) {
        let to = made(staging.path().join(folder))?;
        let from = source.join(folder);
        splits.extend(images(&from)?.into_iter().map(|name| Copy { from: from.join(&name), to: to.join(&name) }));
    }
    for_each_case("split", &splits, Copy::name, num_processes, report, split)?;
    let to = made(staging.path().join("labelsTr"))?;
    let copies: Vec<Copy> = labels.iter().map(|name| Copy { from: source.join("labelsTr").join(name), to: to.join(name) }).collect();
    for_each_case("copy", &copies, Copy::name, num_processes, report, Copy::run)?;
    json::convert(source, staging.path(), training.len(), &["training", "test"])?;
    check(staging.path())?;
    staging.finish(&target)?;
    Ok(target)
}

/// `(5, "Prostate")` of `Task05_Prostate`.
fn task(name: &str) -> Option<(u32, &str)> {
    let (digits, name) = name.strip_prefix("Task")?.split_once('_')?;
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()?;
    (!name.is_empty()).then_some((number, name))
}

/// `case.nii.gz` as `case_0000.nii.gz` and so on.
fn split(image: &Copy) -> Result<()> {
    let stem = image.name().strip_suffix(ENDING).unwrap_or_default();
    let channel = |channel: usize| image.to.with_file_name(format!("{stem}_{channel:04}{ENDING}"));
    if read_header(&image.from)?.channels > 1 {
        split_channels(&image.from, channel)?;
        return Ok(());
    }
    Copy { from: image.from.clone(), to: channel(0) }.run()
}

#[cfg(test)]
#[test]
fn tasks_have_numbers_and_names() {
    assert_eq!(task("Task05_Prostate"), Some((5, "Prostate")));
    assert_eq!(task("Task112_Hepatic_Vessel"), Some((112, "Hepatic_Vessel")));
    for name in ["Prostate", "Task_X", "Task05", "Task5a_X", "Task05_", "Task+5_X"] {
        assert_eq!(task(name), None, "{name}");
    }
}
