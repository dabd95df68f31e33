//! Burn's convolutions, for devices other than the processor. Always three spatial axes; shorter ones are padded with length 1.

use super::{D, Value};
use crate::device::Device;
#[cfg(feature = "gpu")]
use crate::gpu::Kernels;
use burn::backend::ops::*;
use plugin_api::DType;
#[cfg(feature = "gpu")]
use std::sync::Arc;

/// Strides and so on of a convolution with three axes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conv3 {
    pub(crate) stride: [usize; 3],
    pub(crate) padding: [usize; 3],
    pub(crate) dilation: [usize; 3],
    pub(crate) output_padding: [usize; 3],
    pub(crate) groups: usize,
}

impl Conv3 {
    pub(crate) fn plain(&self) -> ConvOptions<3> {
        ConvOptions::new(self.stride, self.padding, self.dilation, self.groups)
    }

    fn transposed(&self) -> ConvTransposeOptions<3> {
        ConvTransposeOptions::new(self.stride, self.padding, self.output_padding, self.dilation, self.groups)
    }
}

impl Value {
    pub(crate) fn conv3(&self, w: &Value, b: Option<&Value>, s: &Conv3, device: &Device) -> Value {
        #[cfg(feature = "gpu")]
        if device.is_gpu() && s.groups == 1 {
            return match b {
                Some(b) => Self::of(D::convolve_and_add(self.raw(), w.raw(), b.raw(), *s), DType::Float),
                None => Self::of(D::convolve(self.raw(), w.raw(), *s), DType::Float),
            };
        }
        let _ = device;
        Self::of(D::conv3d(self.raw(), w.raw(), b.map(|b| b.raw()), s.plain()), DType::Float)
    }

    pub(crate) fn conv3_input_grad(&self, w: &Value, g: &Value, s: &Conv3) -> Value {
        Self::of(D::conv3d_x_backward(self.raw(), w.raw(), g.raw(), s.plain()), DType::Float)
    }

    /// For weights of the shape of `w`.
    pub(crate) fn conv3_weight_grad(&self, w: &Value, g: &Value, s: &Conv3, device: &Device) -> Value {
        #[cfg(feature = "gpu")]
        if device.is_gpu() && s.groups == 1 {
            let kernel = std::array::from_fn(|a| w.shape()[a + 2]);
            return Self::of(D::convolve_weight_grad(self.raw(), g.raw(), kernel, *s), DType::Float);
        }
        let _ = device;
        Self::of(D::conv3d_weight_backward(self.raw(), w.raw(), g.raw(), s.plain()), DType::Float)
    }

    pub(crate) fn conv3_transpose(&self, w: &Value, b: Option<&Value>, s: &Conv3) -> Value {
        Self::of(D::conv_transpose3d(self.raw(), w.raw(), b.map(|b| b.raw()), s.transposed()), DType::Float)
    }

    /// For rows (R, O) of `left` and (R, I) of `right`, their channels last: for each of `firsts` the products (parts, O, I) of parts of `length` rows, each row of
    /// `left` times that of `right` which is so much further on. f32.
    pub(crate) fn rows_products(left: &Value, right: &Value, [parts, length]: [usize; 2], firsts: Vec<usize>, device: &Device) -> Value {
        #[cfg(feature = "gpu")]
        if device.is_gpu() {
            return Self::of(D::rows_products(left.raw(), right.raw(), [parts, length], Arc::new(firsts)), DType::Float);
        }
        let cut = |v: &Value, first: usize| {
            let channels = v.shape()[v.rank() - 1];
            v.reshape(&[v.len() / channels, channels]).slice(0, first, first + parts * length, 1).reshape(&[1, parts, length, channels])
        };
        let left = cut(left, 0).permute(&[0, 1, 3, 2]);
        let products: Vec<Value> = firsts.into_iter().map(|first| left.matmul(&cut(right, first), device)).collect();
        Self::concat(&products, 0).cast_to_f32()
    }

    pub(crate) fn conv3_transpose_input_grad(w: &Value, g: &Value, s: &Conv3) -> Value {
        Self::of(D::conv_transpose3d_x_backward(w.raw(), g.raw(), s.transposed()), DType::Float)
    }

    pub(crate) fn conv3_transpose_weight_grad(&self, w: &Value, g: &Value, s: &Conv3) -> Value {
        Self::of(D::conv_transpose3d_weight_backward(self.raw(), w.raw(), g.raw(), s.transposed()), DType::Float)
    }
}
