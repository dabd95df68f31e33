//! Planning as a command does it: files in, files out.

use std::path::PathBuf;

use registry::HookSource;
use volume::files::atomic::copy_atomic;
use volume::image::Reader;

use super::{Estimate, Plans, plan_with};
use crate::claim::Claim;
use crate::dataset::{DatasetJson, training_cases};
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::json;
use crate::paths::Paths;
use crate::preprocess::PREPROCESSOR;
use crate::splits::{self, Splits};

/// What a planning can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The planner: one of [`super::PRESETS`], or a plugin's.
    pub planner: String,
    /// The memory to plan for, GiB, instead of the planner's own.
    pub gpu_memory_target: Option<f64>,
    /// Stored in the plans.
    pub preprocessor: String,
    /// The spacing of 3d_fullres, mm, in the original axis order z, y, x.
    pub target_spacing: Option<[f64; 3]>,
    /// The plans' name instead of the planner's own.
    pub plans_name: Option<String>,
    /// The trainer config whose network is planned for, instead of the planner's own; its name goes into the plans' name.
    pub trainer: Option<String>,
    /// Leave the axes in their order.
    pub suppress_transpose: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            planner: "ExperimentPlanner".to_owned(),
            gpu_memory_target: None,
            preprocessor: PREPROCESSOR.to_owned(),
            target_spacing: None,
            plans_name: None,
            trainer: None,
            suppress_transpose: false,
        }
    }
}

/// Plans for `dataset` (its folder name) from its fingerprint, written to `{preprocessed}/{dataset}/{PLANS}.json`; `plugin` is the
/// planner plugin that `options` name, if it is one (see [`planner_plugin`](super::planner_plugin)).
///
/// Configurations that an older file of that name has and this planning does not make are kept. `dataset.json` is copied beside
/// it, and so is a `splits_final.json` of the raw dataset. Returns the plans and where they are.
///
/// # Errors
/// As [`plan_with`]; no fingerprint; files that cannot be read or written; splits beside the raw data that are not the first
/// ones of those in use.
pub fn run(paths: &Paths, dataset: &str, options: &Options, plugin: Option<&HookSource>, estimate: &dyn Estimate) -> Result<(Plans, PathBuf)> {
    if let Some(gb) = options.gpu_memory_target.filter(|gb| !(gb.is_finite() && *gb > 0.0)) {
        return Err(Error::invalid(format!("-gpu_memory_target is {gb}; it must be a number of GiB above 0")));
    }
    let (raw, folder) = (paths.raw()?.join(dataset), paths.preprocessed()?.join(dataset));
    let json = DatasetJson::read(&raw)?;
    let fingerprint = Fingerprint::read(&folder)?;
    let mut plans = plan_with(plugin, dataset, &json, &fingerprint, options, estimate)?;
    if json.reader()? == Reader::Tiff3D {
        // a .tif may be 2D, which only the images tell
        if let Some(image) = training_cases(&raw, &json)?.first().and_then(|case| case.images.first()) {
            plans.image_reader_writer = json.reader_of(image)?.name().to_owned();
        }
    }
    if plans.plans_name.is_empty() || plans.plans_name.contains(['/', '\\']) || plans.plans_name.contains("__") {
        return Err(Error::invalid(format!("{:?} is no name for plans; it must be without slashes and `__`", plans.plans_name)));
    }
    json.write(&folder)?;
    let path = folder.join(format!("{}.json", plans.plans_name));
    let _claim = Claim::wait(&path)?;
    if path.exists() {
        plans.keep_configurations_of(Plans::read(&path)?);
    }
    plans.write(&path)?;
    copy_splits(&raw.join(splits::FILE), &folder.join(splits::FILE))?;
    Ok((plans, path))
}

/// Splits that come with the raw data are taken over; those that are in use already may go on after them, but not differ.
fn copy_splits(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    if !from.exists() {
        return Ok(());
    }
    let _claim = Claim::wait(to)?;
    if !to.exists() {
        return Ok(copy_atomic(from, to)?);
    }
    let (given, used): (Splits, Splits) = (json::read(from)?, json::read(to)?);
    if used.0.starts_with(&given.0) {
        return Ok(());
    }
    Err(Error::content(to, format!("its first folds are not those of {}; remove the one that is wrong", from.display())))
}
