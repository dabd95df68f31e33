//! What networks are made of: convolution, pooling, resizing, normalisation.

use super::Tensor;
use crate::Op;

fn join(parts: &[&[usize]]) -> Vec<i64> {
    parts.iter().flat_map(|p| p.iter().map(|&v| v as i64)).collect()
}

/// How a tensor is resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Source index `floor(i scale)`.
    Nearest,
    /// Source index `floor((i + 0.5) scale)`.
    NearestExact,
    /// Linear with half-pixel centres.
    Linear,
    /// Linear with the corners aligned.
    LinearAligned,
}

/// Stride, padding, dilation (an axis each) and groups of a convolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvSettings {
    /// Step of the output, an axis each.
    pub stride: Vec<usize>,
    /// Zeros on both sides, an axis each.
    pub padding: Vec<usize>,
    /// Distance between taps, an axis each.
    pub dilation: Vec<usize>,
    /// Groups of channels.
    pub groups: usize,
}

impl ConvSettings {
    /// Stride 1 and "same" padding for an odd kernel.
    pub fn same(kernel: &[usize]) -> Self {
        let n = kernel.len();
        Self { stride: vec![1; n], padding: kernel.iter().map(|k| k.saturating_sub(1) / 2).collect(), dilation: vec![1; n], groups: 1 }
    }
}

impl Tensor {
    /// Convolution of (B, I, spatial...) with weight (O, I/groups, kernel...) and bias (O).
    #[track_caller]
    pub fn conv(&self, weight: &Tensor, bias: Option<&Tensor>, s: &ConvSettings) -> Tensor {
        let ints = join(&[&[s.stride.len()], &s.stride, &s.padding, &s.dilation, &[s.groups]]);
        let inputs: Vec<&Tensor> = [Some(self), Some(weight), bias].into_iter().flatten().collect();
        Tensor::apply(Op::Conv, &inputs, &ints, &[])
    }

    /// Transposed convolution of (B, I, spatial...) with weight (I, O/groups, kernel...) and bias (O).
    #[track_caller]
    pub fn conv_transpose(&self, weight: &Tensor, bias: Option<&Tensor>, s: &ConvSettings, output_padding: &[usize]) -> Tensor {
        let ints = join(&[&[s.stride.len()], &s.stride, &s.padding, output_padding, &s.dilation, &[s.groups]]);
        let inputs: Vec<&Tensor> = [Some(self), Some(weight), bias].into_iter().flatten().collect();
        Tensor::apply(Op::ConvTranspose, &inputs, &ints, &[])
    }

    /// Largest value of each window.
    #[track_caller]
    pub fn max_pool(&self, kernel: &[usize], stride: &[usize], padding: &[usize], ceil: bool) -> Tensor {
        Tensor::apply(Op::MaxPool, &[self], &join(&[&[kernel.len()], kernel, stride, padding, &[usize::from(ceil)]]), &[])
    }

    /// Mean of each window.
    #[track_caller]
    pub fn avg_pool(&self, kernel: &[usize], stride: &[usize], padding: &[usize], ceil: bool, count_padding: bool) -> Tensor {
        let ints = join(&[&[kernel.len()], kernel, stride, padding, &[usize::from(ceil), usize::from(count_padding)]]);
        Tensor::apply(Op::AvgPool, &[self], &ints, &[])
    }

    /// Mean of windows chosen so that the result has this size.
    #[track_caller]
    pub fn adaptive_avg_pool(&self, size: &[usize]) -> Tensor {
        Tensor::apply(Op::AdaptiveAvgPool, &[self], &join(&[&[size.len()], size]), &[])
    }

    /// Largest of windows chosen so that the result has this size.
    #[track_caller]
    pub fn adaptive_max_pool(&self, size: &[usize]) -> Tensor {
        Tensor::apply(Op::AdaptiveMaxPool, &[self], &join(&[&[size.len()], size]), &[])
    }

    /// Resizes the spatial axes to `size`.
    #[track_caller]
    pub fn resize(&self, size: &[usize], how: Resize) -> Tensor {
        let (mode, aligned) = match how {
            Resize::Nearest => (0, 0),
            Resize::NearestExact => (1, 0),
            Resize::Linear => (2, 0),
            Resize::LinearAligned => (2, 1),
        };
        Tensor::apply(Op::Resize, &[self], &join(&[&[size.len()], size, &[mode, aligned]]), &[])
    }

    /// Zero mean and unit variance of each (b, c), then scale and shift (C).
    #[track_caller]
    pub fn instance_norm(&self, affine: Option<(&Tensor, &Tensor)>, eps: f64) -> Tensor {
        self.norm(Op::InstanceNorm, affine, &[], eps)
    }

    /// Zero mean and unit variance of each (b, group), then scale and shift (C).
    #[track_caller]
    pub fn group_norm(&self, groups: usize, affine: Option<(&Tensor, &Tensor)>, eps: f64) -> Tensor {
        self.norm(Op::GroupNorm, affine, &[groups as i64], eps)
    }

    /// Zero mean and unit variance over the last `axes` axes, then scale and shift.
    #[track_caller]
    pub fn layer_norm(&self, axes: usize, affine: Option<(&Tensor, &Tensor)>, eps: f64) -> Tensor {
        self.norm(Op::LayerNorm, affine, &[axes as i64], eps)
    }

    #[track_caller]
    fn norm(&self, op: Op, affine: Option<(&Tensor, &Tensor)>, ints: &[i64], eps: f64) -> Tensor {
        let mut inputs = vec![self];
        if let Some((scale, shift)) = affine {
            inputs.extend([scale, shift]);
        }
        Tensor::apply(op, &inputs, ints, &[eps])
    }

    /// Softmax along an axis.
    #[track_caller]
    pub fn softmax(&self, axis: usize) -> Tensor {
        Tensor::apply(Op::Softmax, &[self], &[axis as i64], &[])
    }

    /// Logarithm of the softmax along an axis.
    #[track_caller]
    pub fn log_softmax(&self, axis: usize) -> Tensor {
        Tensor::apply(Op::LogSoftmax, &[self], &[axis as i64], &[])
    }

    /// In training, zeroes values (or whole channels) with probability `p` and scales the rest.
    #[track_caller]
    pub fn dropout(&self, p: f64, whole_channels: bool) -> Tensor {
        Tensor::apply(Op::Dropout, &[self], &[i64::from(whole_channels)], &[p])
    }

    /// Matrix product of the last two axes; leading axes broadcast.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        Tensor::apply(Op::MatMul, &[self, other], &[], &[])
    }
}
