//! Values that are computed when somebody looks at them: what comes in between a norm and the activation behind it, forward and
//! back. Mostly nobody looks, and the two are one pass. Values that are computed once more on the way back, instead of being kept for it. And values
//! that a GPU keeps in bf16, the result of mixed precision, f32 to who looks: the next convolution takes them as they are.

use super::{D, Value};
use crate::device::Precision;
use burn::backend::{DispatchTensor, TensorMetadata, ops::*};
use burn::tensor::{DType, FloatDType};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Makes a result with a leaky ReLU of some slope behind it; slope 1 for the result itself.
type Norm = Arc<dyn Fn(f32) -> Value + Send + Sync>;

enum Recipe {
    Norm(Norm),
    /// A norm's result with a leaky ReLU of this slope behind it.
    Activated(Norm, f32),
    /// Channels side by side; a convolution takes them from where they are. None are left once somebody has looked at the value.
    Joined(Mutex<Vec<Value>>),
    /// The gradient before a leaky ReLU of this slope, from that behind it; `alone` makes it.
    Gradient {
        behind: Box<Value>,
        slope: f32,
        alone: Box<dyn Fn() -> Value + Send + Sync>,
    },
    /// bf16, to be widened.
    Narrow(DispatchTensor),
}

/// A tensor, or how to come by it.
#[derive(Clone)]
#[allow(clippy::large_enum_variant, reason = "nearly every value is a tensor")]
pub(super) enum Raw {
    Ready(DispatchTensor),
    Later(Arc<Later>),
    /// There now, and to be had once more.
    Again(DispatchTensor, Arc<Later>),
}

pub(super) struct Later {
    recipe: Recipe,
    value: OnceLock<Value>,
}

impl Raw {
    /// The tensor, computed now if it has not been.
    pub(super) fn tensor(&self) -> &DispatchTensor {
        match self {
            Raw::Ready(tensor) | Raw::Again(tensor, _) => tensor,
            Raw::Later(later) => later.value().raw.tensor(),
        }
    }

    /// The tensor as it is kept: f32, or bf16.
    fn stored(&self) -> &DispatchTensor {
        match self {
            Raw::Ready(tensor) | Raw::Again(tensor, _) => tensor,
            Raw::Later(later) => match &later.recipe {
                Recipe::Narrow(tensor) => tensor,
                _ => later.value().raw.stored(),
            },
        }
    }

    /// The recipe of a value that nobody has looked at.
    fn recipe(&self) -> Option<&Recipe> {
        match self {
            Raw::Later(later) if later.value.get().is_none() => Some(&later.recipe),
            _ => None,
        }
    }
}

impl Later {
    fn new(recipe: Recipe) -> Arc<Self> {
        Arc::new(Later { recipe, value: OnceLock::new() })
    }

    fn value(&self) -> &Value {
        self.value.get_or_init(|| match &self.recipe {
            Recipe::Norm(norm) => norm(1.0),
            Recipe::Activated(norm, slope) => norm(*slope),
            Recipe::Joined(parts) => {
                let parts = std::mem::take(&mut *parts.lock().unwrap_or_else(PoisonError::into_inner));
                Value::concat(&parts.iter().map(Value::fleeting).collect::<Vec<_>>(), 1)
            }
            Recipe::Gradient { alone, .. } => alone(),
            Recipe::Narrow(tensor) => Value::of(D::float_cast(tensor.clone(), FloatDType::F32), plugin_api::DType::Float),
        })
    }
}

impl Value {
    /// A Float tensor as a GPU made it: f32, or bf16, which is widened for who looks.
    pub(super) fn float(raw: DispatchTensor) -> Self {
        match raw.dtype() {
            DType::BF16 => {
                let shape = raw.shape().to_vec();
                Self::later(Recipe::Narrow(raw), &shape)
            }
            _ => Self::of(raw, plugin_api::DType::Float),
        }
    }

    /// The tensor as it is kept, f32 or bf16.
    pub(super) fn stored(&self) -> DispatchTensor {
        self.raw.stored().clone()
    }

    /// The bf16 of a value that is kept so.
    pub(crate) fn narrow(&self) -> Option<DispatchTensor> {
        matches!(self.raw, Raw::Later(_)).then(|| self.stored()).filter(|tensor| tensor.dtype() == DType::BF16)
    }

    /// This value kept in bf16 if `beside` is.
    pub(crate) fn narrowed_like(self, beside: &Value) -> Value {
        if beside.narrow().is_some() { self.factor(Precision::Mixed).product(Precision::Mixed) } else { self }
    }

    fn later(recipe: Recipe, shape: &[usize]) -> Self {
        Value { raw: Raw::Later(Later::new(recipe)), shape: shape.to_vec(), dtype: plugin_api::DType::Float, bounds: None }
    }

    /// This value, which `recipe` gives once more.
    fn again(self, recipe: Recipe) -> Self {
        let later = Later::new(recipe);
        Value { raw: Raw::Again(self.raw(), later), ..self }
    }

    /// What a way back holds of this value: only how to come by it, where that is known.
    pub(crate) fn kept(&self) -> Value {
        match &self.raw {
            Raw::Again(_, later) => Value { raw: Raw::Later(later.clone()), ..self.clone() },
            _ => match self.parts() {
                Some(parts) if parts.iter().any(Value::comes_again) => Self::beside(parts.iter().map(Value::kept).collect(), &self.shape),
                _ => self.clone(),
            },
        }
    }

    /// This value for a moment: one that comes again is made, and made once more for the next who wants it.
    pub(crate) fn fleeting(&self) -> Value {
        match self.raw.recipe() {
            Some(Recipe::Activated(norm, slope)) => norm(*slope),
            _ => self.clone(),
        }
    }

    /// Whether it is to be had once more without being kept.
    fn comes_again(&self) -> bool {
        matches!(&self.raw, Raw::Again(..))
    }

    /// Channels of several values side by side (axis 1). Where the processor has them channels-last they stay where they are until somebody looks.
    pub(crate) fn joined(parts: &[Value]) -> Value {
        if !parts.iter().all(|part| part.parts().is_some() || part.is_channels_last()) {
            return Self::concat(parts, 1);
        }
        let parts: Vec<Value> = parts.iter().flat_map(|part| part.parts().unwrap_or_else(|| vec![part.clone()])).collect();
        let mut shape = parts[0].shape.clone();
        shape[1] = parts.iter().map(|part| part.shape[1]).sum();
        Self::beside(parts, &shape)
    }

    fn beside(parts: Vec<Value>, shape: &[usize]) -> Value {
        Self::later(Recipe::Joined(Mutex::new(parts)), shape)
    }

    /// The values whose channels make this one, which nobody has looked at.
    pub(super) fn parts(&self) -> Option<Vec<Value>> {
        let Recipe::Joined(parts) = self.raw.recipe()? else { return None };
        Some(parts.lock().unwrap_or_else(PoisonError::into_inner).clone()).filter(|parts| !parts.is_empty())
    }

    /// A norm's result, to be computed with the activation behind it or alone. `norm` takes the activation's slope.
    pub(crate) fn normal(shape: &[usize], norm: impl Fn(f32) -> Value + Send + Sync + 'static) -> Self {
        Self::later(Recipe::Norm(Arc::new(norm)), shape)
    }

    /// This norm's result with a leaky ReLU behind it, where it is one that nobody has looked at; `recomputes`: it comes again.
    pub(crate) fn activated(&self, slope: f32, recomputes: bool) -> Option<Value> {
        let Recipe::Norm(norm) = self.raw.recipe()? else { return None };
        let value = norm(slope);
        Some(if recomputes { value.again(Recipe::Activated(norm.clone(), slope)) } else { value })
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
