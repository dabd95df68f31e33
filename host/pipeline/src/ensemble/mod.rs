//! Ensembles: the mean of several models' probabilities, decoded.
//!
//! Probabilities are read class by class, so that a case takes the memory of a few classes however many there are. The mean is f32,
//! summed in the order of the members.

mod cases;
mod merge;
#[cfg(test)]
mod tests;

pub use cases::{Case, cases_in};
pub(crate) use cases::{Member, together};
pub use merge::{Options, merge};

use std::path::{Path, PathBuf};

use volume::files::atomic::{copy_atomic, remove_stale};

use crate::dataset::DatasetJson;
use crate::error::{Error, Result};
use crate::json;
use crate::paths::{nearest, same};
use crate::progress::Report;

/// Merges the predictions in `folders`, each with the same `{case}.npz`, into `output`: `{case}{ending}`, `dataset.json` and
/// `plans.json`. Both JSON files are those of the first folder, or of the two folders above it. Returns the number of cases.
///
/// # Errors
/// No folder, or the output is one of them; no `dataset.json`, or members whose labels differ; cases that not all folders have, all
/// listed; as [`merge`].
pub fn ensemble_folders(folders: &[PathBuf], output: &Path, options: &Options, report: Report<'_>) -> Result<usize> {
    let Some(first) = folders.first() else { return Err(Error::invalid("there is no folder to ensemble")) };
    if folders.iter().any(|folder| same(folder, output)) {
        return Err(Error::invalid(format!("{} is both input and output; choose another output folder", output.display())));
    }
    let dataset: DatasetJson = json::read(&nearest(first, "dataset.json")?)?;
    let plans = nearest(first, "plans.json")?;
    for folder in folders.iter().skip(1) {
        // a folder that says nothing of its labels is taken at its word
        let Ok(path) = nearest(folder, "dataset.json") else { continue };
        let other: DatasetJson = json::read(&path)?;
        if (&other.labels, &other.regions_class_order) != (&dataset.labels, &dataset.regions_class_order) {
            return Err(Error::content(
                &path,
                format!("the labels are not those of {}; only models of the same labels make an ensemble", first.display()),
            ));
        }
    }
    let cases = cases_in(folders)?;
    std::fs::create_dir_all(output).map_err(Error::io("create", output))?;
    remove_stale(output)?;
    merge(&cases, output, &dataset, options, report)?;
    dataset.write(output)?;
    copy_atomic(&plans, &output.join("plans.json"))?;
    Ok(cases.len())
}
