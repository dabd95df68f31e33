//! How a configuration resamples images, labels and logits: nnU-Net's functions and their settings.

use serde_json::{Map, Value, json};
use volume::resample::{Order, ResampleOptions};

use super::Configuration;
use crate::error::{Error, Result};

/// What is resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resampling {
    /// Images.
    Data,
    /// Labels.
    Seg,
    /// Logits or probabilities.
    Probabilities,
}

/// nnU-Net's resampling functions, as plans name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    /// Splines of any order, the low-resolution axis on its own where it is anisotropic.
    Spline,
    /// PyTorch's linear interpolation, nearest-exact along a separate low-resolution axis.
    Torch,
    /// None at all.
    Off,
}

const FUNCTIONS: [(&str, Function); 3] =
    [("resample_data_or_seg_to_shape", Function::Spline), ("resample_torch_fornnunet", Function::Torch), ("no_resampling_hack", Function::Off)];

/// Settings that change how and where it is computed, but not what. `memefficient_seg_resampling` is nnU-Net's cheaper stand-in for the
/// label with the largest share, which is what every voxel gets here.
const OF_NO_EFFECT: [&str; 4] = ["is_seg", "num_threads", "device", "memefficient_seg_resampling"];

impl Configuration {
    /// How `what` is resampled; `None`: not at all.
    ///
    /// # Errors
    /// A function that is not known, or a setting that it does not take.
    pub fn resampling(&self, what: Resampling) -> Result<Option<ResampleOptions>> {
        let (name, kwargs) = match what {
            Resampling::Data => (&self.resampling_fn_data, &self.resampling_fn_data_kwargs),
            Resampling::Seg => (&self.resampling_fn_seg, &self.resampling_fn_seg_kwargs),
            Resampling::Probabilities => (&self.resampling_fn_probabilities, &self.resampling_fn_probabilities_kwargs),
        };
        let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| known == name) else {
            let known = FUNCTIONS.map(|(name, _)| name).join(", ");
            return Err(Error::invalid(format!("plans: there is no resampling {name}; there are {known}")));
        };
        let defaults = match (function, what) {
            (Function::Torch, _) => ResampleOptions::TORCH,
            (_, Resampling::Data) => ResampleOptions::IMAGE,
            (_, Resampling::Seg | Resampling::Probabilities) => ResampleOptions::LABELS,
        };
        let options = options(*function, kwargs, defaults).map_err(|what| Error::invalid(format!("plans: {what} (settings of {name})")))?;
        Ok((*function != Function::Off).then_some(options))
    }
}

/// `kwargs` over `defaults`.
fn options(function: Function, kwargs: &Map<String, Value>, defaults: ResampleOptions) -> Result<ResampleOptions, String> {
    let mut options = defaults;
    for (key, value) in kwargs {
        let wrong = |wanted: &str| format!("`{key}` is {value}; it can be {wanted}");
        let order = || value.as_u64().and_then(Order::from_number).ok_or_else(|| wrong("0 (nearest), 1 (linear) or 3 (cubic)"));
        let mode = || match value.as_str() {
            Some("linear") => Ok(Order::Linear),
            Some("nearest-exact") => Ok(Order::Nearest),
            _ => Err(wrong("linear or nearest-exact")),
        };
        match (function, key.as_str()) {
            (Function::Spline, "order") => options.order = order()?,
            (Function::Spline, "order_z") => options.order_z = order()?,
            (Function::Torch, "mode") => options.order = mode()?,
            (Function::Torch, "aniso_axis_mode") => options.order_z = mode()?,
            (Function::Spline | Function::Torch, "force_separate_z") => {
                options.force_separate_z = match value {
                    Value::Null => None,
                    Value::Bool(force) => Some(*force),
                    _ => return Err(wrong("true, false or null")),
                }
            }
            (Function::Spline | Function::Torch, "separate_z_anisotropy_threshold") => {
                options.separate_z_anisotropy_threshold = value.as_f64().ok_or_else(|| wrong("a number"))?;
            }
            (_, key) if OF_NO_EFFECT.contains(&key) => {}
            _ => return Err(format!("there is no setting `{key}`; remove it")),
        }
    }
    Ok(options)
}

/// What plans say of resampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResamplingPlan {
    /// Cubic splines, the low-resolution axis on its own where it is anisotropic.
    Spline,
    /// PyTorch's linear interpolation along all axes.
    Torch,
    /// As `Torch`, with the low-resolution axis on its own where it is anisotropic.
    TorchSeparateZ,
    /// None at all.
    Off,
}

impl ResamplingPlan {
    /// Name and settings for images (`is_seg` false, `order` 3), labels (true, 1) or probabilities (false, 1).
    pub(super) fn function(self, is_seg: bool, order: u8) -> (&'static str, Value) {
        let function = match self {
            Self::Spline => Function::Spline,
            Self::Torch | Self::TorchSeparateZ => Function::Torch,
            Self::Off => Function::Off,
        };
        let name = FUNCTIONS.iter().find(|(_, known)| *known == function).map_or("", |(name, _)| name);
        let kwargs = match self {
            Self::Spline => json!({"is_seg": is_seg, "order": order, "order_z": 0, "force_separate_z": null}),
            Self::Torch => json!({"is_seg": is_seg, "force_separate_z": false, "memefficient_seg_resampling": false}),
            Self::TorchSeparateZ => json!({
                "is_seg": is_seg,
                "force_separate_z": null,
                "memefficient_seg_resampling": false,
                "separate_z_anisotropy_threshold": 3,
            }),
            Self::Off => json!({}),
        };
        (name, kwargs)
    }
}
