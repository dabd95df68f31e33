//! `preprocess`

use super::Run;
use crate::{
    failure::Failure,
    options::{DatasetsOption, PluginOptions},
    show,
};
use pipeline::{paths::Paths, preprocess};
use registry::Registry;

/// Crop, normalise and resample the training cases as the plans say
#[derive(clap::Parser)]
#[command(name = "preprocess")]
pub(crate) struct Preprocess {
    #[command(flatten)]
    datasets: DatasetsOption,
    /// Name of the plans
    #[arg(long = "plans_name", value_name = "NAME", default_value = "nnUNetPlans")]
    plans_name: String,
    #[command(flatten)]
    preprocess: PreprocessOptions,
    #[command(flatten)]
    plugins: PluginOptions,
}

#[derive(clap::Args)]
pub(crate) struct PreprocessOptions {
    /// Configurations; those that the plans do not have are skipped
    #[arg(short = 'c', value_name = "CONFIG", num_args = 1.., default_values = ["2d", "3d_fullres", "3d_lowres"])]
    configurations: Vec<String>,
    /// Cases at a time, one number for all configurations or one for each [default: 8 for 2d and 3d_lowres, else 4]
    #[arg(long = "np", value_name = "N", num_args = 1..)]
    processes: Vec<usize>,
}

impl Run for Preprocess {
    fn run(self) -> Result<(), Failure> {
        let (paths, registry) = (Paths::from_env(), self.plugins.open()?);
        for dataset in self.datasets.resolve(&paths)? {
            self.preprocess.preprocess(&paths, &registry, &dataset, &self.plans_name)?;
        }
        Ok(())
    }
}

impl PreprocessOptions {
    /// Preprocesses `dataset` (its folder name).
    pub(crate) fn preprocess(&self, paths: &Paths, registry: &Registry, dataset: &str, plans_name: &str) -> Result<(), Failure> {
        let options = preprocess::Options {
            plans_name: plans_name.to_owned(),
            configurations: self.configurations.clone(),
            num_processes: self.processes.clone(),
        };
        let cases = show::Cases::default();
        let missing = preprocess::run(paths, Some(registry), dataset, &options, &|at| cases.report(at))?;
        for name in &missing {
            show::note(&format!("{plans_name} of {dataset} have no {name}, so it is skipped"));
        }
        let done: Vec<&str> = self.configurations.iter().filter(|name| !missing.contains(name)).map(String::as_str).collect();
        if done.is_empty() {
            return Err(Failure::Plain(format!("{plans_name} of {dataset} have none of {}", missing.join(", "))));
        }
        show::line(&format!("{dataset}: {} preprocessed", done.join(", ")));
        Ok(())
    }
}
