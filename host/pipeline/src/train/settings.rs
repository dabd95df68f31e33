//! A trainer config with every default filled in.

use super::{TrainOptions, schedule::Schedule};
use crate::{
    augment::{Augmentation, Plugged, Rules, SMALLEST_SCALE, Wishes, rules, spatial::Nearest},
    error::{Error, Result},
    loader::Oversample,
    lock::{self, Part},
    plan::Configuration,
};
use engine::OptimizerSpec;
use plugin_api::{ComponentRef, Mirror, TrainerConfig};
use registry::{Kind, Registry};
use std::sync::Arc;

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
    /// How it changes.
    pub schedule: Schedule,
    /// A plugin's change of training samples.
    pub plugged: Option<Arc<Plugged>>,
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
    /// Which augmentation.
    pub augmentation: Augmentation,
    /// No augmentation.
    pub plain_data: bool,
    /// Heads at lower resolutions take part.
    pub deep_supervision: bool,
    /// Only the epoch's time counts: no checkpoint, no final validation.
    pub benchmark: bool,
    /// One random batch instead of the cases.
    pub synthetic_data: bool,
}

fn axes(mirror: Option<&Mirror>, dims: usize, default: &[usize]) -> Result<Vec<usize>> {
    match mirror {
        None => Ok(default.to_vec()),
        Some(Mirror::Switch(false)) => Ok(vec![]),
        Some(Mirror::Switch(true)) => Ok((0..dims).collect()),
        // z, y, x; a 2D patch has the last two of them
        Some(Mirror::Axes(axes)) if axes.iter().all(|&a| a < 3) => Ok(axes.iter().filter_map(|&a| (a + dims).checked_sub(3)).collect()),
        Some(Mirror::Axes(axes)) => Err(Error::invalid(format!("mirror_axes {axes:?}; the axes are 0 (z), 1 (y) and 2 (x)"))),
    }
}

fn optimizer(config: &TrainerConfig) -> Result<OptimizerSpec> {
    let weight_decay = config.weight_decay.unwrap_or(3e-5);
    if !(weight_decay.is_finite() && weight_decay >= 0.0) {
        return Err(Error::invalid(format!("weight_decay is {weight_decay}; wanted a number from 0 up")));
    }
    let Some(wanted) = &config.optimizer else {
        return Ok(OptimizerSpec::Sgd { momentum: 0.99, nesterov: true, weight_decay });
    };
    let name = wanted.name_or("sgd");
    let known: &[&str] = match name {
        "sgd" => &["momentum", "nesterov"],
        "adam" | "adamw" => &["beta1", "beta2", "eps", "amsgrad"],
        "adan" => &["beta1", "beta2", "beta3", "eps"],
        other => return Err(Error::invalid(format!("optimizer {other} is unknown; there are sgd, adam, adamw and adan"))),
    };
    check_settings("optimizer", name, wanted, known)?;
    let setting = |key: &str| wanted.settings.get(key);
    let wrong = |key: &str, what: &str| Error::invalid(format!("{key} of optimizer {name} is {}; wanted {what}", wanted.settings[key]));
    let number = |key: &str, default: f64| setting(key).map_or(Ok(default), |v| v.as_f64().ok_or_else(|| wrong(key, "a number")));
    let flag = |key: &str, default: bool| setting(key).map_or(Ok(default), |v| v.as_bool().ok_or_else(|| wrong(key, "true or false")));
    Ok(match name {
        "sgd" => OptimizerSpec::Sgd { momentum: number("momentum", 0.99)?, nesterov: flag("nesterov", true)?, weight_decay },
        "adan" => OptimizerSpec::Adan {
            betas: (number("beta1", 0.02)?, number("beta2", 0.08)?, number("beta3", 0.01)?),
            eps: number("eps", 1e-8)?,
            weight_decay,
        },
        _ => OptimizerSpec::Adam {
            betas: (number("beta1", 0.9)?, number("beta2", 0.999)?),
            eps: number("eps", 1e-8)?,
            weight_decay,
            decoupled: name == "adamw",
            amsgrad: flag("amsgrad", false)?,
        },
    })
}

/// A component of the config other than those of plugins: its settings may only be those of `known`.
pub(super) fn check_settings(what: &str, name: &str, component: &ComponentRef, known: &[&str]) -> Result<()> {
    match component.settings.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Error::invalid(format!("{what} {name} has no setting `{key}`; there are {}", known.join(", ")))),
    }
}

/// The host's augmentation, and a plugin's beside it.
fn augmentation(config: &TrainerConfig, registry: Option<&Registry>) -> Result<(Augmentation, Option<Arc<Plugged>>)> {
    let Some(wanted) = &config.augmentation else { return Ok((Augmentation::default(), None)) };
    let name = wanted.name_or("standard");
    let source = registry.map(|registry| registry.hook(Kind::Augmentation, name)).transpose()?;
    match (name, source) {
        ("standard", _) => Ok((Augmentation::Standard { nearest: nearest(name, wanted)? }, None)),
        ("da5", _) => Ok((Augmentation::Strong { nearest: nearest(name, wanted)? }, None)),
        (_, Some(source)) => {
            let hook = source.create(&wanted.settings, &serde_json::json!({}))?;
            Ok((Augmentation::default(), Some(Arc::new(Plugged::new(hook)?))))
        }
        (other, None) => Err(Error::invalid(format!("augmentation {other} is unknown; there are standard and da5"))),
    }
}

/// What an augmentation of the host's does not interpolate linearly.
fn nearest(name: &str, wanted: &ComponentRef) -> Result<Nearest> {
    check_settings("augmentation", name, wanted, &["nearest"])?;
    let mut nearest = Nearest::default();
    if let Some(list) = wanted.settings.get("nearest") {
        for entry in list.as_array().map(Vec::as_slice).unwrap_or(std::slice::from_ref(list)) {
            match entry.as_str() {
                Some("image") => nearest.image = true,
                Some("labels") => nearest.labels = true,
                _ => return Err(Error::invalid(format!("nearest of augmentation {name} names {entry}; there are \"image\" and \"labels\""))),
            }
        }
    }
    Ok(nearest)
}

/// The share of samples that show foreground. Drawn sample by sample without a share of its own, it is the one that the last third of a
/// batch comes to: half of two samples.
fn oversample(config: &TrainerConfig, batch_size: usize) -> Result<Oversample> {
    let share = config.oversample_foreground_percent;
    if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
        return Err(Error::invalid(format!("oversample_foreground_percent is {share}; wanted a share from 0 to 1")));
    }
    if config.probabilistic_oversampling != Some(true) {
        return Ok(share.map_or_else(Oversample::default, Oversample::Last));
    }
    let plain = (batch_size as f64 * (1.0 - 0.33)).round_ties_even();
    Ok(Oversample::Random(share.unwrap_or((batch_size as f64 - plain) / batch_size as f64)))
}

fn positive(what: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err(Error::invalid(format!("{what} is {value}; wanted a number above 0"))) }
}

impl Settings {
    /// The config, with what the command line says on top; its plugins come from `registry`.
    ///
    /// # Errors
    /// As [`Settings::of`].
    pub fn new(config: &TrainerConfig, options: &TrainOptions, configuration: &Configuration, registry: Option<&Registry>) -> Result<Self> {
        let said = TrainerConfig {
            num_epochs: options.epochs,
            iterations_per_epoch: options.iterations,
            validation_iterations: options.validation_iterations,
            ..TrainerConfig::default()
        };
        Self::of(&said.over(config.clone()), configuration, registry)
    }

    /// The config alone.
    ///
    /// # Errors
    /// The config names an optimizer, schedule, augmentation or axis that does not exist, or a number that cannot be.
    pub fn of(config: &TrainerConfig, configuration: &Configuration, registry: Option<&Registry>) -> Result<Self> {
        let dims = configuration.dims();
        let (augmentation, plugged) = augmentation(config, registry)?;
        let smallest_scale = if matches!(augmentation, Augmentation::Strong { .. }) { SMALLEST_SCALE } else { Wishes::default().smallest_scale };
        let wishes = Wishes { dummy_2d: config.do_dummy_2d_data_aug, rotation: config.rotation_for_da, smallest_scale };
        if let Some((low, high)) = config.rotation_for_da.filter(|(low, high)| !(low <= high && low.is_finite() && high.is_finite())) {
            return Err(Error::invalid(format!("rotation_for_DA is {low} to {high}; wanted two angles in radians, the smaller one first")));
        }
        let mut rules = rules(&configuration.patch_size, &wishes);
        let plain_data = config.disable_data_augmentation == Some(true);
        if plain_data {
            rules.initial_patch.clone_from(&configuration.patch_size);
        }
        let mirror_axes = if plain_data { vec![] } else { axes(config.mirror_axes.as_ref(), dims, &rules.mirror_axes)? };
        let at_least_one = |what: &str, n: usize| if n > 0 { Ok(n) } else { Err(Error::invalid(format!("{what} is 0; wanted at least 1"))) };
        let batch_size = at_least_one("the batch size", config.batch_size.unwrap_or(configuration.batch_size))?;
        Ok(Settings {
            epochs: at_least_one("the number of epochs", config.num_epochs.unwrap_or(1000))?,
            iterations: at_least_one("the number of iterations", config.iterations_per_epoch.unwrap_or(250))?,
            validation_iterations: config.validation_iterations.unwrap_or(50),
            initial_lr: positive("initial_lr", config.initial_lr.unwrap_or(1e-2))?,
            schedule: Schedule::of(config, registry)?,
            plugged,
            optimizer: optimizer(config)?,
            clip: positive("gradient_clip", config.gradient_clip.unwrap_or(12.0))?,
            batch_size,
            save_every: at_least_one("save_every", config.save_every.unwrap_or(1))?,
            oversample: oversample(config, batch_size)?,
            inference_mirror_axes: axes(config.inference_allowed_mirroring_axes.as_ref(), dims, &mirror_axes)?,
            mirror_axes,
            rules,
            augmentation,
            plain_data,
            deep_supervision: config.enable_deep_supervision.unwrap_or(true),
            benchmark: config.benchmark == Some(true),
            synthetic_data: config.synthetic_data == Some(true),
        })
    }

    /// The plugins' schedule and augmentation, with whose they are.
    pub fn parts(&self) -> Vec<Part<'_>> {
        self.schedule.hook().into_iter().chain(self.plugged.as_ref().map(|plugged| plugged.hook())).map(lock::part).collect()
    }

    /// The learning rate of an epoch.
    ///
    /// # Errors
    /// A plugin's schedule fails, or answers what is no learning rate.
    pub fn lr(&self, epoch: usize) -> Result<f64> {
        self.schedule.lr(self.initial_lr, epoch, self.epochs)
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
    use crate::train::Fold;

    fn configuration() -> Configuration {
        serde_json::from_value(serde_json::json!({
            "data_identifier": "x", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": [16, 16, 16], "spacing": [1, 1, 1],
            "normalization_schemes": [], "use_mask_for_norm": [], "resampling_fn_data": "", "resampling_fn_seg": "",
            "resampling_fn_probabilities": "", "architecture": {"network_class_name": "x", "arch_kwargs": {}}, "batch_dice": false
        }))
        .unwrap()
    }

    fn settings(config: serde_json::Value) -> Result<Settings> {
        let options = TrainOptions::new("1", "3d_fullres", Fold::Number(0));
        Settings::new(&serde_json::from_value(config).unwrap(), &options, &configuration(), None)
    }

    #[test]
    fn what_a_schedule_or_optimizer_does_not_have_is_refused() {
        for (config, wanted) in [
            (serde_json::json!({"lr_schedule": {"name": "poly", "warmup": 50}}), "`warmup`"),
            (serde_json::json!({"lr_schedule": {"name": "poly", "warmup_epochs": -1}}), "-1"),
            (serde_json::json!({"optimizer": {"name": "adamw", "betas": [0.9, 0.98]}}), "`betas`"),
            (serde_json::json!({"optimizer": "lion"}), "lion is unknown"),
            (serde_json::json!({"optimizer": {"name": "adan", "amsgrad": true}}), "`amsgrad`"),
            (serde_json::json!({"optimizer": {"momentum": "much"}}), "momentum of optimizer sgd is \"much\"; wanted a number"),
            (serde_json::json!({"augmentation": "da6"}), "da6 is unknown"),
            (serde_json::json!({"augmentation": {"nearest": ["seg"]}}), "names \"seg\""),
            (serde_json::json!({"initial_lr": 0.0}), "initial_lr is 0"),
            (serde_json::json!({"batch_size": 0}), "the batch size is 0"),
            (serde_json::json!({"num_epochs": 0}), "the number of epochs is 0"),
            (serde_json::json!({"save_every": 0}), "save_every is 0"),
            (serde_json::json!({"weight_decay": -1e-5}), "weight_decay is -0.00001"),
            (serde_json::json!({"oversample_foreground_percent": 33}), "oversample_foreground_percent is 33; wanted a share from 0 to 1"),
            (serde_json::json!({"oversample_foreground_percent": -0.1, "probabilistic_oversampling": true}), "is -0.1"),
            (serde_json::json!({"rotation_for_DA": [1.0, -1.0]}), "rotation_for_DA is 1 to -1"),
            (serde_json::json!({"mirror_axes": [3]}), "mirror_axes [3]"),
        ] {
            let error = settings(config).err().unwrap().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_single_head_keeps_its_weight() {
        assert_eq!(deep_supervision_weights(1), [1.0]);
        assert_eq!(deep_supervision_weights(5), [1.0, 0.5, 0.25, 0.125, 0.0].map(|w| w / 1.875));
    }
}
