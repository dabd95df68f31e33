//! Checkpoints of a training.

use super::{TrainOptions, run::Run};
use crate::{
    checkpoint::{self, Checkpoint, HostRecord},
    error::{Error, Result},
    lock,
};
use plugin_api::TrainerConfig;
use std::path::Path;

/// The checkpoint that a run goes on from: final, latest, best, as nnU-Net looks for them.
pub(super) fn resume_from(folder: &Path, options: &TrainOptions) -> Result<Option<Checkpoint>> {
    let names: &[&str] = match (options.validate_only, options.validate_best) {
        (true, true) => &["checkpoint_best.pth"],
        (true, false) => &["checkpoint_final.pth"],
        _ => &["checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth"],
    };
    let there: Vec<_> = names.iter().map(|n| folder.join(n)).filter(|p| p.exists()).collect();
    match there.as_slice() {
        // a training that was made longer, or begun anew, has a later one beside the final one of before
        [last, later, ..] if last.ends_with("checkpoint_final.pth") => {
            let (last, later) = (checkpoint::read(last)?, checkpoint::read(later)?);
            let at = |c: &Checkpoint| (c.host.began, c.current_epoch, c.host.iteration);
            Ok(Some(if at(&later) > at(&last) { later } else { last }))
        }
        [path, ..] => checkpoint::read(path).map(Some),
        [] if options.validate_only => Err(Error::invalid(format!("{} has no {}; train the fold first", folder.display(), names[0]))),
        [] => Ok(None),
    }
}

impl Run<'_> {
    /// In between; the final one comes for all but a benchmark.
    pub(super) fn keeps_checkpoints(&self) -> bool {
        !self.options.no_checkpoints && !self.settings.benchmark
    }

    /// How a run that ends before its time goes on, in words.
    pub(super) fn way_on(&self) -> &'static str {
        match (self.keeps_checkpoints(), &self.options.pretrained) {
            (false, _) => "without checkpoints it begins anew",
            (true, None) => "the same command with --c goes on",
            (true, Some(_)) => "the same command with --c instead of -pretrained_weights goes on",
        }
    }

    /// The failure of an iteration, after what came before it was saved. A loss that is not finite ([`Error::Invalid`]) saves nothing: the weights are at
    /// fault, and what an older checkpoint has may be sound.
    pub(super) fn rescued(&self, error: Error) -> Error {
        let begun = (self.epoch, self.iteration) != (0, 0);
        if matches!(error, Error::Invalid(_)) || !begun || !self.keeps_checkpoints() {
            return error;
        }
        match self.save("checkpoint_latest.pth") {
            Ok(()) => Error::Halted { source: Box::new(error), epoch: self.epoch, iteration: self.iteration, how: self.way_on() },
            Err(also) => {
                tracing::warn!("the training could not be saved: {also}");
                error
            }
        }
    }

    pub(super) fn save(&self, name: &str) -> Result<()> {
        let (steps, states) = self.optimizer.state()?;
        let checkpoint = Checkpoint {
            weights: self.parts.group.lead().weights()?,
            optimizer: Some((self.optimizer.spec().clone(), self.settings.lr(self.epoch)?, states)),
            logging: self.logging.clone(),
            best_ema: self.best_ema,
            current_epoch: self.epoch,
            plans: self.plans.clone(),
            configuration: self.options.configuration.clone(),
            fold: self.options.fold.name(),
            dataset_json: self.dataset_json.clone(),
            device: if self.options.devices.lead().is_cpu() { "cpu".into() } else { "cuda".into() },
            trainer_name: self.config.name.clone(),
            mirror_axes: self.settings.inference_mirror_axes.clone(),
            host: HostRecord {
                host_version: env!("CARGO_PKG_VERSION").into(),
                seed: self.seed,
                began: self.began,
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
}
