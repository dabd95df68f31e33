//! The models to compare.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::paths::Paths;
use crate::plan::Plans;

/// Every trainer with every configuration of every plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// Trainer configs, as folders name them.
    pub trainers: Vec<String>,
    /// Configurations; one that plans do not have is skipped.
    pub configurations: Vec<String>,
    /// Names of plans.
    pub plans: Vec<String>,
}

/// A trained model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The trainer config.
    pub trainer: String,
    /// The name of the plans.
    pub plans: String,
    /// The configuration.
    pub configuration: String,
    /// Where it lies.
    pub folder: PathBuf,
}

impl Model {
    /// `{trainer}__{plans}__{configuration}`.
    pub fn name(&self) -> String {
        format!("{}__{}__{}", self.trainer, self.plans, self.configuration)
    }
}

impl Candidates {
    /// The models of `dataset` (its folder name) in order: by trainer, then configuration, then plans. With them what was skipped.
    ///
    /// # Errors
    /// Plans that are not there; models that were not trained, all listed; no configuration that any plans have.
    pub(super) fn available(&self, paths: &Paths, dataset: &str) -> Result<(Vec<Model>, Vec<String>)> {
        let folder = paths.preprocessed()?.join(dataset);
        let read = |name: &String| Plans::read(&folder.join(format!("{name}.json"))).map(|plans| (name.clone(), plans));
        let plans: Vec<(String, Plans)> = self.plans.iter().map(read).collect::<Result<_>>()?;
        let (mut models, mut skipped, mut untrained) = (Vec::new(), Vec::new(), Vec::new());
        for trainer in &self.trainers {
            for configuration in &self.configurations {
                for (name, plans) in &plans {
                    if !plans.configurations.contains_key(configuration) {
                        skipped.push(format!("{name} has no configuration {configuration}"));
                        continue;
                    }
                    let folder = paths.model(dataset, trainer, name, configuration)?;
                    if !folder.is_dir() {
                        untrained.push(folder.display().to_string());
                    }
                    models.push(Model { trainer: trainer.clone(), plans: name.clone(), configuration: configuration.clone(), folder });
                }
            }
        }
        skipped.sort();
        skipped.dedup();
        if !untrained.is_empty() {
            let what = format!(
                "there is no trained model {}; train it with nnUNetv2_train {dataset} CONFIG FOLD --npz, or leave it out with -c, -tr and -p",
                untrained.join(", ")
            );
            return Err(Error::invalid(what));
        }
        if models.is_empty() {
            return Err(Error::invalid(format!("there is no model to compare: {}", skipped.join("; "))));
        }
        Ok((models, skipped))
    }
}
