//! Which steps raise Dice.

use std::fs;
use std::path::Path;

use ndarray::Array3;
use volume::image::write_segmentation;

use super::{KeepLargest, Postprocessing, record};
use crate::dataset::{DatasetJson, copy_labels, image_workers, read_labels};
use crate::error::{Error, Result};
use crate::evaluate::{Metrics, Overlap, Pair, Structure, Summary, files};
use crate::progress::{Report, for_each_case};

/// What [`determine`] can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The folder `postprocessed` is written.
    pub keep_files: bool,
    /// Cases at a time, at most.
    pub num_processes: usize,
}

/// What [`determine`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Determined {
    /// The steps that help.
    pub postprocessing: Postprocessing,
    /// All that were tried, in order.
    pub trials: Vec<Trial>,
    /// The scores without and with it.
    pub before: Summary,
    /// The scores with it.
    pub after: Summary,
    /// References without a prediction. The steps should be found with all cases.
    pub unpredicted: Vec<String>,
}

/// One step that was tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The label or region, by its key in `summary.json`; none: the foreground as a whole.
    pub structure: Option<String>,
    /// Its mean Dice without the step.
    pub before: f64,
    /// Its mean Dice with the step.
    pub after: f64,
    /// Whether the step is part of the postprocessing.
    pub accepted: bool,
}

/// Finds the steps that raise the Dice of `predictions`, files named as those in `references`.
///
/// First the largest component of the whole foreground is kept: this is accepted if the mean Dice of the foreground rises and that of no
/// label or region falls. Then, where there are several, that of each label or region in the order of `dataset.json`: accepted if its own
/// mean Dice rises.
///
/// Written to `predictions`: `postprocessing.pkl` last, `postprocessing.json`, `summary.json` where there is none, and the folder
/// `postprocessed` with the segmentations after all accepted steps and their `summary.json`.
///
/// # Errors
/// No prediction; predictions without reference, all listed; files that cannot be read or written, or differ in shape; not even one case fits
/// into memory.
pub fn determine(predictions: &Path, references: &Path, dataset: &DatasetJson, options: &Options, report: Report<'_>) -> Result<Determined> {
    let (predicted, wanted) = (files(predictions, &[&dataset.file_ending])?, files(references, &[&dataset.file_ending])?);
    let strangers: Vec<&str> = predicted.difference(&wanted).map(String::as_str).collect();
    if !strangers.is_empty() {
        return Err(Error::content(references, format!("there is no reference for the prediction(s) {}", strangers.join(", "))));
    }
    if predicted.is_empty() {
        return Err(Error::content(predictions, format!("there is no prediction, no file that ends in {}", dataset.file_ending)));
    }
    let pair = |name: &String| Pair { name: name.clone(), reference: references.join(name), prediction: predictions.join(name) };
    let pairs: Vec<Pair> = predicted.iter().map(pair).collect();
    // reference, prediction, one that a step is tried on, its masks, a copy in new axes, and a file
    let workers = image_workers(options.num_processes, pairs.iter().map(|pair| (pair.name.as_str(), &pair.reference)), 18)?;
    let scorer = Scorer { pairs: &pairs, structures: Structure::of(dataset)?, dataset, workers, report };
    let (postprocessing, trials, before) = scorer.find(foreground(dataset)?)?;

    let after = scorer.finish(&postprocessing, predictions, options.keep_files)?;
    let summary = predictions.join("summary.json");
    if !summary.exists() {
        before.write(&summary)?;
    }
    record::write(&predictions.join("postprocessing.json"), &before, &after, &postprocessing)?;
    postprocessing.write(&predictions.join("postprocessing.pkl"))?;
    let unpredicted = wanted.difference(&predicted).cloned().collect();
    Ok(Determined { postprocessing, trials, before, after, unpredicted })
}

/// The whole foreground, label by label.
fn foreground(dataset: &DatasetJson) -> Result<KeepLargest> {
    Ok(KeepLargest::OfAll(Structure::labels(dataset.label_manager()?.foreground_labels())))
}

/// The cases, read again for every question; only those at work are in memory.
struct Scorer<'a> {
    pairs: &'a [Pair],
    structures: Vec<Structure>,
    dataset: &'a DatasetJson,
    workers: usize,
    report: Report<'a>,
}

impl Scorer<'_> {
    /// The steps that help, what was tried, and the scores without any.
    fn find(&self, foreground: KeepLargest) -> Result<(Postprocessing, Vec<Trial>, Summary)> {
        let (mut accepted, mut trials) = (Vec::new(), Vec::new());
        let (before, together) = self.scores_of_two(&foreground)?;
        let (dice, raised) = (before.foreground_mean.dice, together.foreground_mean.dice);
        let fell = |(key, after): (&String, &Metrics<f64>)| before.mean.get(key).is_some_and(|before| after.dice < before.dice);
        let helps = raised > dice && !together.mean.iter().any(fell);
        trials.push(Trial { structure: None, before: dice, after: raised, accepted: helps });
        let mut now = &before;
        if helps {
            accepted.push(foreground);
            now = &together;
        }
        if self.structures.len() < 2 {
            return Ok((Postprocessing(accepted), trials, before));
        }

        // labels do not touch each other, so all are tried at once; a region's step changes what the next one finds
        let group = if self.dataset.label_manager()?.has_regions() { 1 } else { self.structures.len() };
        let mut now = now.clone();
        for structures in self.structures.chunks(group) {
            let steps: Vec<_> = structures.iter().map(|structure| Some(KeepLargest::Of(structure.clone()))).collect();
            let scores = self.scores(&accepted, &steps)?;
            for ((structure, step), alone) in structures.iter().zip(steps).zip(scores) {
                let key = structure.key();
                let dice = |summary: &Summary| summary.mean.get(&key).map_or(f64::NAN, |metrics| metrics.dice);
                let (dice, raised) = (dice(&now), dice(&alone));
                trials.push(Trial { structure: Some(key), before: dice, after: raised, accepted: raised > dice });
                if raised > dice {
                    accepted.extend(step);
                    now = alone;
                }
            }
        }
        Ok((Postprocessing(accepted), trials, before))
    }

    /// The scores without any step and with `step`.
    fn scores_of_two(&self, step: &KeepLargest) -> Result<(Summary, Summary)> {
        let mut scores = self.scores(&[], &[None, Some(step.clone())])?.into_iter();
        match (scores.next(), scores.next()) {
            (Some(without), Some(with)) => Ok((without, with)),
            _ => Err(Error::invalid("there is no case to score")),
        }
    }

    /// The scores with each of `candidates` after the `accepted` steps.
    fn scores(&self, accepted: &[KeepLargest], candidates: &[Option<KeepLargest>]) -> Result<Vec<Summary>> {
        let score = |pair: &Pair| {
            let (reference, mut prediction) = pair.read(|path| self.read(path))?;
            accepted.iter().for_each(|step| step.apply(&mut prediction));
            let metrics = |prediction: &Array3<i16>| pair.metrics(&Overlap::count(&reference, prediction, self.dataset.ignore), &self.structures);
            let with = |candidate: &Option<KeepLargest>| match candidate {
                None => metrics(&prediction),
                Some(step) => {
                    let mut kept = prediction.clone();
                    step.apply(&mut kept);
                    metrics(&kept)
                }
            };
            Ok(candidates.iter().map(with).collect::<Vec<_>>())
        };
        let cases = for_each_case("postprocessing", self.pairs, |pair| &pair.name, self.workers, self.report, score)?;
        let column = |at: usize| cases.iter().filter_map(|case| case.get(at).cloned()).collect();
        Ok((0..candidates.len()).map(|at| Summary::of(&self.structures, column(at))).collect())
    }

    /// Writes the postprocessed files, if they are wanted, and scores them.
    fn finish(&self, postprocessing: &Postprocessing, predictions: &Path, keep_files: bool) -> Result<Summary> {
        let folder = predictions.join("postprocessed");
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        }
        if keep_files {
            fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        }
        let cases = for_each_case(
            "postprocessed",
            self.pairs,
            |pair| &pair.name,
            self.workers,
            self.report,
            |pair| {
                let (reference, mut labels) = pair.read(|path| self.read(path))?;
                postprocessing.apply(&mut labels);
                let made = Pair { prediction: folder.join(&pair.name), ..pair.clone() };
                match (keep_files, postprocessing.0.as_slice()) {
                    (false, _) => {}
                    (true, []) => copy_labels(&pair.prediction, &made.prediction, self.dataset)?,
                    (true, _) => {
                        let geometry = self.dataset.reader()?.read_header(&pair.prediction)?.geometry;
                        write_segmentation(&made.prediction, &labels, &geometry)?;
                    }
                }
                Ok(made.metrics(&Overlap::count(&reference, &labels, self.dataset.ignore), &self.structures))
            },
        )?;
        let summary = Summary::of(&self.structures, cases);
        if keep_files {
            summary.write(&folder.join("summary.json"))?;
        }
        Ok(summary)
    }

    fn read(&self, path: &Path) -> Result<Array3<i16>> {
        read_labels(path, self.dataset).map(|(labels, _)| labels)
    }
}
