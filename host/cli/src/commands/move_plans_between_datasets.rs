//! `move_plans_between_datasets`

use super::Run;
use crate::{failure::Failure, show};
use pipeline::{
    paths::Paths,
    plan::{Transfer, move_plans},
};

/// Give the plans of one dataset to another, so that a network trained on the first can be trained on with the second
#[derive(clap::Parser)]
#[command(name = "move_plans_between_datasets")]
pub(crate) struct MovePlansBetweenDatasets {
    /// Dataset that has the plans, by number or by folder name
    #[arg(short = 's', value_name = "DATASET")]
    source: String,
    /// Dataset that gets them
    #[arg(short = 't', value_name = "DATASET")]
    target: String,
    /// Name of the plans
    #[arg(long = "sp", value_name = "NAME", default_value = "nnUNetPlans")]
    source_plans: String,
    /// Their name in the target; another than a default one leaves the target's own plans alone [default: as before]
    #[arg(long = "tp", value_name = "NAME")]
    target_plans: Option<String>,
    /// Only these configurations and those that they build on [default: all]
    #[arg(short = 'c', value_name = "CONFIG", num_args = 1..)]
    configurations: Vec<String>,
}

impl Run for MovePlansBetweenDatasets {
    fn run(self) -> Result<(), Failure> {
        let paths = Paths::from_env();
        let transfer = Transfer {
            source: paths.dataset(&self.source)?,
            target: paths.dataset(&self.target)?,
            target_plans: self.target_plans.unwrap_or_else(|| self.source_plans.clone()),
            source_plans: self.source_plans,
            configurations: self.configurations,
        };
        let file = move_plans(&paths, &transfer)?;
        show::line(&format!("{}; preprocess {} with -plans_name {} before training", file.display(), transfer.target, transfer.target_plans));
        Ok(())
    }
}
