//! `find_best_configuration`

use super::{Run, determine_postprocessing::show_steps};
use crate::{
    failure::Failure,
    options::{ProcessesOption, trainer_folder},
    show,
};
use pipeline::{
    paths::Paths,
    select::{Candidates, Options, find_best},
};
use registry::DEFAULT_TRAINER;

/// Compare trained configurations and pairs of them by cross-validation, and say how to predict with the best
#[derive(clap::Parser)]
#[command(name = "find_best_configuration")]
pub(crate) struct FindBestConfiguration {
    /// Dataset, by number or by folder name
    dataset: String,
    /// Names of plans
    #[arg(short = 'p', value_name = "NAME", num_args = 1.., default_values = ["nnUNetPlans"])]
    plans: Vec<String>,
    /// Configurations; those that the plans do not have are left out
    #[arg(short = 'c', value_name = "CONFIG", num_args = 1.., default_values = ["2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres"])]
    configurations: Vec<String>,
    /// Trainer configs
    #[arg(long = "tr", value_name = "NAME", num_args = 1.., default_values = [DEFAULT_TRAINER])]
    trainers: Vec<String>,
    #[command(flatten)]
    processes: ProcessesOption,
    /// Folds
    #[arg(short = 'f', value_name = "FOLD", num_args = 1.., default_values = ["0", "1", "2", "3", "4"])]
    folds: Vec<usize>,
    /// Compare no pairs; else each validation needs probabilities (train --npz)
    #[arg(long = "disable_ensembling")]
    disable_ensembling: bool,
    /// Take what an earlier run left instead of making it again
    #[arg(long = "no_overwrite")]
    no_overwrite: bool,
}

impl Run for FindBestConfiguration {
    fn run(self) -> Result<(), Failure> {
        let paths = Paths::from_env();
        let dataset = paths.dataset(&self.dataset)?;
        let trainers = self.trainers.iter().map(|name| trainer_folder(name).to_owned()).collect();
        let options = Options {
            candidates: Candidates { trainers, configurations: self.configurations, plans: self.plans },
            folds: self.folds,
            ensembling: !self.disable_ensembling,
            overwrite: !self.no_overwrite,
            num_processes: self.processes.get()?,
        };
        let cases = show::Cases::default();
        let found = find_best(&paths, &dataset, &options, &|at| cases.report(at))?;
        for skipped in &found.skipped {
            show::note(&format!("note: {skipped}"));
        }
        show::line("mean foreground Dice in cross-validation:");
        for (name, dice) in &found.results {
            show::line(&format!("{dice:.5}  {name}{}", if *name == found.best { "  (best)" } else { "" }));
        }
        show::line("\npostprocessing of the best:");
        show_steps(&found.postprocessing);
        show::line(&format!("\n{}", found.instructions.trim_end()));
        Ok(())
    }
}
