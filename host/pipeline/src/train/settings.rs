//! A trainer config with every default filled in.

use super::TrainOptions;
use crate::{
    augment::{Augmentation, Plugged, Rules, SMALLEST_SCALE, Wishes, rules, spatial::Nearest},
    error::{Error, Result},
    loader::Oversample,
    lock::{self, Part},
    plan::Configuration,
};
use engine::OptimizerSpec;
use plugin_api::{ComponentRef, LrQuestion, Mirror, TrainerConfig};
use registry::{Hook, Kind, Registry};
use std::sync::Arc;

/// How the learning rate falls from epoch `e` = 0 to `E`, both counted from the end of the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fall {
    /// `lr (1 - e/E)^0.9`
    Poly,
    /// `lr (1 + cos(pi e/E)) / 2`
    Cosine,
}

/// The learning rate over the epochs.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// The host's own.
    Own {
        /// How it falls.
        fall: Fall,
        /// Epochs over which it rises before that, in equal steps.
        warmup_epochs: usize,
    },
    /// A plugin's.
    Plugin(Arc<Hook>),
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
fn check_settings(what: &str, name: &str, component: &ComponentRef, known: &[&str]) -> Result<()> {
    match component.settings.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Error::invalid(format!("{what} {name} has no setting `{key}`; there are {}", known.join(", ")))),
    }
}

fn schedule(config: &TrainerConfig, registry: Option<&Registry>) -> Result<Schedule> {
    let Some(wanted) = &config.lr_schedule else { return Ok(Schedule::Own { fall: Fall::Poly, warmup_epochs: 0 }) };
    let name = wanted.name_or("poly");
    let source = registry.map(|registry| registry.hook(Kind::LrSchedule, name)).transpose()?;
    let fall = match (name, source) {
        ("poly", _) => Fall::Poly,
        ("cosine", _) => Fall::Cosine,
        (_, Some(source)) => return Ok(Schedule::Plugin(Arc::new(source.create(&wanted.settings, &serde_json::json!({}))?))),
        (other, None) => return Err(Error::invalid(format!("lr_schedule {other} is unknown; there are poly and cosine"))),
    };
    check_settings("lr_schedule", name, wanted, &["warmup_epochs"])?;
    let warmup_epochs = match wanted.settings.get("warmup_epochs") {
        None => 0,
        Some(epochs) => epochs
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| Error::invalid(format!("warmup_epochs of lr_schedule {name} is {epochs}; wanted a number of epochs")))?,
    };
    Ok(Schedule::Own { fall, warmup_epochs })
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
            schedule: schedule(config, registry)?,
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
        let schedule = match &self.schedule {
            Schedule::Plugin(hook) => Some(&**hook),
            Schedule::Own { .. } => None,
        };
        schedule.into_iter().chain(self.plugged.as_ref().map(|plugged| plugged.hook())).map(lock::part).collect()
    }

    /// The learning rate of an epoch.
    ///
    /// # Errors
    /// A plugin's schedule fails, or answers what is no learning rate.
    pub fn lr(&self, epoch: usize) -> Result<f64> {
        match &self.schedule {
            Schedule::Own { fall, warmup_epochs } => Ok(self.own_lr(*fall, *warmup_epochs, epoch)),
            Schedule::Plugin(hook) => {
                let last = self.epochs.saturating_sub(1);
                let question = LrQuestion { epoch: epoch.min(last), epochs: self.epochs, initial: self.initial_lr };
                match hook.ask::<Option<f64>>("lr", &question)?.flatten() {
                    Some(lr) if lr.is_finite() && lr >= 0.0 => Ok(lr),
                    answer => Err(hook.fault("lr", &format!("answered {answer:?} for epoch {epoch}; wanted a number from 0 up")).into()),
                }
            }
        }
    }

    fn own_lr(&self, fall: Fall, warmup: usize, epoch: usize) -> f64 {
        if epoch < warmup {
            return self.initial_lr / warmup as f64 * (epoch + 1) as f64;
        }
        let (epoch, epochs) = (epoch - warmup, self.epochs.saturating_sub(warmup).max(1));
        match fall {
            Fall::Poly => poly_lr(self.initial_lr, epoch, epochs),
            Fall::Cosine => self.initial_lr * (1.0 + (std::f64::consts::PI * epoch as f64 / epochs as f64).cos()) / 2.0,
        }
    }
}

/// nnU-Net's learning rate: `initial (1 - epoch/epochs)^0.9`.
pub fn poly_lr(initial: f64, epoch: usize, epochs: usize) -> f64 {
    initial * (1.0 - epoch as f64 / epochs as f64).max(0.0).powf(0.9)
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
        with(config, None)
    }

    fn with(config: serde_json::Value, registry: Option<&Registry>) -> Result<Settings> {
        let options = TrainOptions::new("1", "3d_fullres", Fold::Number(0));
        Settings::new(&serde_json::from_value(config).unwrap(), &options, &configuration(), registry)
    }

    /// As nnU-Net's `Lin_incr_LRScheduler` followed by `PolyLRScheduler_offset` have it, for 1000 epochs.
    #[test]
    fn the_learning_rate_rises_and_then_falls() {
        let warm = settings(serde_json::json!({"initial_lr": 3e-4, "lr_schedule": {"name": "poly", "warmup_epochs": 50}})).unwrap();
        let poly = |e: f64| 3e-4 * (1.0 - e / 950.0).powf(0.9);
        for (epoch, wanted) in [(0, 6e-6), (24, 1.5e-4), (49, 3e-4), (50, 3e-4), (51, poly(1.0)), (999, poly(949.0))] {
            assert!((warm.lr(epoch).unwrap() - wanted).abs() < 1e-15, "epoch {epoch}: {} instead of {wanted}", warm.lr(epoch).unwrap());
        }
        let plain = settings(serde_json::json!({})).unwrap();
        assert_eq!((plain.lr(0).unwrap(), plain.lr(500).unwrap()), (1e-2, 1e-2 * 0.5f64.powf(0.9)));
        let cosine = settings(serde_json::json!({"lr_schedule": "cosine", "num_epochs": 10})).unwrap();
        assert!((cosine.lr(5).unwrap() - 5e-3).abs() < 1e-15);
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

    /// Halves for so many epochs, then is no learning rate.
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Halving {
        until: usize,
    }
    impl plugin_api::Schedule for Halving {
        fn lr(&self, epoch: usize, epochs: usize, initial: f64) -> plugin_api::Result<f64> {
            assert!(epoch < epochs);
            Ok(if epoch < self.until { initial * 0.5f64.powi(epoch as i32) } else { -1.0 })
        }
    }
    plugin_api::register_lr_schedule!("test_halving", Halving, "test: a schedule");

    #[test]
    fn a_plugins_schedule() {
        let (_dir, registry) = crate::test_data::registry_of_tests();
        let config = |until: usize| serde_json::json!({"lr_schedule": {"name": "test_halving", "until": until}, "num_epochs": 4, "initial_lr": 0.1});
        let four = with(config(4), Some(&registry)).unwrap();
        // what a checkpoint of the last epoch holds is the last epoch's
        assert_eq!([0, 3, 4].map(|epoch| four.lr(epoch).unwrap()), [0.1, 0.0125, 0.0125]);
        assert_eq!(four.parts().len(), 1);
        let error = with(config(1), Some(&registry)).unwrap().lr(2).unwrap_err().to_string();
        assert!(error.contains("in lr: answered Some(-1.0) for epoch 2; wanted a number from 0 up"), "{error}");
        let error = with(serde_json::json!({"lr_schedule": "polly"}), Some(&registry)).err().unwrap().to_string();
        assert!(error.starts_with("no lr_schedule is called `polly`; did you mean `poly`?"), "{error}");
    }

    #[test]
    fn a_single_head_keeps_its_weight() {
        assert_eq!(deep_supervision_weights(1), [1.0]);
        assert_eq!(deep_supervision_weights(5), [1.0, 0.5, 0.25, 0.125, 0.0].map(|w| w / 1.875));
    }
}
