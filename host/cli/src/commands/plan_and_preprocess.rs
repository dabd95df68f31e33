//! `plan_and_preprocess`

use super::{Run, extract_fingerprint::FingerprintOptions, plan_experiment::PlanOptions, preprocess::PreprocessOptions};
use crate::{
    failure::Failure,
    options::{DatasetsOption, PluginOptions},
    show,
};
use pipeline::paths::Paths;

/// Fingerprint, plan and preprocess: all that comes before training
#[derive(clap::Parser)]
#[command(name = "plan_and_preprocess")]
pub(crate) struct PlanAndPreprocess {
    #[command(flatten)]
    datasets: DatasetsOption,
    #[command(flatten)]
    fingerprint: FingerprintOptions,
    /// Cases at a time for the fingerprint [default: nnUNet_def_n_proc, else 8]
    #[arg(long = "npfp", value_name = "N")]
    fingerprint_processes: Option<usize>,
    #[command(flatten)]
    plan: PlanOptions,
    /// Has no effect, as in nnU-Net: what was planned is preprocessed (-overwrite_plans_name names it)
    #[arg(long = "plans_name", value_name = "NAME")]
    plans_name: Option<String>,
    /// Stop after planning
    #[arg(long = "no_pp")]
    plan_only: bool,
    #[command(flatten)]
    preprocess: PreprocessOptions,
    #[command(flatten)]
    plugins: PluginOptions,
}

impl Run for PlanAndPreprocess {
    fn run(self) -> Result<(), Failure> {
        let (paths, registry) = (Paths::from_env(), self.plugins.open()?);
        if self.plans_name.is_some() {
            show::note("warning: -plans_name has no effect here; -overwrite_plans_name names the plans");
        }
        for dataset in self.datasets.resolve(&paths)? {
            self.fingerprint.extract(&paths, &dataset, self.fingerprint_processes)?;
            let plans = self.plan.plan(&paths, &registry, &dataset)?;
            if !self.plan_only {
                self.preprocess.preprocess(&paths, &registry, &dataset, &plans.plans_name)?;
            }
        }
        Ok(())
    }
}
