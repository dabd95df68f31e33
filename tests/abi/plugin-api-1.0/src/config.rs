//! Trainer configs: what `-tr NAME` selects, as data.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A component by name, with its settings: `"focal"` or `{"name": "focal", "gamma": 3}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComponentRef {
    /// The name it is registered under.
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
                _ => Err(serde::de::Error::custom("a component's settings need its `name`")),
            },
            other => Err(serde::de::Error::custom(format!("a component is a name or an object with `name`, not {other}"))),
        }
    }
}

/// Which axes are mirrored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Mirror {
    /// `false`: none; `true`: all.
    Switch(bool),
    /// These spatial axes, 0 being the slowest.
    Axes(Vec<usize>),
}

/// What differs from nnU-Net's default training. A field left out keeps the default, or what `extends` says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainerConfig {
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
    #[serde(skip_serializing_if = "Option::is_none", alias = "loss_fn")]
    pub loss: Option<ComponentRef>,
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
    /// `sgd` (momentum, nesterov), `adam` or `adamw` (beta1, beta2, eps, amsgrad).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<ComponentRef>,
    /// `poly` or `cosine` (`warmup_epochs` is their setting), or a plugin's.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    /// Share of the samples that must show foreground; 0.33.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oversample_foreground_percent: Option<f64>,
    /// Every sample shows foreground with that probability, instead of the last ones of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probabilistic_oversampling: Option<bool>,
    /// Mirroring in training; all axes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror_axes: Option<Mirror>,
    /// Mirroring in prediction; as in training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_allowed_mirroring_axes: Option<Mirror>,
    /// Rotate and scale slices instead of volumes; decided by the patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_dummy_2d_data_aug: Option<bool>,
    /// No augmentation at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_data_augmentation: Option<bool>,
    /// A plugin's change of training samples, beside the standard augmentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<ComponentRef>,
    /// Heads at lower resolutions take part in the loss; yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_deep_supervision: Option<bool>,
}

impl TrainerConfig {
    /// This config on top of `base`: what it leaves out is taken from there.
    #[must_use]
    pub fn over(self, base: TrainerConfig) -> TrainerConfig {
        macro_rules! pick { ($($field:ident)+) => { TrainerConfig { $($field: self.$field.or(base.$field)),+ } }; }
        pick!(description extends architecture loss num_epochs iterations_per_epoch validation_iterations initial_lr weight_decay optimizer
            lr_schedule gradient_clip batch_size save_every oversample_foreground_percent probabilistic_oversampling mirror_axes
            inference_allowed_mirroring_axes do_dummy_2d_data_aug disable_data_augmentation augmentation enable_deep_supervision)
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
}
