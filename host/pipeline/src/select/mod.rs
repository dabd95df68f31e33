//! Which configuration, or which two together, did best in cross-validation; how to predict with it.
//!
//! 1. The validations of each model's folds are put together and scored ([`crate::crossval`]).
//! 2. Each pair of models is merged from its validation probabilities and scored ([`crate::ensemble`]).
//! 3. The highest mean foreground Dice wins, the first of several that are equal; single models come first.
//! 4. The winner's postprocessing is determined ([`crate::postprocess`]).

mod information;
mod models;
#[cfg(test)]
mod tests;

pub use information::{Best, Considered, Information, Selected};
pub use models::{Candidates, Model};

use std::fs;
use std::path::{Path, PathBuf};

use volume::files::atomic::{copy_atomic, write_bytes};

use crate::crossval::{accumulate, folder, folds_name, references, validated};
use crate::dataset::DatasetJson;
use crate::ensemble::{self, Case, merge};
use crate::error::{Error, Result};
use crate::evaluate::{self, evaluate_folder};
use crate::json;
use crate::paths::Paths;
use crate::plan::Plans;
use crate::postprocess::{self, Determined};
use crate::progress::Report;
use crate::train::Fold;

/// What [`find_best`] can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The models to compare.
    pub candidates: Candidates,
    /// The folds of the cross-validation.
    pub folds: Vec<usize>,
    /// Pairs are compared too.
    pub ensembling: bool,
    /// Files of an earlier run that are there are made again.
    pub overwrite: bool,
    /// Cases at a time, at most.
    pub num_processes: usize,
}

/// What [`find_best`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// All that was compared with its mean foreground Dice, in order.
    pub results: Vec<(String, f64)>,
    /// The winner's name among them.
    pub best: String,
    /// Its postprocessing.
    pub postprocessing: Determined,
    /// What prediction needs, as `inference_information.json` holds it.
    pub information: Information,
    /// How to predict, as `inference_instructions.txt` says it.
    pub instructions: String,
    /// Configurations that the plans do not have, with their plans.
    pub skipped: Vec<String>,
}

/// A model or an ensemble with its scores.
struct Contender {
    name: String,
    folder: PathBuf,
    dice: f64,
    members: Vec<Model>,
}

/// Compares the trained models of `dataset` (its folder name) and writes `inference_information.json` and
/// `inference_instructions.txt` to its results.
///
/// # Errors
/// No model; plans, models or folds that are missing; validations without probabilities where pairs are to be compared; nothing that
/// could be scored; files that cannot be read or written.
pub fn find_best(paths: &Paths, dataset: &str, options: &Options, report: Report<'_>) -> Result<Found> {
    let (models, skipped) = options.candidates.available(paths, dataset)?;
    let folds: Vec<Fold> = options.folds.iter().copied().map(Fold::Number).collect();
    let run = Run { results: paths.results()?.join(dataset), references: references(paths, dataset)?, folds, options, report };
    let pairs = models.iter().enumerate().flat_map(|(i, first)| models.iter().skip(i + 1).map(move |second| [first, second]));
    let pairs: Vec<[&Model; 2]> = if options.ensembling { pairs.collect() } else { Vec::new() };
    // an hour of work should not end with a file that was missing from the start
    let cases = pairs.iter().map(|pair| run.cases(dataset, pair)).collect::<Result<Vec<_>>>()?;

    let mut contenders = models.iter().map(|model| run.single(model)).collect::<Result<Vec<_>>>()?;
    for (pair, cases) in pairs.iter().zip(cases) {
        contenders.push(run.pair(pair, &cases)?);
    }
    let results: Vec<(String, f64)> = contenders.iter().map(|contender| (contender.name.clone(), contender.dice)).collect();
    let better = |best: Option<Contender>, next: Contender| match best {
        Some(best) if next.dice.is_nan() || next.dice <= best.dice => Some(best),
        _ if next.dice.is_nan() => None,
        _ => Some(next),
    };
    let Some(best) = contenders.into_iter().fold(None, better) else {
        return Err(Error::content(&run.results, "no model has a Dice: neither references nor predictions hold any foreground"));
    };

    let labels = DatasetJson::read(&best.folder)?;
    let how = postprocess::Options { keep_files: true, num_processes: options.num_processes };
    let postprocessing = postprocess::determine(&best.folder, &run.references, &labels, &how, report)?;
    let information = Information::new(dataset, options, &models, &results, &best, &postprocessing);
    json::write_with_nan(&run.results.join("inference_information.json"), &information)?;
    let instructions = information.instructions(&best)?;
    write_bytes(&run.results.join("inference_instructions.txt"), instructions.as_bytes())?;
    Ok(Found { results, best: best.name, postprocessing, information, instructions, skipped })
}

struct Run<'a> {
    /// The results of the dataset.
    results: PathBuf,
    references: PathBuf,
    folds: Vec<Fold>,
    options: &'a Options,
    report: Report<'a>,
}

impl Run<'_> {
    fn single(&self, model: &Model) -> Result<Contender> {
        let output = folder(&model.folder, &self.folds);
        let keep = !self.options.overwrite;
        let summary = accumulate(&model.folder, &self.folds, &output, &self.references, keep, self.options.num_processes, self.report)?;
        Ok(Contender { name: model.name(), folder: output, dice: summary.foreground_mean.dice, members: vec![model.clone()] })
    }

    /// The cases of two models with their validation probabilities.
    fn cases(&self, dataset: &str, pair: &[&Model; 2]) -> Result<Vec<Case>> {
        let mut members = Vec::new();
        for model in pair {
            let ending = DatasetJson::read(&model.folder)?.file_ending;
            let (all, npz) = (validated(&model.folder, &self.folds, &ending)?, validated(&model.folder, &self.folds, ".npz")?);
            let case = |name: &String| name.strip_suffix(ending.as_str()).map(str::to_owned);
            let without = all.keys().filter_map(case).filter(|case| !npz.contains_key(&format!("{case}.npz"))).count();
            if without > 0 {
                let what = format!(
                    "{without} of {} validated cases have no probabilities (.npz), which an ensemble needs; make them with `nnUNetv2_train {dataset} \
                     {} FOLD -tr {} -p {} --val --npz` for each fold, or compare without ensembles with --disable_ensembling",
                    all.len(),
                    model.configuration,
                    model.trainer,
                    model.plans
                );
                return Err(Error::content(&model.folder, what));
            }
            let case = |(name, path): (String, PathBuf)| Some((name.strip_suffix(".npz")?.to_owned(), path));
            members.push(ensemble::Member { name: model.folder.display().to_string(), cases: npz.into_iter().filter_map(case).collect() });
        }
        ensemble::together(members)
    }

    fn pair(&self, pair: &[&Model; 2], cases: &[Case]) -> Result<Contender> {
        let [first, second] = pair;
        let name = format!("ensemble___{}___{}___{}", first.name(), second.name(), folds_name(&self.folds));
        let output = self.results.join("ensembles").join(&name);
        if self.options.overwrite && output.exists() {
            fs::remove_dir_all(&output).map_err(Error::io("remove", &output))?;
        }
        fs::create_dir_all(&output).map_err(Error::io("create", &output))?;
        let dataset = DatasetJson::read(&first.folder)?;
        let num_processes = self.options.num_processes;
        let options = ensemble::Options { save_probabilities: false, keep: !self.options.overwrite, num_processes };
        merge(cases, &output, &dataset, &options, self.report)?;
        for name in ["dataset.json", "plans.json"] {
            copy_atomic(&first.folder.join(name), &output.join(name))?;
        }
        let options = evaluate::Options { output: None, chill: true, num_processes, ..Default::default() };
        let summary = evaluate_folder(&self.references, &output, &dataset, &options, self.report)?;
        Ok(Contender { name, folder: output, dice: summary.foreground_mean.dice, members: pair.map(Clone::clone).to_vec() })
    }
}

/// The configuration that has to predict before `configuration` can, by the model's own plans.
fn previous_stage(model: &Path, configuration: &str) -> Result<Option<String>> {
    Ok(Plans::read(&model.join("plans.json"))?.configuration(configuration)?.previous_stage)
}
