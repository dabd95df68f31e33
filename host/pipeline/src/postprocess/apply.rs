//! Postprocessing of a folder.

use std::path::Path;

use volume::files::atomic::{copy_atomic, remove_stale};
use volume::image::write_segmentation;

use super::Postprocessing;
use crate::dataset::{DatasetJson, image_workers, read_labels};
use crate::error::{Error, Result};
use crate::evaluate::files;
use crate::paths::{nearest, same};
use crate::progress::{Report, for_each_case};

/// Writes the segmentations of `input` to `output` after `postprocessing`, with `dataset.json` and, if there is one, `plans.json`.
/// Returns the number of cases.
///
/// # Errors
/// `output` is `input`; there is no segmentation; a file cannot be read or written; not even one case fits into memory.
pub fn apply(
    input: &Path,
    output: &Path,
    postprocessing: &Postprocessing,
    dataset: &DatasetJson,
    num_processes: usize,
    report: Report<'_>,
) -> Result<usize> {
    if same(input, output) {
        return Err(Error::invalid(format!("{} is both input and output; choose another output folder", input.display())));
    }
    let names: Vec<String> = files(input, &[&dataset.file_ending])?.into_iter().collect();
    if names.is_empty() {
        return Err(Error::content(input, format!("there is no segmentation, no file that ends in {}", dataset.file_ending)));
    }
    // the segmentation, its masks, a copy in new axes, and its file
    let workers = image_workers(num_processes, names.iter().map(|name| (name.as_str(), input.join(name))), 14)?;
    std::fs::create_dir_all(output).map_err(Error::io("create", output))?;
    remove_stale(output)?;
    for_each_case(
        "postprocess",
        &names,
        |name| name,
        workers,
        report,
        |name| {
            let (mut labels, geometry) = read_labels(&input.join(name), dataset)?;
            postprocessing.apply(&mut labels);
            Ok(write_segmentation(output.join(name), &labels, &geometry)?)
        },
    )?;
    dataset.write(output)?;
    if let Ok(plans) = nearest(input, "plans.json") {
        copy_atomic(&plans, &output.join("plans.json"))?;
    }
    Ok(names.len())
}
