//! Trainer configs: what `-tr NAME` selects, as data.

use crate::nn::NormKind;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A component by name, with its settings: `"focal"` or `{"name": "focal", "gamma": 3}`. Settings without a name, `{"gamma": 3}`, go on
/// top of those of the config that is extended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComponentRef {
    /// The name it is registered under; empty for the component that would be taken anyway.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its settings.
    #[serde(flatten)]
    pub settings: Map<String, Value>,
}

impl<'de> Deserialize<'de> for ComponentRef {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match Value::deserialize(d)? {
            Value::String(name) => Ok(ComponentRef { name, settings: Map::new() }),
            Value::Object(mut map) => match map.remove("name") {
                Some(Value::String(name)) => Ok(ComponentRef { name, settings: map }),
                None => Ok(ComponentRef { name: String::new(), settings: map }),
                Some(other) => Err(serde::de::Error::custom(format!("a component's `name` is a text, not {other}"))),
            },
            other => Err(serde::de::Error::custom(format!("a component is a name or an object with settings, not {other}"))),
        }
    }
}

impl ComponentRef {
    /// This one, or its settings on top of those of `base` if it names no component.
    fn over(own: Option<Self>, base: Option<Self>) -> Option<Self> {
        match (own, base) {
            (Some(own), Some(mut base)) if own.name.is_empty() => {
                base.settings.extend(own.settings);
                Some(base)
            }
            (own, base) => own.or(base),
        }
    }

    /// Its name, or `usual` if it has none.
    pub fn name_or<'a>(&'a self, usual: &'a str) -> &'a str {
        if self.name.is_empty() { usual } else { &self.name }
    }
}

/// Which axes are mirrored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Mirror {
    /// `false`: none; `true`: all.
    Switch(bool),
    /// These of the axes z, y, x = 0, 1, 2. A 2D patch has y and x.
    Axes(Vec<usize>),
}

/// What differs from nnU-Net's default training. A field left out keeps the default, or what `extends` says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainerConfig {
    /// In a file: the config's name, where it is not the file's. A crate's config has the name that it is registered under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One line for `list-plugins`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The config that this one starts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extends: Option<String>,
    /// The network instead of the plan's.
    #[serde(skip_serializing_if = "Option::is_none", alias = "network_builder")]
    pub architecture: Option<ComponentRef>,
    /// The loss instead of Dice + cross entropy.
    #[serde(skip_serializing_if = "Option::is_none", alias = "loss_fn", alias = "loss_builder")]
    pub loss: Option<ComponentRef>,
    /// Normalisation instead of the plan's: `instance`, `batch` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm: Option<NormKind>,
    /// Epochs; 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_epochs: Option<usize>,
    /// Training iterations an epoch; 250.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iterations_per_epoch: Option<usize>,
    /// Validation iterations an epoch; 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_iterations: Option<usize>,
    /// Initial learning rate; 0.01.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_lr: Option<f64>,
    /// 3e-5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// `sgd` (momentum, nesterov), `adam` or `adamw` (beta1, beta2, eps, amsgrad), `adan` (beta1, beta2, beta3, eps).
    #[serde(skip_serializing_if = "Option::is_none", alias = "optimizer_builder")]
    pub optimizer: Option<ComponentRef>,
    /// `poly` or `cosine` (`warmup_epochs` is their setting), or a plugin's.
    #[serde(skip_serializing_if = "Option::is_none", alias = "lr_scheduler_builder")]
    pub lr_schedule: Option<ComponentRef>,
    /// Largest norm of the gradient; 12.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_clip: Option<f64>,
    /// Samples a batch instead of the plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Epochs between checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save_every: Option<usize>,
    /// Share of the samples that must show foreground; 0.33, or with `probabilistic_oversampling` the share that 0.33 comes to in a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oversample_foreground_percent: Option<f64>,
    /// Every sample shows foreground with that probability, instead of the last ones of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probabilistic_oversampling: Option<bool>,
    /// `standard` or the stronger `da5` (`nearest`, of `"image"` and `"labels"` those not interpolated linearly, is their setting), or a
    /// plugin's change of training samples beside the standard one.
    #[serde(skip_serializing_if = "Option::is_none", alias = "training_transforms_builder")]
    pub augmentation: Option<ComponentRef>,
    /// Mirroring in training; all axes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror_axes: Option<Mirror>,
    /// Mirroring in prediction; as in training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_allowed_mirroring_axes: Option<Mirror>,
    /// Least and greatest rotation in radians; decided by the patch.
    #[serde(skip_serializing_if = "Option::is_none", rename = "rotation_for_DA", alias = "rotation_for_da")]
    pub rotation_for_da: Option<(f64, f64)>,
    /// Rotate and scale slices instead of volumes; decided by the patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_dummy_2d_data_aug: Option<bool>,
    /// No augmentation at all, mirroring included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_data_augmentation: Option<bool>,
    /// Heads at lower resolutions take part in the loss; yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_deep_supervision: Option<bool>,
    /// Measures the epoch: no checkpoint, no final validation; the fastest epoch goes to `benchmark_result.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub benchmark: Option<bool>,
    /// One random batch again and again instead of the cases: what an epoch takes without loading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthetic_data: Option<bool>,
}

impl TrainerConfig {
    /// This config on top of `base`: what it leaves out is taken from there.
    #[must_use]
    pub fn over(self, base: TrainerConfig) -> TrainerConfig {
        macro_rules! pick {
            ($($component:ident)+; $($field:ident)+) => {
                TrainerConfig { $($component: ComponentRef::over(self.$component, base.$component),)+ $($field: self.$field.or(base.$field)),+ }
            };
        }
        pick!(architecture loss optimizer lr_schedule augmentation; name description extends norm num_epochs iterations_per_epoch
            validation_iterations initial_lr weight_decay gradient_clip batch_size save_every oversample_foreground_percent
            probabilistic_oversampling mirror_axes inference_allowed_mirroring_axes rotation_for_da do_dummy_2d_data_aug
            disable_data_augmentation enable_deep_supervision benchmark synthetic_data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_a_name_or_an_object() {
        let c: TrainerConfig = serde_json::from_str(r#"{"loss": "focal", "architecture": {"name": "kiunet", "levels": 2}}"#).unwrap();
        assert_eq!(c.loss.unwrap().name, "focal");
        assert_eq!(c.architecture.unwrap().settings["levels"], 2);
    }

    #[test]
    fn what_is_left_out_comes_from_the_base() {
        let base = TrainerConfig { num_epochs: Some(5), initial_lr: Some(0.1), ..Default::default() };
        let c = TrainerConfig { num_epochs: Some(7), ..Default::default() }.over(base);
        assert_eq!((c.num_epochs, c.initial_lr), (Some(7), Some(0.1)));
    }

    #[test]
    fn settings_without_a_name_are_for_the_bases_component() {
        let read = |text: &str| serde_json::from_str::<TrainerConfig>(text).unwrap();
        let base = read(r#"{"loss": {"name": "focal", "gamma": 3, "alpha": 1}}"#);
        let c = read(r#"{"loss": {"gamma": 2}}"#).over(base.clone());
        assert_eq!(c, read(r#"{"loss": {"name": "focal", "gamma": 2, "alpha": 1}}"#));
        assert_eq!(read(r#"{"loss": "dice"}"#).over(base).loss.unwrap().settings.len(), 0);
        assert!(serde_json::from_str::<TrainerConfig>(r#"{"loss": {"name": 3}}"#).is_err());
    }
}
