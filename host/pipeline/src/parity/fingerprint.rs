//! `fingerprint`: datasets with their fingerprints, and what nnU-Net finds in single cases.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use volume::numpy::{mean_f32, percentile_linear};

use super::desk::Desk;
use super::files::Use;
use super::{planning, tolerance};
use crate::dataset::{Case, DatasetJson, training_cases};
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprint, Sample};

pub(super) fn run(desk: &mut Desk<'_>) -> Result<()> {
    let datasets: Vec<String> = desk.files.folders_in("fingerprint").into_iter().map(|name| format!("fingerprint/{name}")).collect();
    desk.each("fingerprint", &datasets, |desk, folder| {
        dataset(desk, folder)?;
        planning::plans_in(desk, folder)
    });
    let singles: Vec<String> =
        desk.files.names_in("fingerprint").into_iter().filter(|name| name.starts_with("per_case_") && name.ends_with(".json")).collect();
    for name in singles {
        desk.attempt(&format!("fingerprint/{name}"), |desk| single_cases(desk, &name));
    }
    Ok(())
}

/// The fingerprint in `folder`, where the raw images are there.
pub(super) fn dataset(desk: &mut Desk<'_>, folder: &str) -> Result<()> {
    let name = folder.rsplit('/').next().unwrap_or(folder);
    let file = format!("{folder}/dataset_fingerprint.json");
    let Some(raw) = desk.raw(folder, name) else {
        desk.files.note(&file, Use::Input);
        desk.no_images(&file, name);
        return Ok(());
    };
    let theirs: Value = desk.json(&file, Use::Compared)?;
    for images in ["imagesTr", "labelsTr"] {
        desk.files.note_below(&format!("{folder}/{images}"), Use::Input);
    }
    desk.files.note(&format!("{folder}/dataset.json"), Use::Input);
    let scratch = tempfile::tempdir().map_err(Error::io("create", Path::new("a temporary folder")))?;
    let ours = crate::fingerprint::extract(&raw, scratch.path(), desk.options.num_processes, desk.report())?;
    desk.each_key(&file, &ours, &theirs, tolerance::PLANS)?;
    read_back(desk, &file, &theirs)
}

/// What is read of a fingerprint is what stands in it.
fn read_back(desk: &mut Desk<'_>, file: &str, theirs: &Value) -> Result<()> {
    let read: Fingerprint = desk.json(file, Use::Compared)?;
    desk.tree(&format!("{file}: read and written"), &read, theirs, tolerance::EXACT);
    Ok(())
}

/// nnU-Net's `analyze_case` of one case.
#[derive(Deserialize)]
struct Single {
    shape_after_crop: Vec<usize>,
    spacing: Vec<f64>,
    rel: f64,
    n_fg: usize,
    /// Over all foreground voxels.
    stats: BTreeMap<String, f64>,
    /// Draws.
    n_samples: usize,
    first16_samples: Vec<f64>,
    samples_mean_f64: f64,
    samples_std_f64: f64,
}

/// `per_case_{dataset004}.json`.
fn single_cases(desk: &mut Desk<'_>, name: &str) -> Result<()> {
    let file = format!("fingerprint/{name}");
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    let all: Map<String, Value> = desk.json(&file, Use::Compared)?;
    let Some(raw) = digits.parse().ok().and_then(|id| desk.raw_by_id(id)) else {
        desk.no_images(&file, &format!("Dataset{digits}"));
        return Ok(());
    };
    let dataset = DatasetJson::read(&raw)?;
    let cases: BTreeMap<String, Case> = training_cases(&raw, &dataset)?.into_iter().map(|case| (case.name.clone(), case)).collect();
    let scratch = tempfile::tempdir().map_err(Error::io("create", Path::new("a temporary folder")))?;
    let names: Vec<String> = all.keys().cloned().collect();
    desk.each("single cases", &names, |desk, name| {
        let what = format!("{file}, {name}");
        let Some(case) = cases.get(name) else {
            desk.not_compared(&what, &format!("{} has no such case", raw.display()));
            return Ok(());
        };
        let theirs: Single =
            serde_json::from_value(all[name].clone()).map_err(|error| Error::content(&desk.files.path(&file), format!("{name}: {error}")))?;
        single(desk, &what, &Sample::of(scratch.path(), case, &dataset, theirs.n_samples)?, &theirs)
    });
    Ok(())
}

fn single(desk: &mut Desk<'_>, what: &str, ours: &Sample, theirs: &Single) -> Result<()> {
    desk.exact(&format!("{what}: shape after cropping"), &ours.shape, &theirs.shape_after_crop);
    desk.tree(&format!("{what}: spacing, mm"), &ours.spacing, &theirs.spacing, tolerance::GEOMETRY);
    desk.relative(&format!("{what}: share that remains after cropping"), ours.relative_size, theirs.rel, tolerance::PLANS);
    desk.exact(&format!("{what}: foreground voxels"), &ours.foreground.len(), &theirs.n_fg);
    let all = &ours.foreground;
    let mean = mean_f32(all);
    let percentiles = percentile_linear(all, &[0.0, 0.5, 50.0, 99.5, 100.0]);
    let found = ["min", "percentile_00_5", "median", "percentile_99_5", "max"].into_iter().zip(percentiles);
    let found: BTreeMap<&str, f64> = found.chain([("mean", f64::from(mean))]).collect();
    desk.tree(&format!("{what}: statistics of all foreground voxels"), &found, &theirs.stats, tolerance::PLANS);
    let first: Vec<f64> = ours.drawn.iter().take(theirs.first16_samples.len()).map(|&v| f64::from(v)).collect();
    desk.tree(&format!("{what}: first draws"), &first, &theirs.first16_samples, tolerance::EXACT);
    let count = ours.drawn.len() as f64;
    let mean = ours.drawn.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let std = (ours.drawn.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count).sqrt();
    desk.relative(&format!("{what}: mean of the draws"), mean, theirs.samples_mean_f64, tolerance::PLANS);
    desk.relative(&format!("{what}: standard deviation of the draws"), std, theirs.samples_std_f64, tolerance::PLANS);
    Ok(())
}
