//! What goes into a step and what comes of it.

use crate::{
    device::Device,
    error::{Error, Result},
    session::check_length,
    value::Value,
};

/// What a step is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Gradients are wanted; dropout is on.
    Train,
    /// The loss and the logits are wanted.
    Validate,
}

/// Images of a batch (B, C, spatial...) on a device, or on their way there.
pub struct Images(pub(crate) Value);

impl Images {
    pub(crate) fn on(device: &Device, x: Vec<f32>, shape: &[usize]) -> Result<Self> {
        check_length("image", shape, x.len())?;
        Ok(Images(Value::from_f32(x, shape, device)))
    }
}

/// Gradients of one step, by parameter.
pub struct Gradients(pub(crate) Vec<Option<Value>>);

impl Gradients {
    /// The gradient of each parameter, in the order of [`Model::weights`](crate::Model::weights); `None` where the loss does not depend on it.
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn to_vecs(&self) -> Result<Vec<Option<Vec<f32>>>> {
        self.0.iter().map(|g| g.as_ref().map(Value::to_vec).transpose()).collect::<plugin_api::Result<_>>().map_err(Error::from)
    }
}

/// What one step gave.
pub struct Step {
    /// The loss.
    pub loss: f32,
    /// The finest head's logits (B, C, spatial...), last axis fastest, and their shape; only where asked for.
    pub logits: Option<(Vec<f32>, Vec<usize>)>,
    /// The gradients; none in validation.
    pub gradients: Option<Gradients>,
    /// Handles that components left behind.
    pub leaked: usize,
}

/// A training step that a GPU may still be at.
pub struct Begun {
    /// The loss.
    pub loss: Loss,
    /// The gradients.
    pub gradients: Gradients,
    /// Handles that components left behind.
    pub leaked: usize,
}

/// A loss that a GPU may still be computing.
pub struct Loss(pub(crate) Value);

impl Loss {
    /// The loss as a number. To be asked for when the device has been told all that it is to do, since it waits for that.
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn read(&self) -> Result<f32> {
        Ok(self.0.to_vec()?.first().copied().unwrap_or(f32::NAN))
    }
}
