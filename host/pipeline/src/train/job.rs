//! What a training is made of, read and checked; nothing is written.

use super::{
    Fold, TrainOptions,
    journal::now,
    memory,
    model::{Parts, task_of},
    run::Run,
    settings::Settings,
    variables,
};
use crate::{
    checkpoint::{Checkpoint, Logging},
    claim,
    dataset::{DatasetJson, LabelManager},
    error::{Error, Result},
    json,
    loader::Dataset,
    lock,
    paths::Paths,
    plan::{Configuration, Plans},
    preprocess,
    splits::{self, Split, Splits},
};
use engine::Optimizer;
use registry::{Registry, ResolvedConfig};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The training of a fold before it has a network.
pub(super) struct Job<'a> {
    pub(super) options: &'a TrainOptions,
    config: ResolvedConfig,
    settings: Settings,
    plugins: preprocess::Plugins,
    /// The plans that it follows.
    pub(super) plans_file: PathBuf,
    pub(super) plans: Plans,
    pub(super) configuration: Configuration,
    pub(super) dataset: DatasetJson,
    pub(super) labels: LabelManager,
    /// The folder of the preprocessed dataset.
    pub(super) preprocessed: PathBuf,
    /// Segmentations of the previous stage of a cascade.
    pub(super) previous: Option<PathBuf>,
    pub(super) cases: Arc<Dataset>,
    pub(super) split: Split,
    pub(super) model_folder: PathBuf,
    /// `fold_X` in it.
    pub(super) folder: PathBuf,
    /// What the log says of how it computes.
    pub(super) computing: String,
    pub(super) warnings: Vec<String>,
}

impl<'a> Job<'a> {
    /// Reads what `options` name.
    ///
    /// # Errors
    /// Something is missing, or does not fit the rest.
    pub(super) fn open(paths: &Paths, registry: &Registry, options: &'a TrainOptions) -> Result<Self> {
        let name = paths.dataset(&options.dataset)?;
        let model_of = |trainer: &str| paths.model(&name, trainer, &options.plans, &options.configuration);
        let config = match registry.config(&options.trainer) {
            Ok(config) => config,
            Err(e) => return Err(lock::missing_in(&model_of(&options.trainer)?.join(options.fold.folder()), e.into())),
        };
        let model_folder = model_of(&config.name)?;
        let folder = model_folder.join(options.fold.folder());
        let preprocessed = paths.preprocessed()?.join(&name);
        let plans_file = preprocessed.join(format!("{}.json", options.plans));
        let plans = Plans::read(&plans_file)?;
        let configuration = plans.configuration(&options.configuration)?;
        let dataset = DatasetJson::read(&preprocessed)?;
        let labels = dataset.label_manager()?;
        let plugins = match preprocess::Plugins::of(registry, &plans, &configuration, &dataset) {
            Ok(plugins) => plugins,
            Err(e) => return Err(lock::missing_of_plans(e, &lock::read(&folder)?, &plans_file, &options.configuration)),
        };
        claim::wait_until_free(&preprocessed.join(&configuration.data_identifier))?;
        preprocess::check(&preprocessed, &plans, &configuration, &dataset, &plugins)?;
        let settings = Settings::new(&config.config, options, &configuration, Some(registry)).map_err(|e| lock::missing_in(&folder, e))?;
        if options.patience.is_some() && settings.validation_iterations == 0 {
            return Err(Error::invalid(
                "--patience watches the pseudo Dice of validation iterations, and there are none; leave it out, or validate in each epoch",
            ));
        }
        engine::shares(settings.batch_size, options.devices.count()).map_err(|e| {
            Error::invalid(format!("{e}; say -num_gpus {} or less, or raise batch_size in {}", settings.batch_size, plans_file.display()))
        })?;
        let (computing, mut warnings) = variables::describe(options.devices.lead())?;
        if plans.dataset_name != name {
            let (file, other) = (plans_file.display(), &plans.dataset_name);
            warnings.push(format!("{file} was made for {other}; nnUNetv2_move_plans_between_datasets gives plans another dataset's name"));
        }
        let previous = match &configuration.previous_stage {
            Some(stage) => Some(paths.model(&name, &config.name, &options.plans, stage)?.join("predicted_next_stage").join(&options.configuration)),
            None => None,
        };
        let cases = Arc::new(Dataset::open(&preprocessed.join(&configuration.data_identifier), previous.as_deref())?);
        let keys: Vec<String> = cases.keys().map(str::to_owned).collect();
        let (split, doubts) = split(options, &preprocessed, &keys)?;
        warnings.extend(doubts);
        if let (Some(folder), Some(stage)) = (&previous, &configuration.previous_stage) {
            needs_previous(folder, stage, &split)?;
        }
        Ok(Job {
            options,
            config,
            settings,
            plugins,
            plans_file,
            plans,
            configuration,
            dataset,
            labels,
            preprocessed,
            previous,
            cases,
            split,
            model_folder,
            folder,
            computing,
            warnings,
        })
    }

    /// The stages of a cascade that take this one's segmentations, and a sentence for each that cannot be given any.
    pub(super) fn next_stages(&self) -> (Vec<(String, Configuration)>, Vec<String>) {
        let (mut found, mut without) = (vec![], vec![]);
        for name in &self.configuration.next_stage {
            match self.plans.configuration(name) {
                Ok(next) if self.preprocessed.join(&next.data_identifier).is_dir() => found.push((name.clone(), next)),
                Ok(_) => without.push(format!(
                    "{name} takes the segmentations of this stage and is not preprocessed, so that it gets none; after nnUNetv2_preprocess -c {name} \
                     the final validation writes them, which --val repeats"
                )),
                Err(error) => without.push(format!("the next stage gets no segmentations: {error}")),
            }
        }
        (found, without)
    }

    /// Builds the network and what else a run needs; weights are those of the start, also where the run goes on from `found`.
    ///
    /// # Errors
    /// A component is not there or refuses the plan; a step does not fit into memory.
    pub(super) fn start(&self, registry: &Registry, found: Option<&Checkpoint>) -> Result<Run<'a>> {
        let (options, labels) = (self.options, &self.labels);
        let seed = found.map(|c| c.host.seed).or(options.seed).unwrap_or_else(draw_seed);
        let spec = self.configuration.network_of(&self.dataset, labels, self.settings.deep_supervision);
        let before = found.map_or(vec![], |c| c.host.plugins.clone());
        let parts = Parts::new(registry, &self.config, &spec, task_of(labels, &self.configuration), &self.settings, &options.devices, seed);
        let parts = parts.map_err(|e| lock::missing(e, &before, &self.folder))?;
        if !options.validate_only {
            memory::check(&parts, &self.settings, options)?;
        }
        let used = lock::used(parts.parts(&self.config).into_iter().chain(self.settings.parts()).chain(self.plugins.parts()));
        Ok(Run {
            optimizer: Optimizer::new(self.settings.optimizer.clone()),
            plugins: lock::after(&before, used),
            plans: json::read(&self.plans_file)?,
            dataset_json: json::read(&self.preprocessed.join("dataset.json"))?,
            options,
            settings: self.settings.clone(),
            parts,
            config: self.config.clone(),
            seed,
            began: found.map_or_else(now, |c| c.host.began),
            folder: self.folder.clone(),
            logging: Logging::default(),
            best_ema: None,
            epoch: 0,
            iteration: 0,
            losses: vec![],
            events: None,
        })
    }
}

fn draw_seed() -> u64 {
    (now() * 1e6) as u64 ^ (u64::from(std::process::id()) << 40)
}

fn split(options: &TrainOptions, preprocessed: &Path, keys: &[String]) -> Result<(Split, Vec<String>)> {
    match options.fold {
        _ if options.no_checkpoints => Ok((splits::all(keys), vec![])),
        Fold::All => Ok((splits::all(keys), vec![])),
        Fold::Number(fold) => {
            let (splits, mut warnings) = Splits::read_or_create(preprocessed, keys)?;
            if fold >= splits.0.len() {
                warnings.push(format!(
                    "fold {fold} is beyond the {} splits; 80 % of the cases drawn at random train, the rest validates",
                    splits.0.len()
                ));
            }
            Ok((splits.fold(fold, keys), warnings))
        }
    }
}

/// The second stage of a cascade trains on what the first made of the same cases.
fn needs_previous(folder: &Path, stage: &str, split: &Split) -> Result<()> {
    let cases: BTreeSet<&String> = split.train.iter().chain(&split.val).collect();
    let missing: Vec<&str> = cases.into_iter().filter(|case| !folder.join(format!("{case}.npz")).exists()).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let what = format!("there is no segmentation of {}; train {stage} first, on the folds that validate them", missing.join(", "));
    Err(Error::content(folder, what))
}
