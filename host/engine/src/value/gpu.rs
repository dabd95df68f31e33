//! The kernels of a GPU on values. Shapes have been checked before.

use super::{D, Value};
use crate::gpu::Kernels;
use crate::kernels::{Blend, Sgd, Windows};
use plugin_api::DType;
use std::sync::Arc;

impl Value {
    /// The maximum of each window, and its place (Int).
    pub(crate) fn max_pool(&self, windows: &Arc<Windows>) -> (Value, Value) {
        let (y, places) = D::max_pool(self.raw(), windows.clone());
        (Self::of(y, DType::Float), Self::of(places, DType::Int))
    }

    /// From the gradient of a maximum that of its input.
    pub(crate) fn max_pool_grad(&self, places: &Value, windows: &Arc<Windows>) -> Value {
        Self::of(D::max_pool_grad(self.raw(), places.raw(), windows.clone()), DType::Float)
    }

    /// The average of each window.
    pub(crate) fn avg_pool(&self, windows: &Arc<Windows>, count_padding: bool) -> Value {
        Self::of(D::avg_pool(self.raw(), windows.clone(), count_padding), DType::Float)
    }

    /// From the gradient of an average that of its input.
    pub(crate) fn avg_pool_grad(&self, windows: &Arc<Windows>, count_padding: bool) -> Value {
        Self::of(D::avg_pool_grad(self.raw(), windows.clone(), count_padding), DType::Float)
    }

    /// Blends along an axis.
    pub(crate) fn blend(&self, axis: usize, blends: &Arc<Vec<Blend>>) -> Value {
        Self::of(D::blend(self.raw(), axis, blends.clone()), DType::Float)
    }

    /// From the gradient of a blend that of its input, `from` long.
    pub(crate) fn blend_grad(&self, axis: usize, from: usize, blends: &Arc<Vec<Blend>>) -> Value {
        Self::of(D::blend_grad(self.raw(), axis, from, blends.clone()), DType::Float)
    }

    /// Mean and 1 / deviation of each (batch, group).
    pub(crate) fn norm_statistics(&self, groups: usize, eps: f32) -> Value {
        Self::of(D::norm_statistics(self.stored(), groups, eps), DType::Float)
    }

    /// Sums over all axes but the channels' (C), in one pass.
    pub(crate) fn sums_of_channels(&self) -> Value {
        let (batch, channels) = (self.shape()[0], self.shape()[1]);
        let voxels: usize = self.shape()[2..].iter().product();
        let means = self.norm_statistics(channels, 1.0).reshape(&[batch, channels, 2]).slice(2, 0, 1, 1);
        means.sum_axes_on_device(&[0]).scale(voxels as f64).reshape(&[channels])
    }

    /// Normalised, scaled and shifted, with a leaky ReLU behind it; kept as this value is.
    pub(crate) fn norm(&self, stats: &Value, [scale, shift]: [&Value; 2], slope: f32) -> Value {
        Self::float(D::norm(self.stored(), stats.raw(), scale.raw(), shift.raw(), slope))
    }

    /// The gradients of [`Value::norm`] for its input, scale and shift from that of its result.
    pub(crate) fn norm_grad(&self, stats: &Value, [scale, shift]: [&Value; 2], g: &Value, slope: f32) -> (Value, Value, Value) {
        let (x, scale, shift) = D::norm_grad(self.stored(), stats.raw(), scale.raw(), shift.raw(), g.stored(), slope);
        (Self::float(x), Self::of(scale, DType::Float), Self::of(shift, DType::Float))
    }

    /// Sums over the voxels of each of `k` ids: (B, C, k).
    pub(crate) fn segment_sums(&self, ids: &Value, k: usize) -> Value {
        Self::of(D::segment_sums(self.raw(), ids.raw(), k), DType::Float)
    }

    /// The sums of [`plugin_api::Op::ClassSums`], and what the way back takes beside the logits.
    pub(crate) fn class_sums(&self, labels: &Value, weights: &Value) -> (Value, Value) {
        let (sums, scales) = D::class_sums(self.stored(), labels.raw(), weights.raw());
        (Self::of(sums, DType::Float), Self::of(scales, DType::Float))
    }

    /// The gradient of [`Value::class_sums`] for the logits from that of the sums.
    pub(crate) fn class_sums_grad(&self, labels: &Value, weights: &Value, scales: &Value, g: &Value) -> Value {
        Self::float(D::class_sums_grad(self.stored(), labels.raw(), weights.raw(), scales.raw(), g.raw()))
    }

    /// This parameter and its momentum after a step with the gradient `g`; see [`Kernels::sgd`].
    pub(crate) fn sgd(&self, g: &Value, momentum: &Value, squares: &Value, sgd: Sgd, clip: f32) -> (Value, Value) {
        let (w, momentum) = D::sgd(self.raw(), g.raw(), momentum.raw(), squares.raw(), sgd, clip);
        (Self::of(w, DType::Float), Self::of(momentum, DType::Float))
    }
}
