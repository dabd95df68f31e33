//! Folders of predictions and references.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ndarray::Array3;
use volume::image::{ENDINGS, read_header, read_segmentation};

use super::{CaseInstances, CaseMetrics, Instances, Overlap, Structure, Summary, instance_metrics};
use crate::dataset::{DatasetJson, read_labels};
use crate::error::{Error, Result};
use crate::memory;
use crate::progress::{Report, for_each_case};

/// What evaluation can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The file to write; none: `summary.json` in the folder of predictions.
    pub output: Option<PathBuf>,
    /// References without a prediction are left out instead of being an error.
    pub chill: bool,
    /// Cases at a time, at most.
    pub num_processes: usize,
    /// Single components are scored too; pairs match if their IoU is above this number, which is at least 0 and below 1.
    pub instances: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { output: None, chill: false, num_processes: 8, instances: None }
    }
}

/// The two files of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The case's name, for messages.
    pub name: String,
    /// The true segmentation.
    pub reference: PathBuf,
    /// The one to score.
    pub prediction: PathBuf,
}

/// Scores the predictions in `predictions` against the files of the same name in `references`, by the labels or regions of
/// `dataset`, and writes the summary.
///
/// # Errors
/// References without a prediction (unless `chill`) or predictions without a reference, all of them listed; no case at all; files that
/// cannot be read or differ in shape.
pub fn evaluate_folder(references: &Path, predictions: &Path, dataset: &DatasetJson, options: &Options, report: Report<'_>) -> Result<Summary> {
    let pairs = pair_up(references, predictions, &[&dataset.file_ending], options.chill)?;
    let read = |path: &Path| read_labels(path, dataset).map(|(labels, _)| labels);
    score(&pairs, &Structure::of(dataset)?, dataset.ignore, read, options, report)?.written(options, predictions)
}

/// As [`evaluate_folder`], by `labels`, and without the voxels that are `ignore` in the reference. All images in `references` count.
///
/// # Errors
/// As [`evaluate_folder`]; no label.
pub fn evaluate_simple(
    references: &Path,
    predictions: &Path,
    labels: &[i16],
    ignore: Option<i16>,
    options: &Options,
    report: Report<'_>,
) -> Result<Summary> {
    if labels.is_empty() {
        return Err(Error::invalid("no label to evaluate; name at least one"));
    }
    let pairs = pair_up(references, predictions, &ENDINGS, options.chill)?;
    let read = |path: &Path| Ok(read_segmentation(path)?.0);
    score(&pairs, &Structure::labels(labels), ignore, read, options, report)?.written(options, predictions)
}

/// Scores `pairs` by the labels or regions of `dataset` with `num_processes` at a time; writes nothing.
///
/// # Errors
/// No case; files that cannot be read or differ in shape.
pub fn evaluate_pairs(pairs: &[Pair], dataset: &DatasetJson, num_processes: usize, report: Report<'_>) -> Result<Summary> {
    let read = |path: &Path| read_labels(path, dataset).map(|(labels, _)| labels);
    score(pairs, &Structure::of(dataset)?, dataset.ignore, read, &Options { num_processes, ..Options::default() }, report)
}

/// Scores `pairs` by `structures`, without the voxels that are `ignore` in the reference; writes nothing.
///
/// # Errors
/// As [`evaluate_pairs`].
pub fn evaluate_structures(
    pairs: &[Pair],
    structures: &[Structure],
    ignore: Option<i16>,
    num_processes: usize,
    report: Report<'_>,
) -> Result<Summary> {
    let read = |path: &Path| Ok(read_segmentation(path)?.0);
    score(pairs, structures, ignore, read, &Options { num_processes, ..Options::default() }, report)
}

impl Summary {
    fn written(self, options: &Options, predictions: &Path) -> Result<Self> {
        self.write(options.output.as_deref().unwrap_or(&predictions.join("summary.json")))?;
        Ok(self)
    }
}

fn score(
    pairs: &[Pair],
    structures: &[Structure],
    ignore: Option<i16>,
    read: impl Fn(&Path) -> Result<Array3<i16>> + Sync,
    options: &Options,
    report: Report<'_>,
) -> Result<Summary> {
    if pairs.is_empty() {
        return Err(Error::invalid("there is no case to evaluate"));
    }
    if let Some(iou) = options.instances.filter(|iou| !(0.0..1.0).contains(iou)) {
        return Err(Error::invalid(format!("the IoU above which components match is {iou}; it must be at least 0 and below 1")));
    }
    // two label images and a file's bytes; components of both, and the nearest one of each voxel with its distance
    let each = if options.instances.is_some() { 12 + 48 } else { 12 };
    let bytes = pairs.iter().map(|pair| Ok((pair.name.as_str(), each * pair.voxels()?))).collect::<Result<Vec<_>>>()?;
    let cases = for_each_case(
        "evaluate",
        pairs,
        |pair| &pair.name,
        memory::workers(options.num_processes, bytes)?,
        report,
        |pair| {
            let (reference, prediction) = pair.read(&read)?;
            let metrics = pair.metrics(&Overlap::count(&reference, &prediction, ignore), structures);
            let instances = options.instances.map(|iou| CaseInstances {
                metrics: structures.iter().map(|s| (s.key(), instance_metrics(&reference, &prediction, ignore, s, iou))).collect(),
                prediction_file: metrics.prediction_file.clone(),
                reference_file: metrics.reference_file.clone(),
            });
            Ok((metrics, instances))
        },
    )?;
    let (cases, instances): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let instances = options.instances.map(|iou| Instances::of(structures, instances.into_iter().flatten().collect(), iou));
    Ok(Summary { instances, ..Summary::of(structures, cases) })
}

impl Pair {
    /// Voxels of the reference, by its header.
    fn voxels(&self) -> Result<u64> {
        Ok(read_header(&self.reference).map_err(|error| Error::from(error).in_case(&self.name))?.voxels())
    }

    /// Reference and prediction, (z, y, x) each.
    ///
    /// # Errors
    /// What `read` returns; they differ in shape.
    pub(crate) fn read(&self, read: impl Fn(&Path) -> Result<Array3<i16>>) -> Result<(Array3<i16>, Array3<i16>)> {
        let (reference, prediction) = (read(&self.reference)?, read(&self.prediction)?);
        if reference.shape() != prediction.shape() {
            let (found, wanted) = (prediction.shape(), reference.shape());
            return Err(Error::content(&self.prediction, format!("the shape (z, y, x) is {found:?}, but that of the reference {wanted:?}")));
        }
        Ok((reference, prediction))
    }

    /// The metrics of this case.
    pub(crate) fn metrics(&self, overlap: &Overlap, structures: &[Structure]) -> CaseMetrics {
        CaseMetrics {
            metrics: structures.iter().map(|structure| (structure.key(), overlap.metrics(structure))).collect(),
            prediction_file: self.prediction.to_string_lossy().into_owned(),
            reference_file: self.reference.to_string_lossy().into_owned(),
        }
    }
}

/// The files with one of `endings` in both folders, sorted.
fn pair_up(references: &Path, predictions: &Path, endings: &[&str], chill: bool) -> Result<Vec<Pair>> {
    let (wanted, found) = (files(references, endings)?, files(predictions, endings)?);
    let missing: Vec<&str> = wanted.difference(&found).map(String::as_str).collect();
    if !missing.is_empty() && !chill {
        let what = format!(
            "{} of {} references have no prediction: {}; predict them, or leave them out with --chill",
            missing.len(),
            wanted.len(),
            missing.join(", ")
        );
        return Err(Error::content(predictions, what));
    }
    let strangers: Vec<&str> = found.difference(&wanted).map(String::as_str).collect();
    if !strangers.is_empty() {
        return Err(Error::content(references, format!("there is no reference for the prediction(s) {}", strangers.join(", "))));
    }
    if found.is_empty() {
        return Err(Error::content(predictions, format!("there is no file that ends in {}", endings.join(" or "))));
    }
    let pair = |name: String| Pair { reference: references.join(&name), prediction: predictions.join(&name), name };
    Ok(found.into_iter().map(pair).collect())
}

/// The names of the files in `folder` with one of `endings`; hidden ones are nobody's.
pub(crate) fn files(folder: &Path, endings: &[&str]) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::content(&path, "the name is not UTF-8; rename the file"));
        };
        if !name.starts_with('.') && endings.iter().any(|ending| name.ends_with(ending)) {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}
