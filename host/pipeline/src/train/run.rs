//! A training from its first line to its last.

use super::{Observer, TrainOptions, debug, events::Events, job::Job, journal::Journal, model::Parts, saving::resume_from, settings::Settings};
use crate::{
    checkpoint::{self, Checkpoint, Logging},
    claim::Claim,
    diagram,
    error::{Error, Result},
    lock::{self, UsedPlugin},
    memory,
    paths::Paths,
    splits::Split,
};
use engine::Optimizer;
use registry::{Kind, Registry, ResolvedConfig};
use serde_json::Value as Json;
use std::path::PathBuf;

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
    /// It was asked to stop.
    Stopped {
        /// Epochs done.
        epoch: usize,
        /// Iterations of the next one that are done.
        iteration: usize,
        /// How it goes on, in words.
        how: &'static str,
    },
}

/// A training in progress.
pub(super) struct Run<'a> {
    pub(super) options: &'a TrainOptions,
    pub(super) settings: Settings,
    pub(super) parts: Parts,
    pub(super) optimizer: Optimizer,
    pub(super) config: ResolvedConfig,
    /// Those that had a part in it.
    pub(super) plugins: Vec<UsedPlugin>,
    pub(super) seed: u64,
    /// As the checkpoint's record has it.
    pub(super) began: f64,
    pub(super) plans: Json,
    pub(super) dataset_json: Json,
    pub(super) folder: PathBuf,
    pub(super) logging: Logging,
    pub(super) best_ema: Option<f64>,
    pub(super) epoch: usize,
    pub(super) iteration: usize,
    pub(super) losses: Vec<f32>,
    /// Opened with the first epoch that ends.
    pub(super) events: Option<Events>,
}

/// Trains a fold, then validates it.
///
/// # Errors
/// Something is missing or does not fit; a component or a batch fails; a file cannot be written.
pub fn train(paths: &Paths, registry: &Registry, options: &TrainOptions, observer: &dyn Observer) -> Result<Outcome> {
    let job = Job::open(paths, registry, options)?;
    std::fs::create_dir_all(&job.folder).map_err(Error::io("create", &job.folder))?;
    let _claim = Claim::take(&job.folder)?;
    for place in [&job.model_folder, &job.folder] {
        volume::files::atomic::remove_stale(place)?;
    }
    let found = if options.resume || options.validate_only { resume_from(&job.folder, options)? } else { None };
    let mut run = job.start(registry, found.as_ref())?;

    let mut journal = Journal::open(&run.folder, found.is_some(), observer)?;
    journal.line(crate::CITATION)?;
    journal.line(&job.computing)?;
    let before = found.as_ref().map_or(&[][..], |c| &c.host.plugins);
    let differs = lock::differences(before, &Kind::ALL, registry).into_iter().map(|what| format!("the checkpoint was {what}"));
    let (_, without) = job.next_stages();
    for warning in job.warnings.iter().cloned().chain(differs).chain(without) {
        journal.line(&format!("warning: {warning}"))?;
    }
    run.begin(found, &job.split, &mut journal)?;
    if !options.validate_only {
        write_around(&job)?;
        if let Some(stopped) = run.epochs(&job, observer, &mut journal)? {
            return Ok(stopped);
        }
    }
    let validates = options.validate_only || run.keeps_checkpoints();
    let dice = if validates { run.validate(&job, observer, &mut journal)? } else { None };
    Ok(Outcome::Finished { folder: run.folder, dice })
}

/// Copies what prediction needs to the model's folder, for a training that can begin.
fn write_around(job: &Job<'_>) -> Result<()> {
    let fingerprint = job.preprocessed.join("dataset_fingerprint.json");
    // plans that were moved here from another dataset need none
    let fingerprint = fingerprint.exists().then_some((fingerprint, "dataset_fingerprint.json"));
    for (from, to) in [(job.plans_file.clone(), "plans.json"), (job.preprocessed.join("dataset.json"), "dataset.json")].into_iter().chain(fingerprint)
    {
        volume::files::atomic::copy_atomic(&from, &job.model_folder.join(to))?;
    }
    Ok(())
}

impl Run<'_> {
    /// The device, or the devices with the samples of a batch that each takes.
    fn devices(&self) -> Result<String> {
        let devices = &self.options.devices;
        let samples = engine::shares(self.settings.batch_size, devices.count())?;
        let of = |(name, samples): (&str, std::ops::Range<usize>)| format!("{name} ({} of {} samples)", samples.len(), self.settings.batch_size);
        Ok(match devices.count() {
            1 => format!("device {}", devices.lead().name()),
            _ => format!("devices {}", devices.names().into_iter().zip(samples).map(of).collect::<Vec<_>>().join(" and ")),
        })
    }

    /// Takes up a checkpoint or pretrained weights, and says in the log what is about to happen.
    fn begin(&mut self, found: Option<Checkpoint>, split: &Split, journal: &mut Journal<'_>) -> Result<()> {
        let trace = &self.parts.trace;
        journal.line(&format!(
            "trainer {}, {}, fold {}, {}, seed {}",
            self.config.name,
            self.options.configuration,
            self.options.fold,
            self.devices()?,
            self.seed
        ))?;
        journal.line(&format!(
            "network {} of {}, loss {} of {}: {} parameters, {:.1} GFLOP forward and {:.2} GiB of activations a sample",
            self.parts.architecture_name,
            self.parts.architecture_from.who(),
            self.parts.loss_name,
            self.parts.loss_from.who(),
            trace.parameter_count(),
            trace.flops as f64 / 1e9,
            memory::gib(trace.activation_bytes)
        ))?;
        let Settings { epochs, iterations, validation_iterations, batch_size, .. } = self.settings;
        journal.line(&format!("{epochs} epochs of {iterations} training and {validation_iterations} validation iterations"))?;
        journal.line(&format!("{} training and {} validation cases, batch {batch_size}", split.train.len(), split.val.len()))?;
        debug::write(&self.folder.join("debug.json"), self, split)?;
        diagram::draw_both(&self.folder, &format!("{} of {}", self.parts.architecture_name, self.config.name), &self.parts.trace)?;
        if let Some(c) = found {
            let weights: Vec<_> = c.weights.iter().map(|w| (w.name.clone(), w.shape.clone(), w.data.clone())).collect();
            self.parts.group.change(|model| model.load(&weights))?;
            if let Some((_, _, states)) = c.optimizer {
                // the file lists parameters by its own order of names
                let place: std::collections::HashMap<&str, usize> = c.weights.iter().enumerate().map(|(i, w)| (w.name.as_str(), i)).collect();
                let ours = self.parts.group.lead().weights()?;
                let names = |w: &engine::Weight| std::iter::once(w.name.clone()).chain(w.aliases.clone()).collect::<Vec<_>>();
                let ordered = ours
                    .iter()
                    .map(|w| names(w).iter().find_map(|n| place.get(n.as_str())).and_then(|&i| states.get(i).cloned()).unwrap_or_default())
                    .collect();
                self.optimizer.restore(self.parts.group.lead(), c.host.optimizer_steps, ordered)?;
            }
            (self.logging, self.best_ema, self.epoch) = (c.logging, c.best_ema, c.current_epoch);
            (self.iteration, self.losses) = (c.host.iteration, c.host.losses);
            if !self.options.validate_only {
                journal.line(&format!("going on at epoch {}, iteration {}", self.epoch, self.iteration))?;
            }
        } else if self.options.resume {
            journal.line(&format!("warning: {} holds no checkpoint; starting from the beginning", self.folder.display()))?;
        }
        // a validation is of the weights that were trained
        if let Some(path) = self.options.pretrained.as_ref().filter(|_| !self.options.validate_only) {
            if self.options.resume {
                return Err(Error::invalid("-pretrained_weights starts a training and --c goes on with one; give one of them"));
            }
            let c = checkpoint::read(path)?;
            let weights: Vec<_> = c.weights.into_iter().map(|w| (w.name, w.shape, w.data)).collect();
            let loaded = self.parts.group.change(|model| model.load_except(&weights, &|name| name.contains(".seg_layers.")));
            let loaded = loaded.map_err(|error| Error::content(path, error.to_string()))?;
            journal.line(&format!("pretrained weights from {}: {} tensors, heads left out", path.display(), loaded.len()))?;
        }
        Ok(())
    }
}
