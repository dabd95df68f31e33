//! `accumulate_crossval_results`

use super::{Run, evaluate_folder::show_scores};
use crate::{
    failure::Failure,
    options::{ProcessesOption, trainer_folder},
    show,
};
use pipeline::{crossval, paths::Paths, train::Fold};
use registry::DEFAULT_TRAINER;
use std::path::PathBuf;

/// Put the validations of all folds in one folder and score them together
#[derive(clap::Parser)]
#[command(name = "accumulate_crossval_results")]
pub(crate) struct AccumulateCrossvalResults {
    /// Dataset, by number or by folder name
    dataset: String,
    /// Configuration of the plans
    #[arg(short = 'c', value_name = "CONFIG")]
    configuration: String,
    /// Folder for the result, empty or not there [default: crossval_results_folds_... in the model's]
    #[arg(short = 'o', value_name = "DIR")]
    output: Option<PathBuf>,
    /// Folds
    #[arg(short = 'f', value_name = "FOLD", num_args = 1.., default_values = ["0", "1", "2", "3", "4"])]
    folds: Vec<Fold>,
    /// Name of the plans
    #[arg(short = 'p', value_name = "NAME", default_value = "nnUNetPlans")]
    plans: String,
    /// Trainer config
    #[arg(long = "tr", value_name = "NAME", default_value = DEFAULT_TRAINER)]
    trainer: String,
    #[command(flatten)]
    processes: ProcessesOption,
}

impl Run for AccumulateCrossvalResults {
    fn run(self) -> Result<(), Failure> {
        let paths = Paths::from_env();
        let dataset = paths.dataset(&self.dataset)?;
        let model = paths.model(&dataset, trainer_folder(&self.trainer), &self.plans, &self.configuration)?;
        if let Some(output) = self.output.as_ref().filter(|output| std::fs::read_dir(output).is_ok_and(|mut entries| entries.next().is_some())) {
            return Err(Failure::Plain(format!("{} is not empty; name another folder with -o, or remove it", output.display())));
        }
        let output = self.output.unwrap_or_else(|| crossval::folder(&model, &self.folds));
        let references = crossval::references(&paths, &dataset)?;
        let cases = show::Cases::default();
        let report = |at: pipeline::progress::Progress<'_>| cases.report(at);
        show_scores(&crossval::accumulate(&model, &self.folds, &output, &references, false, self.processes.get()?, &report)?);
        show::line(&output.display().to_string());
        Ok(())
    }
}
