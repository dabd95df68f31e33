//! Prediction: sliding windows over preprocessed cases, logits back to the grid of the image, and whole folders of images.
//!
//! 1. [`predict_folder`] reads, crops, normalises and resamples a case as training did.
//! 2. The logits of all tiles, mirrored views and folds are averaged, as [`sliding_window`] does it.
//! 3. They are resampled to the image's grid and decoded, as [`Export`] does it.
//!
//! Steps 2 and 3 work slab by slab, so that the logits of the whole image are never there, unless probabilities are asked for.
//!
//! [`TrainedModel`] is a model folder, opened: it predicts arrays and folders for whoever has no command line.
//!
//! [`validate`] does the same with the preprocessed cases of a fold, and scores what comes out.

mod case;
mod decode;
mod export;
mod folder;
mod gaussian;
mod layout;
mod memory;
mod output;
mod prepare;
mod slabs;
mod stages;
mod steps;
mod sums;
mod trained;
mod validation;
mod window;

pub use export::Export;
pub use folder::{PredictOptions, Predicted, predict_folder};
pub use gaussian::gaussian;
pub use layout::Window;
pub use steps::{positions, steps};
pub use trained::{ArrayOptions, Segmentation, TrainedModel, trained_folds};
pub use validation::{NextStage, ValidationOptions, validate};
pub use window::sliding_window;

#[cfg(test)]
mod tests;

use crate::dataset::DatasetJson;
use crate::error::Result;
use crate::plan::{Configuration, Plans};
use crate::preprocess::Plugins;

/// A network that turns images into logits.
pub trait Predictor {
    /// The logits (B, K, spatial...) of the images `x` (B, C, spatial...), last axis fastest, and their shape.
    ///
    /// # Errors
    /// The network refuses the shape or fails.
    fn logits(&self, x: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)>;

    /// The spatial axes along which images may be mirrored.
    fn mirror_axes(&self) -> Vec<usize>;

    /// The network itself, where sums of its logits are best kept on its device.
    fn on_device(&self) -> Option<&engine::Model> {
        None
    }

    /// Devices that share the tiles which go through it at once.
    fn devices(&self) -> usize {
        1
    }

    /// Bytes that a forward of one tile takes on the processor, its input and logits among them; 0 where nobody knows.
    fn bytes(&self) -> u64 {
        0
    }
}

/// A network of the engine.
pub struct Network<'a> {
    /// The network with its weights.
    pub model: &'a engine::Model,
    /// The spatial axes along which it was trained with mirrored images.
    pub mirror_axes: Vec<usize>,
    /// Bytes that a forward of one patch takes on the processor.
    pub bytes: u64,
}

impl Predictor for Network<'_> {
    fn logits(&self, x: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)> {
        Ok(self.model.predict(x, shape)?)
    }

    fn mirror_axes(&self) -> Vec<usize> {
        self.mirror_axes.clone()
    }

    fn on_device(&self) -> Option<&engine::Model> {
        Some(self.model).filter(|model| !model.device().is_cpu())
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A trained model: how cases are prepared for it, and its networks, a fold each.
#[derive(Clone, Copy)]
pub struct LoadedModel<'a> {
    /// The plans.
    pub plans: &'a Plans,
    /// Their configuration that was trained.
    pub configuration: &'a Configuration,
    /// Channels and labels.
    pub dataset: &'a DatasetJson,
    /// The plugins that its preprocessing names, if any.
    pub plugins: Option<&'a Plugins>,
    /// The folds, whose logits are averaged.
    pub predictors: &'a [&'a dyn Predictor],
}
