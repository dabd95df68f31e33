//! A trainer config with every default filled in.

use super::TrainOptions;
use crate::{
    augment::{Rules, rules},
    error::{Error, Result},
    loader::Oversample,
    plan::Configuration,
};
use engine::OptimizerSpec;
use plugin_api::{ComponentRef, Mirror, TrainerConfig};

/// How the learning rate falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// `lr (1 - e/E)^0.9`
    Poly,
    /// `lr (1 + cos(pi e/E)) / 2`
    Cosine,
}

/// All numbers of a training.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Epochs.
    pub epochs: usize,
    /// Training iterations an epoch.
    pub iterations: usize,
    /// Validation iterations an epoch.
    pub validation_iterations: usize,
    /// Learning rate at the start.
    pub initial_lr: f64,
    /// How it falls.
    pub schedule: Schedule,
    /// The optimizer.
    pub optimizer: OptimizerSpec,
    /// Largest gradient norm.
    pub clip: f64,
    /// Samples a batch.
    pub batch_size: usize,
    /// Epochs between checkpoints.
    pub save_every: usize,
    /// Which samples must show foreground.
    pub oversample: Oversample,
    /// Rotation, initial patch and so on.
    pub rules: Rules,
    /// Spatial axes mirrored in training.
    pub mirror_axes: Vec<usize>,
    /// Spatial axes that may be mirrored in prediction.
    pub inference_mirror_axes: Vec<usize>,
    /// No augmentation.
    pub plain_data: bool,
    /// Heads at lower resolutions take part.
    pub deep_supervision: bool,
}

fn axes(mirror: Option<&Mirror>, dims: usize, default: &[usize]) -> Result<Vec<usize>> {
    match mirror {
        None => Ok(default.to_vec()),
        Some(Mirror::Switch(false)) => Ok(vec![]),
        Some(Mirror::Switch(true)) => Ok((0..dims).collect()),
        // a config for volumes says which of three axes; slices have the last two
        Some(Mirror::Axes(axes)) if axes.iter().all(|&a| a < 3) => Ok(axes.iter().copied().filter(|&a| a < dims).collect()),
        Some(Mirror::Axes(axes)) => Err(Error::invalid(format!("mirror_axes {axes:?}: a spatial axis is 0, 1 or 2"))),
    }
}

fn optimizer(config: &TrainerConfig) -> Result<OptimizerSpec> {
    let weight_decay = config.weight_decay.unwrap_or(3e-5);
    let Some(ComponentRef { name, settings }) = &config.optimizer else {
        return Ok(OptimizerSpec::Sgd { momentum: 0.99, nesterov: true, weight_decay });
    };
    let number = |key: &str, default: f64| settings.get(key).and_then(serde_json::Value::as_f64).unwrap_or(default);
    let flag = |key: &str, default: bool| settings.get(key).and_then(serde_json::Value::as_bool).unwrap_or(default);
    let adam = |decoupled: bool| OptimizerSpec::Adam {
        betas: (number("beta1", 0.9), number("beta2", 0.999)),
        eps: number("eps", 1e-8),
        weight_decay,
        decoupled,
        amsgrad: flag("amsgrad", false),
    };
    match name.as_str() {
        "sgd" => Ok(OptimizerSpec::Sgd { momentum: number("momentum", 0.99), nesterov: flag("nesterov", true), weight_decay }),
        "adam" => Ok(adam(false)),
        "adamw" => Ok(adam(true)),
        other => Err(Error::invalid(format!("optimizer {other} is unknown; there are sgd, adam and adamw"))),
    }
}

impl Settings {
    /// The config, with what the command line says on top.
    ///
    /// # Errors
    /// The config names an optimizer, schedule or axis that does not exist, or a number that cannot be.
    pub fn new(config: &TrainerConfig, options: &TrainOptions, configuration: &Configuration) -> Result<Self> {
        let dims = configuration.dims();
        let rules = rules(&configuration.patch_size, config.do_dummy_2d_data_aug);
        let mirror_axes = axes(config.mirror_axes.as_ref(), dims, &rules.mirror_axes)?;
        let schedule = match config.lr_schedule.as_ref().map(|c| c.name.as_str()) {
            None | Some("poly") => Schedule::Poly,
            Some("cosine") => Schedule::Cosine,
            Some(other) => return Err(Error::invalid(format!("lr_schedule {other} is unknown; there are poly and cosine"))),
        };
        let share = config.oversample_foreground_percent.unwrap_or(0.33);
        let at_least_one = |what: &str, n: usize| if n > 0 { Ok(n) } else { Err(Error::invalid(format!("{what} is 0; wanted at least 1"))) };
        Ok(Settings {
            epochs: at_least_one("the number of epochs", options.epochs.or(config.num_epochs).unwrap_or(1000))?,
            iterations: at_least_one("the number of iterations", options.iterations.or(config.iterations_per_epoch).unwrap_or(250))?,
            validation_iterations: options.validation_iterations.or(config.validation_iterations).unwrap_or(50),
            initial_lr: config.initial_lr.unwrap_or(1e-2),
            schedule,
            optimizer: optimizer(config)?,
            clip: config.gradient_clip.unwrap_or(12.0),
            batch_size: config.batch_size.unwrap_or(configuration.batch_size),
            save_every: config.save_every.unwrap_or(1).max(1),
            oversample: if config.probabilistic_oversampling == Some(true) { Oversample::Random(share) } else { Oversample::Last(share) },
            inference_mirror_axes: axes(config.inference_allowed_mirroring_axes.as_ref(), dims, &mirror_axes)?,
            mirror_axes,
            rules,
            plain_data: config.disable_data_augmentation == Some(true),
            deep_supervision: config.enable_deep_supervision.unwrap_or(true),
        })
    }

    /// The learning rate of an epoch.
    pub fn lr(&self, epoch: usize) -> f64 {
        let share = epoch as f64 / self.epochs as f64;
        match self.schedule {
            Schedule::Poly => self.initial_lr * (1.0 - share).powf(0.9),
            Schedule::Cosine => self.initial_lr * (1.0 + (std::f64::consts::PI * share).cos()) / 2.0,
        }
    }
}

/// Weights of `heads` heads, finest first: halved from one to the next, the last 0 (unless it is the only one), summing to 1.
pub fn deep_supervision_weights(heads: usize) -> Vec<f64> {
    if heads <= 1 {
        return vec![1.0; heads];
    }
    let mut weights: Vec<f64> = (0..heads).map(|i| 0.5f64.powi(i as i32)).collect();
    weights[heads - 1] = 0.0;
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_head_keeps_its_weight() {
        assert_eq!(deep_supervision_weights(1), [1.0]);
        assert_eq!(deep_supervision_weights(5), [1.0, 0.5, 0.25, 0.125, 0.0].map(|w| w / 1.875));
    }
}
