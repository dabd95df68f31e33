//! Shapes: reshape, permute, slice, concat, pad.

use super::{DType, Tensor};
use crate::Op;

fn ints(values: &[usize]) -> Vec<i64> {
    values.iter().map(|&v| v as i64).collect()
}

/// What lies outside a padded tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Padding {
    /// One value.
    Constant(f64),
    /// Mirrored without repeating the edge.
    Reflect,
    /// The edge repeated.
    Replicate,
}

impl Tensor {
    /// The same values under another shape; one axis may be -1.
    #[track_caller]
    pub fn reshape(&self, shape: &[i64]) -> Tensor {
        Tensor::apply(Op::Reshape, &[self], shape, &[])
    }

    /// Reorders the axes: `axes[i]` is the source of axis i.
    #[track_caller]
    pub fn permute(&self, axes: &[usize]) -> Tensor {
        Tensor::apply(Op::Permute, &[self], &ints(axes), &[])
    }

    /// `start..end` of one axis.
    #[track_caller]
    pub fn slice(&self, axis: usize, start: usize, end: usize) -> Tensor {
        self.slice_step(axis, start, end, 1)
    }

    /// Every `step`-th of `start..end` of one axis.
    #[track_caller]
    pub fn slice_step(&self, axis: usize, start: usize, end: usize, step: usize) -> Tensor {
        Tensor::apply(Op::Slice, &[self], &ints(&[axis, start, end, step]), &[])
    }

    /// Joins along an axis.
    #[track_caller]
    pub fn concat(parts: &[&Tensor], axis: usize) -> Tensor {
        Tensor::apply(Op::Concat, parts, &ints(&[axis]), &[])
    }

    /// Adds `(low, high)` elements to each axis.
    #[track_caller]
    pub fn pad(&self, amounts: &[(usize, usize)], padding: Padding) -> Tensor {
        let (mode, value) = match padding {
            Padding::Constant(value) => (0, value),
            Padding::Reflect => (1, 0.0),
            Padding::Replicate => (2, 0.0),
        };
        let all: Vec<i64> = std::iter::once(mode).chain(amounts.iter().flat_map(|&(l, h)| [l as i64, h as i64])).collect();
        Tensor::apply(Op::Pad, &[self], &all, &[value])
    }

    /// Repeats axes of length 1.
    #[track_caller]
    pub fn expand(&self, shape: &[usize]) -> Tensor {
        Tensor::apply(Op::Expand, &[self], &ints(shape), &[])
    }

    /// Reverses axes.
    #[track_caller]
    pub fn flip(&self, axes: &[usize]) -> Tensor {
        Tensor::apply(Op::Flip, &[self], &ints(axes), &[])
    }

    /// A new axis of length 1.
    #[track_caller]
    pub fn unsqueeze(&self, axis: usize) -> Tensor {
        let mut shape = ints(&self.shape());
        shape.insert(axis.min(shape.len()), 1);
        self.reshape(&shape)
    }

    /// Drops an axis of length 1.
    #[track_caller]
    pub fn squeeze(&self, axis: usize) -> Tensor {
        let mut shape = ints(&self.shape());
        if shape.get(axis) == Some(&1) {
            shape.remove(axis);
        }
        self.reshape(&shape)
    }

    /// A tensor filled with one value.
    #[track_caller]
    pub fn full(shape: &[usize], value: f64) -> Tensor {
        let all: Vec<i64> = std::iter::once(i64::from(DType::Float.number())).chain(ints(shape)).collect();
        Tensor::apply(Op::Full, &[], &all, &[value])
    }

    /// Zeros.
    #[track_caller]
    pub fn zeros(shape: &[usize]) -> Tensor {
        Tensor::full(shape, 0.0)
    }

    /// `start, start + step, ...` below `end`, Int.
    #[track_caller]
    pub fn arange(start: i64, end: i64, step: i64) -> Tensor {
        Tensor::apply(Op::Arange, &[], &[start, end, step], &[])
    }

    /// Uniform random numbers of the host, from `low` to below `high`.
    #[track_caller]
    pub fn rand_uniform(shape: &[usize], low: f64, high: f64) -> Tensor {
        Tensor::apply(Op::RandUniform, &[], &ints(shape), &[low, high])
    }

    /// Normal random numbers of the host.
    #[track_caller]
    pub fn rand_normal(shape: &[usize], mean: f64, deviation: f64) -> Tensor {
        Tensor::apply(Op::RandNormal, &[], &ints(shape), &[mean, deviation])
    }
}
