//! Burn's convolutions, for devices other than the processor. Always three spatial axes; shorter ones are padded with length 1.

use super::{D, Value};
use burn::backend::ops::*;
use plugin_api::DType;

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
    fn plain(&self) -> ConvOptions<3> {
        ConvOptions::new(self.stride, self.padding, self.dilation, self.groups)
    }

    fn transposed(&self) -> ConvTransposeOptions<3> {
        ConvTransposeOptions::new(self.stride, self.padding, self.output_padding, self.dilation, self.groups)
    }
}

impl Value {
    pub(crate) fn conv3(&self, w: &Value, b: Option<&Value>, s: &Conv3) -> Value {
        Self::of(D::conv3d(self.raw(), w.raw(), b.map(|b| b.raw()), s.plain()), DType::Float)
    }

    pub(crate) fn conv3_input_grad(&self, w: &Value, g: &Value, s: &Conv3) -> Value {
        Self::of(D::conv3d_x_backward(self.raw(), w.raw(), g.raw(), s.plain()), DType::Float)
    }

    pub(crate) fn conv3_weight_grad(&self, w: &Value, g: &Value, s: &Conv3) -> Value {
        Self::of(D::conv3d_weight_backward(self.raw(), w.raw(), g.raw(), s.plain()), DType::Float)
    }

    pub(crate) fn conv3_transpose(&self, w: &Value, b: Option<&Value>, s: &Conv3) -> Value {
        Self::of(D::conv_transpose3d(self.raw(), w.raw(), b.map(|b| b.raw()), s.transposed()), DType::Float)
    }

    pub(crate) fn conv3_transpose_input_grad(w: &Value, g: &Value, s: &Conv3) -> Value {
        Self::of(D::conv_transpose3d_x_backward(w.raw(), g.raw(), s.transposed()), DType::Float)
    }

    pub(crate) fn conv3_transpose_weight_grad(&self, w: &Value, g: &Value, s: &Conv3) -> Value {
        Self::of(D::conv_transpose3d_weight_backward(self.raw(), w.raw(), g.raw(), s.transposed()), DType::Float)
    }
}
