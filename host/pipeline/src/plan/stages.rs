//! What the network of a configuration looks like, without a value being computed.

use super::{Configuration, review::explained};
use crate::{
    dataset::DatasetJson,
    error::{Error, Result},
};
use engine::shape::{Part, Trace};
use registry::Registry;
use serde_json::Map;

/// The network of a configuration, for a batch of the plan's size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stages {
    /// Its parts, in the order of a forward; figures are for one sample.
    pub parts: Vec<Part>,
    /// Numbers in its trainable parameters.
    pub parameters: u64,
    /// Floating-point operations of a forward of one sample.
    pub flops: u64,
    /// Peak of the activations of a training iteration, bytes, for the whole batch.
    pub training_bytes: u64,
    /// Peak of the activations of a prediction of one patch, bytes.
    pub inference_bytes: u64,
}

/// The network that `configuration` names, for the images and labels of `dataset`.
///
/// # Errors
/// As [`trace`].
pub fn stages(registry: &Registry, configuration: &Configuration, dataset: &DatasetJson) -> Result<Stages> {
    let one = trace(registry, configuration, dataset, 1)?;
    let training_bytes = trace(registry, configuration, dataset, configuration.batch_size)?.activation_bytes;
    let (parameters, flops) = (one.parameter_count(), one.flops);
    Ok(Stages { parts: one.parts(), parameters, flops, training_bytes, inference_bytes: one.inference_bytes })
}

/// The same network run on the shapes of `batch` samples.
///
/// # Errors
/// The architecture is not there, refuses the plan, or cannot take the patch; the axis and its divisor are named.
pub fn trace(registry: &Registry, configuration: &Configuration, dataset: &DatasetJson, batch: usize) -> Result<Trace> {
    let labels = dataset.label_manager()?;
    let spec = configuration.network_of(dataset, &labels, true);
    let name = spec.network_class_name.rsplit('.').next().unwrap_or_default();
    let architecture = registry.architecture(name)?.create(&Map::new())?;
    engine::shape::trace(&architecture, &spec, batch).map_err(|error| Error::invalid(format!("{name}: {}", explained(&error, &spec))))
}
