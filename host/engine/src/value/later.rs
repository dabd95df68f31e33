//! Values that are computed when somebody looks at them: what comes in between a norm and the activation behind it, forward and
//! back. Mostly nobody looks, and the two are one pass.

use super::Value;
use burn::backend::DispatchTensor;
use std::sync::{Arc, OnceLock};

/// Makes a result with a leaky ReLU of some slope behind it; slope 1 for the result itself.
type Norm = Box<dyn Fn(f32) -> Value + Send + Sync>;

enum Recipe {
    Norm(Norm),
    /// The gradient before a leaky ReLU of this slope, from that behind it; `alone` makes it.
    Gradient {
        behind: Box<Value>,
        slope: f32,
        alone: Box<dyn Fn() -> Value + Send + Sync>,
    },
}

/// A tensor, or how to come by it.
#[derive(Clone)]
#[allow(clippy::large_enum_variant, reason = "nearly every value is a tensor")]
pub(super) enum Raw {
    Ready(DispatchTensor),
    Later(Arc<Later>),
}

pub(super) struct Later {
    recipe: Recipe,
    tensor: OnceLock<DispatchTensor>,
}

impl Raw {
    /// The tensor, computed now if it has not been.
    pub(super) fn tensor(&self) -> &DispatchTensor {
        let later = match self {
            Raw::Ready(tensor) => return tensor,
            Raw::Later(later) => later,
        };
        later.tensor.get_or_init(|| {
            let value = match &later.recipe {
                Recipe::Norm(norm) => norm(1.0),
                Recipe::Gradient { alone, .. } => alone(),
            };
            value.raw()
        })
    }

    /// The recipe of a value that nobody has looked at.
    fn recipe(&self) -> Option<&Recipe> {
        match self {
            Raw::Later(later) if later.tensor.get().is_none() => Some(&later.recipe),
            _ => None,
        }
    }
}

impl Value {
    fn later(recipe: Recipe, shape: &[usize]) -> Self {
        let later = Later { recipe, tensor: OnceLock::new() };
        Value { raw: Raw::Later(Arc::new(later)), shape: shape.to_vec(), dtype: plugin_api::DType::Float }
    }

    /// A norm's result, to be computed with the activation behind it or alone. `norm` takes the activation's slope.
    pub(crate) fn normal(shape: &[usize], norm: impl Fn(f32) -> Value + Send + Sync + 'static) -> Self {
        Self::later(Recipe::Norm(Box::new(norm)), shape)
    }

    /// This norm's result with a leaky ReLU behind it, where it is one that nobody has looked at.
    pub(crate) fn activated(&self, slope: f32) -> Option<Value> {
        match self.raw.recipe()? {
            Recipe::Norm(norm) => Some(norm(slope)),
            Recipe::Gradient { .. } => None,
        }
    }

    /// The gradient before a leaky ReLU, from this one behind it, to be computed with the norm's or by `alone`.
    pub(crate) fn through_leaky_relu(&self, slope: f32, alone: impl Fn() -> Value + Send + Sync + 'static) -> Value {
        Self::later(Recipe::Gradient { behind: Box::new(self.clone()), slope, alone: Box::new(alone) }, &self.shape)
    }

    /// The gradient behind the leaky ReLU and its slope, where this is one before it that nobody has looked at; else this one and 1.
    pub(crate) fn behind_leaky_relu(&self) -> (Value, f32) {
        match self.raw.recipe() {
            Some(Recipe::Gradient { behind, slope, .. }) => (behind.as_ref().clone(), *slope),
            _ => (self.clone(), 1.0),
        }
    }
}
