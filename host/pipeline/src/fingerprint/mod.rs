//! What a dataset's images have in common: spacings, shapes, and intensities of the foreground.

mod record;
mod sample;
mod stats;

pub(crate) use sample::Sample;

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use volume::files::atomic::remove_stale;

use crate::claim::Claim;
use crate::dataset::{Case, DatasetJson, training_cases, verify};
use crate::error::{Error, Result};
use crate::json;
use crate::memory;
use crate::paths::Paths;
use crate::progress::{Report, for_each_case};
use record::Record;

/// Foreground voxels that are drawn in all.
const SAMPLES: usize = 100_000_000;
/// The file.
const FILE: &str = "dataset_fingerprint.json";
/// Where the results of single cases lie until all are there.
const PARTIAL: &str = ".fingerprint_partial";

/// `dataset_fingerprint.json`. Axes are z, y, x as the images have them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Of each channel ("0", "1", ...) what [`IntensityProperties`](crate::plan::IntensityProperties) holds.
    pub foreground_intensity_properties_per_channel: Map<String, Value>,
    /// The median share of an image that remains after cropping.
    pub median_relative_size_after_cropping: f64,
    /// Voxels of each case after cropping.
    pub shapes_after_crop: Vec<[usize; 3]>,
    /// Spacing of each case, mm.
    pub spacings: Vec<[f64; 3]>,
}

impl Fingerprint {
    /// Reads the fingerprint in the folder of a preprocessed dataset.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Err(Error::content(&path, "there is no fingerprint; run nnUNetv2_extract_fingerprint first"));
        }
        json::read(&path)
    }
}

/// What an extraction can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Cases at a time, at most.
    pub num_processes: usize,
    /// Check the dataset first.
    pub verify_dataset_integrity: bool,
    /// Extract although there is a fingerprint.
    pub clean: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { num_processes: 8, verify_dataset_integrity: false, clean: false }
    }
}

/// The fingerprint of `dataset` (its folder name), read from `{preprocessed}/{dataset}` or extracted and written there.
///
/// The strings are the warnings of the integrity check.
///
/// # Errors
/// A dataset that fails the check; files that cannot be read or written; no foreground at all.
pub fn run(paths: &Paths, dataset: &str, options: &Options, report: Report<'_>) -> Result<(Fingerprint, Vec<String>)> {
    let (raw, folder) = (paths.raw()?.join(dataset), paths.preprocessed()?.join(dataset));
    let warnings = if options.verify_dataset_integrity { verify(&raw, options.num_processes, report)? } else { Vec::new() };
    let path = folder.join(FILE);
    let known = || -> Result<Option<Fingerprint>> { if path.exists() && !options.clean { Fingerprint::read(&folder).map(Some) } else { Ok(None) } };
    if let Some(fingerprint) = known()? {
        return Ok((fingerprint, warnings));
    }
    let _claim = Claim::wait(&path)?;
    if let Some(fingerprint) = known()? {
        return Ok((fingerprint, warnings));
    }
    let fingerprint = extract(&raw, &folder, options.num_processes, report)?;
    json::write(&path, &fingerprint)?;
    let partial = folder.join(PARTIAL);
    fs::remove_dir_all(&partial).map_err(Error::io("remove", &partial))?;
    Ok((fingerprint, warnings))
}

/// Extracts the fingerprint of the raw dataset in `raw`, at most `workers` cases at a time.
///
/// What is known of each case is kept in `{folder}/.fingerprint_partial` until the caller removes it, so that an extraction which was
/// killed goes on where it was. Beside one case a worker, memory holds 400 MB of foreground voxels.
///
/// # Errors
/// Files that cannot be read or written; a case that does not fit the dataset; no foreground at all.
pub fn extract(raw: &Path, folder: &Path, workers: usize, report: Report<'_>) -> Result<Fingerprint> {
    let dataset = DatasetJson::read(raw)?;
    let cases = training_cases(raw, &dataset)?;
    if cases.is_empty() {
        return Err(Error::content(raw, format!("there are no images imagesTr/{{case}}_0000{}", dataset.file_ending)));
    }
    let partial = folder.join(PARTIAL);
    fs::create_dir_all(&partial).map_err(Error::io("create", &partial))?;
    remove_stale(&partial)?;

    let samples = (SAMPLES / cases.len()).max(1);
    let record = |case: &Case| partial.join(format!("{}.npz", case.name));
    let reader = dataset.reader()?;
    // by the header of the first image; what is known already needs none
    let bytes = |case: &Case| match if record(case).exists() { None } else { case.header(reader)? } {
        Some(header) => Ok(memory::preparing(dataset.channel_names.len(), header.voxels(), 0)),
        None => Ok(0),
    };
    let bytes = cases.iter().map(bytes).collect::<Result<Vec<u64>>>()?;
    let workers = memory::workers(workers, cases.iter().map(|case| case.name.as_str()).zip(bytes))?;
    let mut records = for_each_case(
        "fingerprint",
        &cases,
        |case| &case.name,
        workers,
        report,
        |case| Record::read_or_make(&record(case), case, &dataset, samples),
    )?;
    let mut intensities = Map::new();
    for channel in 0..dataset.channel_names.len() {
        let properties = stats::intensities(&mut records, channel, samples)?
            .ok_or_else(|| Error::content(raw, "no label image has foreground (a label above 0), so there are no intensities to learn"))?;
        let value = serde_json::to_value(properties).map_err(|error| Error::invalid(error.to_string()))?;
        intensities.insert(channel.to_string(), value);
    }
    // as Python sorts them: "10" comes before "2"
    intensities.sort_keys();
    Ok(Fingerprint {
        foreground_intensity_properties_per_channel: intensities,
        median_relative_size_after_cropping: stats::median(records.iter().map(|record| record.relative_size).collect()),
        shapes_after_crop: records.iter().map(|record| record.shape).collect(),
        spacings: records.iter().map(|record| record.spacing).collect(),
    })
}

#[cfg(test)]
mod tests;
