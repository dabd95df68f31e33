//! `determine_postprocessing`

use super::Run;
use crate::{failure::Failure, options::ProcessesOption, show};
use pipeline::{
    dataset::DatasetJson,
    error::Result as PipelineResult,
    json,
    paths::nearest,
    postprocess::{Determined, Options, determine},
};
use std::path::{Path, PathBuf};

/// Find out whether keeping the largest component of the foreground, or of a label, raises Dice
#[derive(clap::Parser)]
#[command(name = "determine_postprocessing")]
pub(crate) struct DeterminePostprocessing {
    /// Folder of predictions; it gets postprocessing.pkl and postprocessing.json
    #[arg(short = 'i', value_name = "DIR")]
    input: PathBuf,
    /// Folder of references
    #[arg(long = "ref", value_name = "DIR")]
    references: PathBuf,
    #[command(flatten)]
    files: JsonFiles,
    #[command(flatten)]
    processes: ProcessesOption,
    /// Do not keep the postprocessed segmentations
    #[arg(long = "remove_postprocessed")]
    remove_postprocessed: bool,
}

#[derive(clap::Args)]
pub(crate) struct JsonFiles {
    /// plans.json; not needed, as images are read by their endings
    #[arg(long = "plans_json", value_name = "FILE")]
    plans: Option<PathBuf>,
    /// dataset.json: the labels or regions [default: that in the folder of predictions, or in the two above]
    #[arg(long = "dataset_json", value_name = "FILE")]
    dataset: Option<PathBuf>,
}

impl JsonFiles {
    pub(crate) fn dataset(&self, predictions: &Path) -> PipelineResult<DatasetJson> {
        match &self.dataset {
            Some(path) => json::read(path),
            None => json::read(&nearest(predictions, "dataset.json")?),
        }
    }
}

impl Run for DeterminePostprocessing {
    fn run(self) -> Result<(), Failure> {
        let cases = show::Cases::default();
        let dataset = self.files.dataset(&self.input)?;
        let options = Options { keep_files: !self.remove_postprocessed, num_processes: self.processes.get()? };
        show_steps(&determine(&self.input, &self.references, &dataset, &options, &|at| cases.report(at))?);
        Ok(())
    }
}

/// What was tried and what it gave.
pub(crate) fn show_steps(found: &Determined) {
    if !found.unpredicted.is_empty() {
        let names = found.unpredicted.join(", ");
        show::note(&format!("warning: {} references have no prediction, and postprocessing should see all cases: {names}", found.unpredicted.len()));
    }
    for trial in &found.trials {
        let what = trial.structure.as_deref().map_or("the whole foreground".to_owned(), |key| format!("label {key}"));
        let verdict = if trial.accepted { "kept" } else { "left out" };
        show::line(&format!("largest component of {what}: Dice {:.5} to {:.5}, {verdict}", trial.before, trial.after));
    }
    let (before, after) = (found.before.foreground_mean.dice, found.after.foreground_mean.dice);
    show::line(&format!("{} steps; foreground mean: Dice {before:.5} before, {after:.5} after", found.postprocessing.0.len()));
}
