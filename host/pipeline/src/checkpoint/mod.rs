//! nnU-Net's checkpoints: PyTorch archives that Python's nnU-Net opens, and that carry what only the host needs beside it.

mod read;
mod write;

pub use read::read;
pub use write::write;

use crate::lock::UsedPlugin;
use engine::{OptimizerSpec, ParameterState, Weight};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// One value an epoch of everything that nnU-Net logs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Logging {
    /// Mean pseudo Dice of the foreground.
    pub mean_fg_dice: Vec<f64>,
    /// Its running mean.
    pub ema_fg_dice: Vec<f64>,
    /// Pseudo Dice of each class or region.
    pub dice_per_class_or_region: Vec<Vec<f64>>,
    /// Mean training loss.
    pub train_losses: Vec<f64>,
    /// Mean validation loss.
    pub val_losses: Vec<f64>,
    /// Learning rate.
    pub lrs: Vec<f64>,
    /// Seconds since 1970.
    pub epoch_start_timestamps: Vec<f64>,
    /// Seconds since 1970.
    pub epoch_end_timestamps: Vec<f64>,
}

/// What only the host needs to go on or to rebuild the network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostRecord {
    /// The host's version.
    pub host_version: String,
    /// What all random numbers of the run come from.
    pub seed: u64,
    /// When the run began, before all its continuations, in seconds since 1970; 0 where nobody knows.
    #[serde(default)]
    pub began: f64,
    /// Iterations of `current_epoch` that are done.
    pub iteration: usize,
    /// Losses of those iterations.
    pub losses: Vec<f32>,
    /// The trainer config, resolved.
    pub config: plugin_api::TrainerConfig,
    /// Epochs of the whole run.
    pub num_epochs: usize,
    /// Training iterations an epoch.
    pub iterations_per_epoch: usize,
    /// Validation iterations an epoch.
    pub validation_iterations: usize,
    /// The plugins that had a part in it.
    #[serde(default)]
    pub plugins: Vec<UsedPlugin>,
    /// Steps that the optimizer took.
    pub optimizer_steps: u64,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// All parameters and buffers.
    pub weights: Vec<Weight>,
    /// The optimizer's settings and learning rate, and its state a parameter.
    pub optimizer: Option<(OptimizerSpec, f64, Vec<ParameterState>)>,
    /// What was logged.
    pub logging: Logging,
    /// Best running mean of the pseudo Dice.
    pub best_ema: Option<f64>,
    /// The next epoch.
    pub current_epoch: usize,
    /// The plans.
    pub plans: Json,
    /// The configuration.
    pub configuration: String,
    /// The fold, a number or `all`.
    pub fold: String,
    /// dataset.json.
    pub dataset_json: Json,
    /// Where it was trained.
    pub device: String,
    /// The trainer config's name.
    pub trainer_name: String,
    /// Spatial axes that may be mirrored in prediction.
    pub mirror_axes: Vec<usize>,
    /// What only the host needs; default for a checkpoint of Python's nnU-Net.
    pub host: HostRecord,
}

/// The key of [`HostRecord`] in the file's dictionary.
const HOST_KEY: &str = "nnunet_host";

/// The names by which PyTorch's optimizers keep a parameter's state.
fn slots(spec: &OptimizerSpec) -> &'static [&'static str] {
    match spec {
        OptimizerSpec::Sgd { .. } => &["momentum_buffer"],
        OptimizerSpec::Adam { .. } => &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
        // as the package that nnU-Net takes (adan_pytorch) has them
        OptimizerSpec::Adan { .. } => &["m", "v", "n", "prev_grad"],
    }
}
