//! Burn's convolutions, for devices other than the processor. Always three spatial axes; shorter ones are padded with length 1.

use super::{D, Value};
use crate::device::Device;
#[cfg(feature = "gpu")]
use crate::device::Precision;
#[cfg(feature = "gpu")]
use crate::gpu::Kernels;
#[cfg(feature = "gpu")]
use burn::backend::TensorMetadata;
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
            let (x, w) = (self.with_whole_pieces(device), w.with_whole_pieces(device));
            return match b {
                Some(b) => Self::of(D::convolve_and_add(x.raw(), w.raw(), b.raw(), *s), DType::Float),
                None => Self::of(D::convolve(x.raw(), w.raw(), *s), DType::Float),
            };
        }
        let _ = device;
        Self::of(D::conv3d(self.raw(), w.raw(), b.map(|b| b.raw()), s.plain()), DType::Float)
    }

    /// bf16 with channels of zeros behind its own (axis 1), so that a GPU copies a voxel's in bulk; anything else as it is.
    #[cfg(feature = "gpu")]
    fn with_whole_pieces(&self, device: &Device) -> Value {
        // from as many on the kernel is at its best; it takes multiples of 8
        const PIECE: usize = 32;
        let channels = self.shape[1];
        if channels.is_multiple_of(8) || self.raw.tensor().dtype() != burn::tensor::DType::BF16 {
            return self.clone();
        }
        let [batch, d, h, w] = [0, 2, 3, 4].map(|axis| self.shape[axis]);
        let zeros = Self::zeros(&[batch, d, h, w, channels.next_multiple_of(PIECE)], Precision::Mixed, device);
        zeros.assign(&[0; 5], &[1; 5], &self.permute(&[0, 2, 3, 4, 1])).permute(&[0, 4, 1, 2, 3])
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

    /// For rows (R, O) of `left` and (R, I) of `right`, their channels last: for each of `firsts` sums of products (any number, O, wide I) of `parts` of `length` rows, each
    /// row of `left` times the `wide` rows of `right` that begin so much further on. f32.
    pub(crate) fn rows_products(left: &Value, right: &Value, [parts, length, wide]: [usize; 3], firsts: Vec<usize>, device: &Device) -> Value {
        #[cfg(feature = "gpu")]
        if device.is_gpu() {
            return Self::of(D::rows_products(left.raw(), right.raw(), [parts, length, wide], Arc::new(firsts)), DType::Float);
        }
        let cut = |v: &Value, first: usize| {
            let channels = v.shape()[v.rank() - 1];
            let rows = v.reshape(&[v.len() / channels, channels]).slice(0, first, first + parts * length, 1);
            rows.reshape(&[1, parts, length / wide, wide * channels])
        };
        let outputs = left.shape()[left.rank() - 1];
        let lefts: Vec<Value> = (0..wide).map(|begin| cut(left, begin).slice(3, 0, outputs, 1).permute(&[0, 1, 3, 2])).collect();
        let of = |first: usize| {
            Self::concat(&lefts.iter().zip(first..).map(|(left, first)| left.matmul(&cut(right, first), device)).collect::<Vec<_>>(), 1)
        };
        Self::concat(&firsts.into_iter().map(of).collect::<Vec<_>>(), 0).cast_to_f32()
    }

    /// Along each axis every `step`-th of some values, (first, count, step).
    pub(crate) fn picked(&self, picks: Vec<(usize, usize, usize)>, device: &Device) -> Value {
        #[cfg(feature = "gpu")]
        if device.is_gpu() {
            return Self::of(D::picked(self.raw(), Arc::new(picks)), DType::Float);
        }
        let _ = device;
        let part = |v: Value, (axis, &(first, count, step)): (usize, &(usize, usize, usize))| match count == v.shape()[axis] {
            true => v,
            false => v.slice(axis, first, first + (count - 1) * step + 1, step),
        };
        picks.iter().enumerate().fold(self.clone(), part)
    }

    /// From (B, C, D, H, W) blocks of voxels, which divide them, as rows (blocks, voxels of a block times C).
    pub(crate) fn gathered(&self, block: [usize; 3], device: &Device) -> Value {
        #[cfg(feature = "gpu")]
        if device.is_gpu() {
            return Self::of(D::gathered(self.raw(), block), DType::Float);
        }
        let _ = device;
        let (s, [d, h, w]) = (&self.shape, block);
        let apart = self.permute(&[0, 2, 3, 4, 1]).reshape(&[s[0], s[2] / d, d, s[3] / h, h, s[4] / w, w, s[1]]);
        let row = d * h * w * s[1];
        apart.permute(&[0, 1, 3, 5, 2, 4, 6, 7]).reshape(&[self.len() / row, row])
    }

    /// From rows (B, C, D, H, W), of which [`Value::gathered`] makes them.
    pub(crate) fn spread(&self, block: [usize; 3], whole: [usize; 5], device: &Device) -> Value {
        #[cfg(feature = "gpu")]
        if device.is_gpu() {
            return Self::of(D::spread(self.raw(), block, whole), DType::Float);
        }
        let _ = device;
        let ([batch, channels, d, h, w], [kd, kh, kw]) = (whole, block);
        let apart = self.reshape(&[batch, d / kd, h / kh, w / kw, kd, kh, kw, channels]).permute(&[0, 1, 4, 2, 5, 3, 6, 7]);
        apart.reshape(&[batch, d, h, w, channels]).permute(&[0, 4, 1, 2, 3])
    }

    pub(crate) fn conv3_transpose_input_grad(w: &Value, g: &Value, s: &Conv3) -> Value {
        Self::of(D::conv_transpose3d_x_backward(w.raw(), g.raw(), s.transposed()), DType::Float)
    }

    pub(crate) fn conv3_transpose_weight_grad(&self, w: &Value, g: &Value, s: &Conv3) -> Value {
        Self::of(D::conv_transpose3d_weight_backward(self.raw(), w.raw(), g.raw(), s.transposed()), DType::Float)
    }
}
