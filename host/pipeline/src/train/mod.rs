//! Training: epochs of iterations, checkpoints that a killed run goes on from, and the final validation.

mod benchmark;
mod curves;
mod debug;
mod epochs;
mod estimate;
mod events;
mod fold;
mod iteration;
mod job;
mod journal;
mod memory;
mod metrics;
mod model;
mod pseudo_dice;
mod run;
mod saving;
mod schedule;
mod settings;
mod validation;
mod variables;

pub use estimate::{Estimate, estimate};
pub use fold::Fold;
pub use memory::memory_needed;
pub use model::{Loaded, build_model, load_model};
pub use run::{Outcome, train};
pub use schedule::poly_lr;
pub use settings::{Settings, deep_supervision_weights};

use engine::{Device, Devices};
use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

/// What a training is asked to do; the flags of `train`.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// The dataset's number or name.
    pub dataset: String,
    /// The configuration of the plans.
    pub configuration: String,
    /// Which cases train.
    pub fold: Fold,
    /// The trainer config.
    pub trainer: String,
    /// The plans' name.
    pub plans: String,
    /// Where tensors live; of several devices each takes a part of every batch.
    pub devices: Devices,
    /// Weights to start from.
    pub pretrained: Option<PathBuf>,
    /// Goes on from the latest checkpoint.
    pub resume: bool,
    /// Only the final validation.
    pub validate_only: bool,
    /// The final validation takes the best checkpoint.
    pub validate_best: bool,
    /// Trains on every case, without validation and without checkpoints in between.
    pub no_checkpoints: bool,
    /// The final validation writes probabilities too.
    pub save_probabilities: bool,
    /// Instead of the config's epochs.
    pub epochs: Option<usize>,
    /// Instead of 250 training iterations an epoch.
    pub iterations: Option<usize>,
    /// Instead of 50 validation iterations an epoch.
    pub validation_iterations: Option<usize>,
    /// Ends the epochs once so many of them brought no better running mean of the pseudo Dice.
    pub patience: Option<usize>,
    /// What all random numbers come from; drawn if none.
    pub seed: Option<u64>,
    /// The memory that a step may take, GiB; what the processor has free if none, unknown on other devices.
    pub gpu_memory_target: Option<f64>,
    /// The arguments of the program that make this training, `train DATASET CONFIG FOLD ...`, without those that go on with one; `debug.json` keeps them.
    pub command: Vec<String>,
    /// Set from outside (a signal): the iteration is finished, a checkpoint written, and the run ends.
    pub stop: Arc<AtomicBool>,
}

impl TrainOptions {
    /// What `train DATASET CONFIG FOLD` asks for on the processor.
    pub fn new(dataset: &str, configuration: &str, fold: Fold) -> Self {
        TrainOptions {
            dataset: dataset.into(),
            configuration: configuration.into(),
            fold,
            trainer: registry::DEFAULT_TRAINER.into(),
            plans: "nnUNetPlans".into(),
            devices: Device::cpu().into(),
            pretrained: None,
            resume: false,
            validate_only: false,
            validate_best: false,
            no_checkpoints: false,
            save_probabilities: false,
            epochs: None,
            iterations: None,
            validation_iterations: None,
            patience: None,
            seed: None,
            gpu_memory_target: None,
            command: vec![],
            stop: Arc::default(),
        }
    }
}

/// What happens while a training runs.
pub trait Observer: Sync {
    /// A line of the log.
    fn line(&self, text: &str);
    /// An iteration is done.
    fn iteration(&self, at: Iteration) {
        let _ = at;
    }
    /// A case of the final validation is done.
    fn validated(&self, done: usize, total: usize) {
        let _ = (done, total);
    }
}

/// How far a training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Iteration {
    /// Epochs done.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Iterations of this epoch that are done, validation included.
    pub done: usize,
    /// Iterations of an epoch, validation included.
    pub total: usize,
    /// Loss of this iteration.
    pub loss: f32,
    /// Mean pseudo Dice of the last epoch.
    pub dice: Option<f64>,
}
