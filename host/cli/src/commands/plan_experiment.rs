//! `plan_experiment`

use super::Run;
use crate::{
    failure::Failure,
    options::{DatasetsOption, PluginOptions},
    show,
};
use pipeline::{
    paths::Paths,
    plan::{self, Planned, Plans},
};
use registry::Registry;

/// Plan patches, batch sizes and networks from the fingerprint of a dataset
#[derive(clap::Parser)]
#[command(name = "plan_experiment")]
pub(crate) struct PlanExperiment {
    #[command(flatten)]
    datasets: DatasetsOption,
    #[command(flatten)]
    plan: PlanOptions,
    #[command(flatten)]
    plugins: PluginOptions,
}

#[derive(clap::Args)]
pub(crate) struct PlanOptions {
    /// Who plans
    #[arg(long = "pl", value_name = "NAME", default_value = "ExperimentPlanner")]
    planner: String,
    /// Trainer config whose network is planned for [default: the planner's own network]
    #[arg(long = "tr", value_name = "NAME")]
    trainer: Option<String>,
    /// GPU memory to plan for, GiB [default: the planner's own]
    #[arg(long = "gpu_memory_target", value_name = "GIB", allow_negative_numbers = true)]
    gpu_memory_target: Option<f64>,
    /// The preprocessor that plans name
    #[arg(long = "preprocessor_name", value_name = "NAME", default_value = "DefaultPreprocessor")]
    preprocessor: String,
    /// Spacing of 3d_fullres, mm, in the axis order of the images (z, y, x)
    #[arg(long = "overwrite_target_spacing", num_args = 3, value_names = ["Z", "Y", "X"], allow_negative_numbers = true)]
    target_spacing: Option<Vec<f64>>,
    /// Name of the plans [default: the planner's own]
    #[arg(long = "overwrite_plans_name", value_name = "NAME")]
    plans_name: Option<String>,
}

impl Run for PlanExperiment {
    fn run(self) -> Result<(), Failure> {
        let (paths, registry) = (Paths::from_env(), self.plugins.open()?);
        for dataset in self.datasets.resolve(&paths)? {
            self.plan.plan(&paths, &registry, &dataset)?;
        }
        Ok(())
    }
}

impl PlanOptions {
    /// Plans for `dataset` (its folder name), in their file.
    pub(crate) fn plan(&self, paths: &Paths, registry: &Registry, dataset: &str) -> Result<Plans, Failure> {
        let options = plan::Options {
            planner: self.planner.clone(),
            gpu_memory_target: self.gpu_memory_target,
            preprocessor: self.preprocessor.clone(),
            target_spacing: self.target_spacing.as_deref().and_then(|spacing| spacing.try_into().ok()),
            plans_name: self.plans_name.clone(),
            trainer: self.trainer.clone(),
            ..plan::Options::default()
        };
        let network = self.trainer.as_ref().map_or_else(|| Ok(Planned::by_plan(registry)), |name| Planned::by_trainer(registry, name))?;
        let plugin = plan::planner_plugin(registry, &self.planner)?;
        let (plans, file) = plan::run(paths, dataset, &options, plugin.as_ref(), &network)?;
        let configurations: Vec<&str> = plans.configurations.keys().map(String::as_str).collect();
        show::line(&format!("{dataset}: {} with {}", file.display(), configurations.join(", ")));
        Ok(plans)
    }
}
