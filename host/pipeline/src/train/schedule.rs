//! The learning rate over the epochs: the host's own, or a plugin's.

use super::settings::check_settings;
use crate::error::{Error, Result};
use plugin_api::{LrQuestion, TrainerConfig};
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

impl Schedule {
    /// That of the config; a plugin's comes from `registry`.
    ///
    /// # Errors
    /// There is no such schedule, or it has no such setting.
    pub(super) fn of(config: &TrainerConfig, registry: Option<&Registry>) -> Result<Self> {
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

    /// The learning rate of an epoch of `epochs`, which begin with `initial`.
    ///
    /// # Errors
    /// A plugin's schedule fails, or answers what is no learning rate.
    pub(super) fn lr(&self, initial: f64, epoch: usize, epochs: usize) -> Result<f64> {
        match self {
            Schedule::Own { warmup_epochs, .. } if epoch < *warmup_epochs => Ok(initial / *warmup_epochs as f64 * (epoch + 1) as f64),
            Schedule::Own { fall, warmup_epochs } => {
                let (epoch, epochs) = (epoch - warmup_epochs, epochs.saturating_sub(*warmup_epochs).max(1));
                Ok(match fall {
                    Fall::Poly => poly_lr(initial, epoch, epochs),
                    Fall::Cosine => initial * (1.0 + (std::f64::consts::PI * epoch as f64 / epochs as f64).cos()) / 2.0,
                })
            }
            Schedule::Plugin(hook) => {
                let question = LrQuestion { epoch: epoch.min(epochs.saturating_sub(1)), epochs, initial };
                match hook.ask::<Option<f64>>("lr", &question)?.flatten() {
                    Some(lr) if lr.is_finite() && lr >= 0.0 => Ok(lr),
                    answer => Err(hook.fault("lr", &format!("answered {answer:?} for epoch {epoch}; wanted a number from 0 up")).into()),
                }
            }
        }
    }

    /// The plugin's, if it is one.
    pub(super) fn hook(&self) -> Option<&Hook> {
        match self {
            Schedule::Plugin(hook) => Some(hook),
            Schedule::Own { .. } => None,
        }
    }
}

/// nnU-Net's learning rate: `initial (1 - epoch/epochs)^0.9`.
pub fn poly_lr(initial: f64, epoch: usize, epochs: usize) -> f64 {
    initial * (1.0 - epoch as f64 / epochs as f64).max(0.0).powf(0.9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(wanted: serde_json::Value, registry: Option<&Registry>) -> Result<Schedule> {
        Schedule::of(&serde_json::from_value(serde_json::json!({"lr_schedule": wanted})).unwrap(), registry)
    }

    /// As nnU-Net's `Lin_incr_LRScheduler` followed by `PolyLRScheduler_offset` have it, for 1000 epochs.
    #[test]
    fn the_learning_rate_rises_and_then_falls() {
        let warm = schedule(serde_json::json!({"name": "poly", "warmup_epochs": 50}), None).unwrap();
        let poly = |e: f64| 3e-4 * (1.0 - e / 950.0).powf(0.9);
        for (epoch, wanted) in [(0, 6e-6), (24, 1.5e-4), (49, 3e-4), (50, 3e-4), (51, poly(1.0)), (999, poly(949.0))] {
            let lr = warm.lr(3e-4, epoch, 1000).unwrap();
            assert!((lr - wanted).abs() < 1e-15, "epoch {epoch}: {lr} instead of {wanted}");
        }
        let plain = Schedule::of(&TrainerConfig::default(), None).unwrap();
        assert_eq!([0, 500].map(|epoch| plain.lr(1e-2, epoch, 1000).unwrap()), [1e-2, 1e-2 * 0.5f64.powf(0.9)]);
        let cosine = schedule(serde_json::json!("cosine"), None).unwrap();
        assert!((cosine.lr(1e-2, 5, 10).unwrap() - 5e-3).abs() < 1e-15);
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
        let until = |until: usize| schedule(serde_json::json!({"name": "test_halving", "until": until}), Some(&registry)).unwrap();
        let four = until(4);
        // what a checkpoint of the last epoch holds is the last epoch's
        assert_eq!([0, 3, 4].map(|epoch| four.lr(0.1, epoch, 4).unwrap()), [0.1, 0.0125, 0.0125]);
        assert!(four.hook().is_some());
        let error = until(1).lr(0.1, 2, 4).unwrap_err().to_string();
        assert!(error.contains("in lr: answered Some(-1.0) for epoch 2; wanted a number from 0 up"), "{error}");
        let error = schedule(serde_json::json!("polly"), Some(&registry)).err().unwrap().to_string();
        assert!(error.starts_with("no lr_schedule is called `polly`; did you mean `poly`?"), "{error}");
    }
}
