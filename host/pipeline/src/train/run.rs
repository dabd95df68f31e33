//! The epochs.

use super::{
    Fold, Iteration, Observer, TrainOptions, benchmark, curves, debug, diagram,
    events::Events,
    journal::{Journal, now},
    memory, metrics,
    model::{Parts, forward_bytes, task_of},
    pseudo_dice::{PseudoDice, nanmean},
    settings::Settings,
    variables,
};
use crate::{
    augment::{AugmentSpec, Pipeline},
    checkpoint::{self, Checkpoint, HostRecord, Logging},
    dataset::{DatasetJson, LabelManager},
    error::{Error, Result},
    infer, json,
    loader::{Batch, Dataset, Loader, LoaderSpec, Prepare, worker_threads},
    lock::{self, UsedPlugin},
    paths::Paths,
    plan::{Configuration, Plans},
    preprocess,
    progress::Progress,
    splits::{self, Split, Splits},
};
use engine::{HeadTarget, Mode, Optimizer, Supervision};
use plugin_api::TrainerConfig;
use registry::{Kind, Registry, ResolvedConfig};
use serde_json::Value as Json;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

/// Random numbers of the validation batches come from another seed than those of the training.
const VALIDATION_SEED: u64 = 0x5651_4c44;

/// Whoever cannot send a signal puts this file into the fold's folder; the epoch is finished first.
const STOP_FILE: &str = "stop";

/// How a training ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All epochs are done; the folder of the fold.
    Finished {
        /// `.../fold_X`
        folder: PathBuf,
        /// Mean foreground Dice of the final validation, if there was one.
        dice: Option<f64>,
    },
    /// It was asked to stop; `--c` goes on.
    Stopped {
        /// Epochs done.
        epoch: usize,
        /// Iterations of the next one that are done.
        iteration: usize,
    },
}

/// A training in progress.
pub(super) struct Run<'a> {
    pub(super) options: &'a TrainOptions,
    pub(super) settings: Settings,
    pub(super) parts: Parts,
    optimizer: Optimizer,
    pub(super) config: ResolvedConfig,
    /// Those that had a part in it.
    plugins: Vec<UsedPlugin>,
    pub(super) seed: u64,
    plans: Json,
    dataset_json: Json,
    folder: PathBuf,
    logging: Logging,
    best_ema: Option<f64>,
    epoch: usize,
    iteration: usize,
    losses: Vec<f32>,
    /// Opened with the first epoch that ends.
    events: Option<Events>,
}

/// Trains a fold, then validates it.
///
/// # Errors
/// Something is missing or does not fit; a component or a batch fails; a file cannot be written.
pub fn train(paths: &Paths, registry: &Registry, options: &TrainOptions, observer: &dyn Observer) -> Result<Outcome> {
    let name = paths.dataset(&options.dataset)?;
    let fold_of = |trainer: &str| Ok::<_, Error>(paths.model(&name, trainer, &options.plans, &options.configuration)?.join(options.fold.folder()));
    let config = match registry.config(&options.trainer) {
        Ok(config) => config,
        Err(e) => {
            let trained = fold_of(&options.trainer)?;
            return Err(lock::missing(e.into(), &lock::read(&trained)?, &trained));
        }
    };
    let preprocessed = paths.preprocessed()?.join(&name);
    let plans_file = preprocessed.join(format!("{}.json", options.plans));
    let plans = Plans::read(&plans_file)?;
    let configuration = plans.configuration(&options.configuration)?;
    let dataset = DatasetJson::read(&preprocessed)?;
    let labels = dataset.label_manager()?;
    let plugins = preprocess::Plugins::of(registry, &plans, &configuration, &dataset)?;
    preprocess::check(&preprocessed, &plans, &configuration, &dataset, &plugins)?;
    let settings = Settings::new(&config.config, options, &configuration, Some(registry))?;
    let (computing, switches) = variables::describe(&options.device)?;
    let model_folder = paths.model(&name, &config.name, &options.plans, &options.configuration)?;
    let folder = fold_of(&config.name)?;
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    // what a killed run left half written
    for place in [&model_folder, &folder] {
        volume::files::atomic::remove_stale(place)?;
    }
    let fingerprint = preprocessed.join("dataset_fingerprint.json");
    // plans that were moved here from another dataset need none
    let fingerprint = fingerprint.exists().then_some((fingerprint, "dataset_fingerprint.json"));
    for (from, to) in [(plans_file.clone(), "plans.json"), (preprocessed.join("dataset.json"), "dataset.json")].into_iter().chain(fingerprint) {
        volume::files::atomic::copy_atomic(&from, &model_folder.join(to))?;
    }

    let previous = match &configuration.previous_stage {
        Some(stage) => Some(paths.model(&name, &config.name, &options.plans, stage)?.join("predicted_next_stage").join(&options.configuration)),
        None => None,
    };
    let cases = Arc::new(Dataset::open(&preprocessed.join(&configuration.data_identifier), previous.as_deref())?);
    let keys: Vec<String> = cases.keys().map(str::to_owned).collect();
    let (split, warnings) = split(options, &preprocessed, &keys)?;
    if let (Some(folder), Some(stage)) = (&previous, &configuration.previous_stage) {
        needs_previous(folder, stage, &split)?;
    }

    let found = if options.resume || options.validate_only { resume_from(&folder, options)? } else { None };
    let seed = found.as_ref().map(|c| c.host.seed).or(options.seed).unwrap_or_else(draw_seed);
    let spec = configuration.network_spec(configuration.input_channels(&dataset, &labels), labels.num_outputs(), settings.deep_supervision);
    let before = found.as_ref().map_or(vec![], |c| c.host.plugins.clone());
    let parts = Parts::new(registry, &config, &spec, task_of(&labels, &configuration), &settings, &options.device, seed);
    let parts = parts.map_err(|e| lock::missing(e, &before, &folder))?;
    if !options.validate_only {
        memory::check(&parts, &settings, options)?;
    }
    let used = lock::used(parts.parts(&config).into_iter().chain(settings.parts()).chain(plugins.parts()));
    let mut run = Run {
        optimizer: Optimizer::new(settings.optimizer.clone()),
        plugins: lock::after(&before, used),
        plans: json::read(&plans_file)?,
        dataset_json: json::read(&preprocessed.join("dataset.json"))?,
        options,
        settings,
        parts,
        config,
        seed,
        folder,
        logging: Logging::default(),
        best_ema: None,
        epoch: 0,
        iteration: 0,
        losses: vec![],
        events: None,
    };
    let mut journal = Journal::open(&run.folder, found.is_some(), observer)?;
    let differs = lock::differences(&before, &Kind::ALL, registry).into_iter().map(|what| format!("the checkpoint was {what}"));
    journal.line(&computing)?;
    let others = (plans.dataset_name != name).then(|| {
        format!(
            "{} was made for {}; nnUNetv2_move_plans_between_datasets gives plans another dataset's name",
            plans_file.display(),
            plans.dataset_name
        )
    });
    for warning in switches.into_iter().chain(others).chain(warnings).chain(differs) {
        journal.line(&format!("warning: {warning}"))?;
    }
    run.begin(found, &split, &mut journal)?;
    if !options.validate_only {
        let data = Data { cases: &cases, split: &split, configuration: &configuration, labels: &labels };
        if let Some(stopped) = run.epochs(&data, observer, &mut journal)? {
            return Ok(stopped);
        }
    }
    let place = Place { plans: &plans, dataset: &dataset, preprocessed: &preprocessed, previous: previous.as_deref(), model_folder: &model_folder };
    let dice = if !run.keeps_checkpoints() { None } else { run.validate(&place, &split, observer, &mut journal)? };
    Ok(Outcome::Finished { folder: run.folder, dice })
}

/// What the loaders are made of.
struct Data<'a> {
    cases: &'a Arc<Dataset>,
    split: &'a Split,
    configuration: &'a Configuration,
    labels: &'a LabelManager,
}

/// What the final validation looks at.
struct Place<'a> {
    plans: &'a Plans,
    dataset: &'a DatasetJson,
    preprocessed: &'a Path,
    previous: Option<&'a Path>,
    model_folder: &'a Path,
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

/// The checkpoint that a run goes on from: final, latest, best, as nnU-Net looks for them.
fn resume_from(folder: &Path, options: &TrainOptions) -> Result<Option<Checkpoint>> {
    let names: &[&str] = match (options.validate_only, options.validate_best) {
        (true, true) => &["checkpoint_best.pth"],
        (true, false) => &["checkpoint_final.pth"],
        _ => &["checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth"],
    };
    match names.iter().map(|n| folder.join(n)).find(|p| p.exists()) {
        Some(path) => checkpoint::read(&path).map(Some),
        None if options.validate_only => Err(Error::invalid(format!("{} has no {}; train the fold first", folder.display(), names[0]))),
        None => Ok(None),
    }
}

impl Run<'_> {
    /// Takes up a checkpoint or pretrained weights, and says in the log what is about to happen.
    fn begin(&mut self, found: Option<Checkpoint>, split: &Split, journal: &mut Journal<'_>) -> Result<()> {
        let trace = &self.parts.trace;
        journal.line(&format!(
            "trainer {}, {}, fold {}, device {}, seed {}",
            self.config.name,
            self.options.configuration,
            self.options.fold,
            self.options.device.name(),
            self.seed
        ))?;
        let gib = |bytes: u64| bytes as f64 / (1u64 << 30) as f64;
        journal.line(&format!(
            "network {} of {}, loss {} of {}: {} parameters, {:.1} GFLOP forward and {:.2} GiB of activations a sample",
            self.parts.architecture_name,
            self.parts.architecture_from.who(),
            self.parts.loss_name,
            self.parts.loss_from.who(),
            trace.parameter_count(),
            trace.flops as f64 / 1e9,
            gib(trace.activation_bytes)
        ))?;
        let Settings { epochs, iterations, validation_iterations, batch_size, .. } = self.settings;
        journal.line(&format!("{epochs} epochs of {iterations} training and {validation_iterations} validation iterations"))?;
        journal.line(&format!("{} training and {} validation cases, batch {batch_size}", split.train.len(), split.val.len()))?;
        debug::write(&self.folder.join("debug.json"), self, split)?;
        diagram::write(&self.folder.join("network_architecture.pdf"), self)?;
        if let Some(c) = found {
            let weights: Vec<_> = c.weights.iter().map(|w| (w.name.clone(), w.shape.clone(), w.data.clone())).collect();
            self.parts.model.load(&weights)?;
            if let Some((_, _, states)) = c.optimizer {
                // the file lists parameters by its own order of names
                let place: std::collections::HashMap<&str, usize> = c.weights.iter().enumerate().map(|(i, w)| (w.name.as_str(), i)).collect();
                let ours = self.parts.model.weights()?;
                let names = |w: &engine::Weight| std::iter::once(w.name.clone()).chain(w.aliases.clone()).collect::<Vec<_>>();
                let ordered = ours
                    .iter()
                    .map(|w| names(w).iter().find_map(|n| place.get(n.as_str())).and_then(|&i| states.get(i).cloned()).unwrap_or_default())
                    .collect();
                self.optimizer.restore(&self.parts.model, c.host.optimizer_steps, ordered)?;
            }
            (self.logging, self.best_ema, self.epoch) = (c.logging, c.best_ema, c.current_epoch);
            (self.iteration, self.losses) = (c.host.iteration, c.host.losses);
            if !self.options.validate_only {
                journal.line(&format!("going on at epoch {}, iteration {}", self.epoch, self.iteration))?;
            }
        } else if self.options.resume {
            journal.line(&format!("warning: {} holds no checkpoint; starting from the beginning", self.folder.display()))?;
        }
        if let Some(path) = &self.options.pretrained {
            if self.options.resume {
                return Err(Error::invalid("-pretrained_weights starts a training and --c goes on with one; give one of them"));
            }
            let c = checkpoint::read(path)?;
            let weights: Vec<_> = c.weights.into_iter().map(|w| (w.name, w.shape, w.data)).collect();
            let loaded = self.parts.model.load_except(&weights, &|name| name.contains(".seg_layers."));
            let loaded = loaded.map_err(|error| Error::content(path, error.to_string()))?;
            journal.line(&format!("pretrained weights from {}: {} tensors, heads left out", path.display(), loaded.len()))?;
        }
        Ok(())
    }

    fn loader(&self, data: &Data<'_>, training: bool) -> Result<Loader> {
        let (configuration, labels) = (data.configuration, data.labels);
        let rules = &self.settings.rules;
        let spec = AugmentSpec {
            patch: configuration.patch_size.clone(),
            augmentation: self.settings.augmentation,
            rotation: rules.rotation,
            dummy_2d: rules.dummy_2d,
            mirror_axes: self.settings.mirror_axes.clone(),
            use_mask_for_norm: configuration.use_mask_for_norm.clone(),
            cascade_labels: configuration.previous_stage.as_ref().map(|_| labels.foreground_labels().to_vec()),
            regions: labels.has_regions().then(|| labels.foreground_regions().to_vec()),
            ignore_label: labels.ignore(),
            heads: self.parts.heads.clone(),
        };
        let augmented = training && !self.settings.plain_data;
        let pipeline = if augmented { Pipeline::training(&spec)? } else { Pipeline::validation(&spec)? };
        let pipeline = pipeline.with(self.settings.plugged.clone().filter(|_| training));
        let threads = worker_threads()?;
        let loss = self.parts.loss.clone();
        let prepare: Prepare = Arc::new(move |shape, labels| loss.prepare(shape, labels));
        let loader = LoaderSpec {
            batch_size: self.settings.batch_size,
            initial_patch: if augmented { rules.initial_patch.clone() } else { configuration.patch_size.clone() },
            oversample: self.settings.oversample,
            ignore: labels.ignore().is_some(),
            seed: if training { self.seed } else { self.seed ^ VALIDATION_SEED },
            workers: if training { threads } else { threads / 2 },
            augment: Arc::new(pipeline),
            prepare: Some(prepare),
        };
        let keys = if training { &data.split.train } else { &data.split.val };
        if self.settings.synthetic_data {
            let stages = configuration.previous_stage.as_ref().map_or(0, |_| labels.foreground_labels().len());
            let channels = self.parts.trace.inputs.first().map_or(1, |input| input[1] - stages);
            return Loader::synthetic(&loader, channels, labels.labels().len());
        }
        Loader::new(data.cases.clone(), keys.clone(), loader)
    }

    fn step(&self, mode: Mode, batch: &Batch, epoch: usize, iteration: usize) -> Result<engine::Step> {
        let heads =
            batch.targets.iter().zip(&self.parts.weights).map(|(t, &weight)| HeadTarget { shape: &t.shape, values: &t.labels, weight }).collect();
        let supervision = Supervision { heads, prepared: &batch.prepared, task: &self.parts.task };
        let step = self.parts.model.step(mode, &batch.data, &batch.shape, &supervision, &self.parts.loss, &[epoch as u64, iteration as u64]);
        let step = step.map_err(|e| match e {
            engine::Error::Component(e) => {
                let both = format!(
                    "training step with the architecture of {} and the loss of {}",
                    self.parts.architecture_from.who(),
                    self.parts.loss_from.who()
                );
                let from = if self.parts.loss_from.file.is_some() { &self.parts.loss_from } else { &self.parts.architecture_from };
                Error::from(from.failed(&both, e))
            }
            other => Error::from(other),
        })?;
        if !step.loss.is_finite() {
            return Err(Error::invalid(format!(
                "the loss of epoch {epoch}, iteration {iteration} is {} (cases {}); lower the learning rate or look at these cases",
                step.loss,
                batch.keys.join(", ")
            )));
        }
        Ok(step)
    }

    fn at(&self, done: usize, loss: f32) -> Iteration {
        Iteration {
            epoch: self.epoch,
            epochs: self.settings.epochs,
            done,
            total: self.settings.iterations + self.settings.validation_iterations,
            loss,
            dice: self.logging.mean_fg_dice.last().copied(),
        }
    }

    /// All epochs that are left. Something comes back where the run was asked to stop.
    fn epochs(&mut self, data: &Data<'_>, observer: &dyn Observer, journal: &mut Journal<'_>) -> Result<Option<Outcome>> {
        let mut training = self.loader(data, true)?;
        let validates = !self.options.no_checkpoints && self.settings.validation_iterations > 0;
        let mut validation = if validates { Some(self.loader(data, false)?) } else { None };
        while self.epoch < self.settings.epochs && !self.patience_is_over() {
            let start = now();
            let lr = self.settings.lr(self.epoch)?;
            journal.line("")?;
            journal.line(&format!("Epoch {}", self.epoch))?;
            journal.line(&format!("Current learning rate: {lr:.5}"))?;
            let first = self.iteration;
            for (i, batch) in training.epoch_from(self.epoch as u64, first as u64, self.settings.iterations as u64).enumerate() {
                let step = self.step(Mode::Train, &batch?, self.epoch, first + i)?;
                if let Some(gradients) = step.gradients {
                    self.optimizer.step(&mut self.parts.model, gradients, lr, Some(self.settings.clip))?;
                }
                self.losses.push(step.loss);
                self.iteration += 1;
                observer.iteration(self.at(self.iteration, step.loss));
                if self.options.stop.load(Ordering::Relaxed) && self.iteration < self.settings.iterations {
                    return self.stop(journal).map(Some);
                }
            }
            let (val_loss, dice) = match &mut validation {
                Some(loader) => self.validation_epoch(loader, observer)?,
                None => (f64::NAN, vec![]),
            };
            self.end_epoch(start, lr, val_loss, dice, journal)?;
            if self.asked_to_stop()? && self.epoch < self.settings.epochs {
                return self.stop(journal).map(Some);
            }
        }
        let early = self.patience_is_over();
        if let (true, Some(epochs)) = (early, self.options.patience) {
            journal.line(&format!("the EMA of the pseudo Dice did not rise for {epochs} epochs; training ends after {}", self.epoch))?;
        }
        if self.settings.benchmark {
            benchmark::write(&self.folder.join("benchmark_result.json"), &self.logging, &self.options.device)?;
        } else if early || !self.folder.join("checkpoint_final.pth").exists() || self.logging.lrs.len() == self.settings.epochs {
            self.save("checkpoint_final.pth")?;
            let latest = self.folder.join("checkpoint_latest.pth");
            if latest.exists() {
                std::fs::remove_file(&latest).map_err(Error::io("remove", &latest))?;
            }
        }
        journal.line("Training done.")?;
        Ok(None)
    }

    /// Whether the last `patience` epochs brought no better running mean of the pseudo Dice than those before them.
    fn patience_is_over(&self) -> bool {
        let ema = &self.logging.ema_fg_dice;
        let Some(first) = self.options.patience.and_then(|patience| ema.len().checked_sub(patience)).filter(|&first| first > 0) else { return false };
        let best = |part: &[f64]| part.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        best(&ema[first..]) <= best(&ema[..first])
    }

    /// A signal came, or there is a file called `stop` in the fold's folder; the file is taken away.
    fn asked_to_stop(&self) -> Result<bool> {
        let file = self.folder.join(STOP_FILE);
        if file.exists() {
            std::fs::remove_file(&file).map_err(Error::io("remove", &file))?;
            return Ok(true);
        }
        Ok(self.options.stop.load(Ordering::Relaxed))
    }

    fn stop(&self, journal: &mut Journal<'_>) -> Result<Outcome> {
        if self.keeps_checkpoints() {
            self.save("checkpoint_latest.pth")?;
        }
        journal.line(&format!("stopped at epoch {}, iteration {}; the same command with --c goes on from here", self.epoch, self.iteration))?;
        Ok(Outcome::Stopped { epoch: self.epoch, iteration: self.iteration })
    }

    fn validation_epoch(&self, loader: &mut Loader, observer: &dyn Observer) -> Result<(f64, Vec<f64>)> {
        let mut dice = PseudoDice::default();
        let mut losses = Vec::new();
        for (i, batch) in loader.epoch(self.epoch as u64, self.settings.validation_iterations as u64).enumerate() {
            let batch = batch?;
            let step = self.step(Mode::Validate, &batch, self.epoch, self.settings.iterations + i)?;
            if let (Some((logits, _)), Some(target)) = (&step.logits, batch.targets.first()) {
                dice.add(&self.parts.task, logits, &target.labels, batch.shape[0]);
            }
            losses.push(f64::from(step.loss));
            observer.iteration(self.at(self.settings.iterations + i + 1, step.loss));
        }
        Ok((losses.iter().sum::<f64>() / losses.len() as f64, dice.per_class()))
    }

    fn end_epoch(&mut self, start: f64, lr: f64, val_loss: f64, dice: Vec<f64>, journal: &mut Journal<'_>) -> Result<()> {
        let train_loss = self.losses.iter().map(|&l| f64::from(l)).sum::<f64>() / self.losses.len().max(1) as f64;
        let mean = nanmean(&dice);
        let ema = match self.logging.ema_fg_dice.last() {
            Some(old) if !mean.is_nan() => old * 0.9 + 0.1 * mean,
            Some(old) => *old,
            None => mean,
        };
        let l = &mut self.logging;
        l.mean_fg_dice.push(mean);
        l.ema_fg_dice.push(ema);
        l.dice_per_class_or_region.push(dice.clone());
        l.train_losses.push(train_loss);
        l.val_losses.push(val_loss);
        l.lrs.push(lr);
        l.epoch_start_timestamps.push(start);
        l.epoch_end_timestamps.push(now());
        journal.line(&format!("train_loss {train_loss:.4}"))?;
        journal.line(&format!("val_loss {val_loss:.4}"))?;
        journal.line(&format!("Pseudo dice [{}]", dice.iter().map(|d| format!("{d:.4}")).collect::<Vec<_>>().join(", ")))?;
        journal.line(&format!("Epoch time: {:.2} s", now() - start))?;
        self.record()?;
        self.epoch += 1;
        (self.iteration, self.losses) = (0, vec![]);
        if self.keeps_checkpoints() {
            if self.best_ema.is_none_or(|best| ema > best) && !ema.is_nan() {
                self.best_ema = Some(ema);
                journal.line(&format!("Yayy! New best EMA pseudo Dice: {ema:.4}"))?;
                self.save("checkpoint_best.pth")?;
            }
            if self.epoch.is_multiple_of(self.settings.save_every) && self.epoch < self.settings.epochs {
                self.save("checkpoint_latest.pth")?;
            }
        }
        curves::draw(&self.folder.join("progress.png"), &self.logging)
    }

    /// The epoch that ended, for spreadsheets and for TensorBoard.
    fn record(&mut self) -> Result<()> {
        metrics::write(&self.folder.join("metrics.csv"), &self.logging)?;
        let events = match &mut self.events {
            Some(events) => events,
            none => none.insert(Events::create(&self.folder, now())?),
        };
        events.epoch(now(), self.epoch, &metrics::scalars(&self.logging, self.epoch))
    }

    /// In between; the final one comes for all but a benchmark.
    fn keeps_checkpoints(&self) -> bool {
        !self.options.no_checkpoints && !self.settings.benchmark
    }

    fn save(&self, name: &str) -> Result<()> {
        let (steps, states) = self.optimizer.state()?;
        let checkpoint = Checkpoint {
            weights: self.parts.model.weights()?,
            optimizer: Some((self.optimizer.spec().clone(), self.settings.lr(self.epoch)?, states)),
            logging: self.logging.clone(),
            best_ema: self.best_ema,
            current_epoch: self.epoch,
            plans: self.plans.clone(),
            configuration: self.options.configuration.clone(),
            fold: self.options.fold.name(),
            dataset_json: self.dataset_json.clone(),
            device: if self.options.device.is_cpu() { "cpu".into() } else { "cuda".into() },
            trainer_name: self.config.name.clone(),
            mirror_axes: self.settings.inference_mirror_axes.clone(),
            host: HostRecord {
                host_version: env!("CARGO_PKG_VERSION").into(),
                seed: self.seed,
                iteration: self.iteration,
                losses: self.losses.clone(),
                config: TrainerConfig { extends: None, ..self.config.config.clone() },
                num_epochs: self.settings.epochs,
                iterations_per_epoch: self.settings.iterations,
                validation_iterations: self.settings.validation_iterations,
                plugins: self.plugins.clone(),
                optimizer_steps: steps,
            },
        };
        checkpoint::write(&self.folder.join(name), &checkpoint)?;
        lock::write(&self.folder, &self.plugins)
    }

    /// Predicts and scores the fold's validation cases with the final (or the best) weights.
    fn validate(&mut self, place: &Place<'_>, split: &Split, observer: &dyn Observer, journal: &mut Journal<'_>) -> Result<Option<f64>> {
        if self.options.validate_best {
            let best = self.folder.join("checkpoint_best.pth");
            let weights: Vec<_> = checkpoint::read(&best)?.weights.into_iter().map(|w| (w.name, w.shape, w.data)).collect();
            self.parts.model.load(&weights)?;
        }
        let network = infer::Network {
            model: &self.parts.model,
            mirror_axes: self.settings.inference_mirror_axes.clone(),
            bytes: forward_bytes(&self.parts.trace, &self.options.device),
        };
        let configuration = place.plans.configuration(&self.options.configuration)?;
        let model = infer::LoadedModel {
            plugins: None,
            plans: place.plans,
            configuration: &configuration,
            dataset: place.dataset,
            predictors: &[&network as &dyn infer::Predictor],
        };
        let next: Vec<(String, Configuration)> =
            configuration.next_stage.iter().map(|name| Ok((name.clone(), place.plans.configuration(name)?))).collect::<Result<_>>()?;
        let next: Vec<infer::NextStage<'_>> = next
            .iter()
            .map(|(name, configuration)| infer::NextStage { configuration, output: place.model_folder.join("predicted_next_stage").join(name) })
            .collect();
        let options = infer::ValidationOptions {
            cases: &split.val,
            preprocessed: place.preprocessed,
            previous: place.previous,
            output: &self.folder.join("validation"),
            save_probabilities: self.options.save_probabilities,
            next_stages: &next,
            num_processes: std::thread::available_parallelism().map_or(1, usize::from),
        };
        let report = |p: Progress<'_>| observer.validated(p.done, p.total);
        let summary = infer::validate(&model, &options, &report)?;
        let dice = summary.foreground_mean.dice;
        journal.line("Validation complete")?;
        journal.line(&format!("Mean Validation Dice: {dice:.4}"))?;
        Ok(Some(dice))
    }
}
