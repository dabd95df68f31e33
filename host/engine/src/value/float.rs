//! Arithmetic on Float values; shapes have been checked before.

use super::{D, Value};
#[cfg(feature = "gpu")]
use crate::gpu::Kernels;
use crate::{
    device::{Device, Precision},
    kernels,
};
use burn::backend::ops::*;
use burn::tensor::{FloatDType, IndexingUpdateOp, IntDType, Shape};
use plugin_api::{DType, Op};

macro_rules! unary {
    ($($name:ident => $burn:ident;)+) => {
        impl Value { $(pub(crate) fn $name(&self) -> Value { Self::of(D::$burn(self.written_out().raw()), DType::Float) })+ }
    };
}
unary! {
    neg => float_neg; abs => float_abs; exp => float_exp; log => float_log; log1p => float_log1p; sqrt => float_sqrt; recip => float_recip;
    sin => float_sin; cos => float_cos; tanh => float_tanh; erf => float_erf; floor => float_floor; round => float_round; sign => float_sign;
}

macro_rules! binary {
    ($($name:ident => $burn:ident;)+) => {
        impl Value { $(pub(crate) fn $name(&self, other: &Value) -> Value { Self::of(D::$burn(self.raw(), other.raw()), DType::Float) })+ }
    };
}
binary! { add_by_burn => float_add; sub => float_sub; mul => float_mul; div => float_div; pow => float_powf; }

impl Value {
    /// The sum of two values; two of one shape that are kept in bf16 give such a one. Channels-last ones of one shape stay so, and are added by all cores.
    pub(crate) fn add(&self, other: &Value) -> Value {
        if let (true, Some(a), Some(b)) = (self.shape == other.shape, self.narrow(), other.narrow()) {
            return Self::float(D::float_add(a, b));
        }
        if self.shape == other.shape
            && (self.is_channels_last() || other.is_channels_last())
            && let (Ok(a), Ok(b)) = (self.cells(), other.cells())
        {
            return Self::from_channels_last(kernels::add(a.cells(), b.cells(), self.len() / self.shape[1]), &self.shape);
        }
        self.add_by_burn(other)
    }

    /// Products of matrices (..., M, K) and (..., K, N) of equal leading axes.
    pub(crate) fn matmul(&self, other: &Value, device: &Device) -> Value {
        #[cfg(feature = "gpu")]
        if device.is_gpu() {
            return Self::of(D::product(self.raw(), other.raw()), DType::Float);
        }
        let _ = device;
        Self::of(D::float_matmul(self.raw(), other.raw()), DType::Float)
    }

    pub(crate) fn full(shape: &[usize], value: f64, device: &Device) -> Value {
        Self::of(D::float_full(Shape::from(shape.to_vec()), value.into(), device.raw(), FloatDType::F32), DType::Float)
    }

    /// Zeros as a factor of a product of that precision.
    pub(crate) fn zeros(shape: &[usize], precision: Precision, device: &Device) -> Value {
        let dtype = if precision == Precision::Mixed { FloatDType::BF16 } else { FloatDType::F32 };
        Self::of(D::float_full(Shape::from(shape.to_vec()), 0.0.into(), device.raw(), dtype), DType::Float)
    }

    /// A factor as f32.
    pub(crate) fn cast_to_f32(&self) -> Value {
        Self::of(D::float_cast(self.raw(), FloatDType::F32), DType::Float)
    }

    pub(crate) fn scale(&self, k: f64) -> Value {
        Self::of(D::float_mul_scalar(self.raw(), k.into()), DType::Float)
    }

    pub(crate) fn shift(&self, k: f64) -> Value {
        Self::of(D::float_add_scalar(self.raw(), k.into()), DType::Float)
    }

    pub(crate) fn powf(&self, exponent: f64) -> Value {
        Self::of(D::float_powf_scalar(self.raw(), exponent.into()), DType::Float)
    }

    pub(crate) fn clamp(&self, low: f64, high: f64) -> Value {
        Self::of(D::float_clamp(self.raw(), low.into(), high.into()), DType::Float)
    }

    pub(crate) fn sigmoid(&self) -> Value {
        // e^-x may be infinite, which gives the 0 that is wanted; by a tanh, all from -18 down would be 0
        self.neg().exp().shift(1.0).recip()
    }

    /// Float of 0 and 1 where the comparison with a number holds.
    pub(crate) fn mask(&self, op: Op, value: f64, device: &Device) -> Value {
        self.compare_scalar(op, value, device).cast(DType::Float, device)
    }

    pub(crate) fn compare_scalar(&self, op: Op, value: f64, device: &Device) -> Value {
        let (raw, b) = (self.raw(), device.bool_dtype());
        let v = value.into();
        let raw = match (self.dtype, op) {
            (DType::Int, Op::Equal) => D::int_equal_elem(raw, v, b),
            (DType::Int, Op::NotEqual) => D::int_not_equal_elem(raw, v, b),
            (DType::Int, Op::Greater) => D::int_greater_elem(raw, v, b),
            (DType::Int, Op::GreaterEqual) => D::int_greater_equal_elem(raw, v, b),
            (DType::Int, Op::Less) => D::int_lower_elem(raw, v, b),
            (DType::Int, _) => D::int_lower_equal_elem(raw, v, b),
            (_, Op::Equal) => D::float_equal_elem(raw, v, b),
            (_, Op::NotEqual) => D::float_not_equal_elem(raw, v, b),
            (_, Op::Greater) => D::float_greater_elem(raw, v, b),
            (_, Op::GreaterEqual) => D::float_greater_equal_elem(raw, v, b),
            (_, Op::Less) => D::float_lower_elem(raw, v, b),
            (_, _) => D::float_lower_equal_elem(raw, v, b),
        };
        Self::of(raw, DType::Bool)
    }

    /// Compares two values of one type and shape.
    pub(crate) fn compare(&self, op: Op, other: &Value, device: &Device) -> Value {
        let (l, r, b) = (self.raw(), other.raw(), device.bool_dtype());
        let raw = match (self.dtype, op) {
            (DType::Int, Op::Equal) => D::int_equal(l, r, b),
            (DType::Int, Op::NotEqual) => D::int_not_equal(l, r, b),
            (DType::Int, Op::Greater) => D::int_greater(l, r, b),
            (DType::Int, Op::GreaterEqual) => D::int_greater_equal(l, r, b),
            (DType::Int, Op::Less) => D::int_lower(l, r, b),
            (DType::Int, _) => D::int_lower_equal(l, r, b),
            (DType::Bool, Op::Equal) => D::bool_equal(l, r),
            (DType::Bool, _) => D::bool_not_equal(l, r),
            (_, Op::Equal) => D::float_equal(l, r, b),
            (_, Op::NotEqual) => D::float_not_equal(l, r, b),
            (_, Op::Greater) => D::float_greater(l, r, b),
            (_, Op::GreaterEqual) => D::float_greater_equal(l, r, b),
            (_, Op::Less) => D::float_lower(l, r, b),
            (_, _) => D::float_lower_equal(l, r, b),
        };
        Self::of(raw, DType::Bool)
    }

    /// Arithmetic on Int values.
    pub(crate) fn int_binary(&self, op: Op, other: &Value) -> Value {
        let (l, r) = (self.raw(), other.raw());
        let raw = match op {
            Op::Add => D::int_add(l, r),
            Op::Sub => D::int_sub(l, r),
            _ => D::int_mul(l, r),
        };
        Self::of(raw, DType::Int)
    }

    /// Largest (or smallest) along one axis, which stays with length 1.
    pub(crate) fn extreme(&self, axis: usize, largest: bool) -> Value {
        let raw = self.raw();
        Self::of(if largest { D::float_max_dim(raw, axis) } else { D::float_min_dim(raw, axis) }, DType::Float)
    }

    pub(crate) fn argmax(&self, axis: usize) -> Value {
        let raw = self.raw();
        let raw = if self.dtype == DType::Int { D::int_argmax(raw, axis) } else { D::float_argmax(raw, axis, IntDType::I32) };
        Self::of(raw, DType::Int)
    }

    pub(crate) fn topk(&self, k: usize, axis: usize) -> (Value, Value) {
        let (values, indices) = D::float_topk_with_indices(self.raw(), axis, k, IntDType::I32);
        (Self::of(values, DType::Float), Self::of(indices, DType::Int))
    }

    pub(crate) fn cumsum(&self, axis: usize) -> Value {
        let raw = self.raw();
        if self.dtype == DType::Int { Self::of(D::int_cumsum(raw, axis), DType::Int) } else { Self::of(D::float_cumsum(raw, axis), DType::Float) }
    }

    pub(crate) fn scatter_add(&self, axis: usize, index: &Value, source: &Value) -> Value {
        let raw = D::float_scatter(axis, self.raw(), index.raw(), source.raw(), IndexingUpdateOp::Add);
        Self::of(raw, DType::Float)
    }

    pub(crate) fn select_add(&self, axis: usize, index: &Value, source: &Value) -> Value {
        let raw = D::float_select_assign(self.raw(), axis, index.raw(), source.raw(), IndexingUpdateOp::Add);
        Self::of(raw, DType::Float)
    }

    /// Writes `part` over a box that begins at `start`: in place where nobody else looks at the values.
    pub(crate) fn assign(self, start: &[usize], steps: &[usize], part: &Value) -> Value {
        let ranges: Vec<_> =
            start.iter().zip(part.shape()).zip(steps).map(|((&s, &n), &step)| super::slice_of(s, s + (n - 1) * step + 1, step)).collect();
        Self::of(D::float_slice_assign(self.into_raw(), &ranges, part.raw()), DType::Float)
    }

    /// Sum over axes on a device; the processor has its own (see `ops::reduce`).
    pub(crate) fn sum_axes_on_device(&self, axes: &[usize]) -> Value {
        Self::of(axes.iter().fold(self.raw(), |t, &a| D::float_sum_dim(t, a)), DType::Float)
    }
}
