//! Convolution and transposed convolution, forward and both gradients.

use rayon::prelude::*;

use super::axis::Axis;
use super::gather::Gather;
use super::level::Level;
use super::norm::sum;
use super::shape::ConvShape;
use super::weight_grad::weight_grad;

/// The convolution of `x` (B, I, input) with `w` (O, I / groups, kernel): (B, O, output). `bias` is (O).
pub fn conv_forward(s: &ConvShape, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    forward(Level::best(), s, x, w, bias)
}

/// The gradient for the input, (B, I, input), from the output's, `dy` (B, O, output).
pub fn conv_input_grad(s: &ConvShape, dy: &[f32], w: &[f32]) -> Vec<f32> {
    adjoint(Level::best(), s, dy, w, None)
}

/// The gradient for the weights, (O, I / groups, kernel).
pub fn conv_weight_grad(s: &ConvShape, x: &[f32], dy: &[f32]) -> Vec<f32> {
    assert_eq!(x.len(), s.input_len(), "x does not fit its shape");
    assert_eq!(dy.len(), s.output_len(), "the output's gradient does not fit its shape");
    weight_grad(Level::best(), s, x, dy)
}

/// The gradient for a bias (C): the sum of `dy` (B, C, voxels) over batch and voxels.
pub fn bias_grad(dy: &[f32], batch: usize, channels: usize, voxels: usize) -> Vec<f32> {
    assert_eq!(dy.len(), batch * channels * voxels, "the output's gradient does not fit its shape");
    let plane = |b: usize, c: usize| sum(&dy[(b * channels + c) * voxels..][..voxels], |v| v);
    (0..channels).into_par_iter().map(|c| (0..batch).map(|b| plane(b, c)).sum::<f64>() as f32).collect()
}

/// The transposed convolution (B, O, output) -> (B, I, input) of the convolution `s`; `w` is (O, I / groups, kernel), `bias` (I).
/// An output padding is part of `s.input`.
pub fn conv_transpose_forward(s: &ConvShape, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    adjoint(Level::best(), s, x, w, bias)
}

/// The gradient of [`conv_transpose_forward`] for its input, (B, O, output), from `dy` (B, I, input).
pub fn conv_transpose_input_grad(s: &ConvShape, dy: &[f32], w: &[f32]) -> Vec<f32> {
    conv_forward(s, dy, w, None)
}

/// The gradient of [`conv_transpose_forward`] for its weights, (O, I / groups, kernel), from its input `x` (B, O, output) and `dy` (B, I, input).
pub fn conv_transpose_weight_grad(s: &ConvShape, x: &[f32], dy: &[f32]) -> Vec<f32> {
    conv_weight_grad(s, dy, x)
}

pub(super) fn forward(level: Level, s: &ConvShape, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    assert_eq!(x.len(), s.input_len(), "x does not fit its shape");
    assert_eq!(w.len(), s.weight_len(), "the weights do not fit their shape");
    let (inputs, outputs) = (s.group_inputs(), s.group_outputs());
    Gather { adjoint: false, level, batch: s.batch, groups: s.groups, inputs, outputs, axes: Axis::forward(s) }.run(x, w, bias)
}

pub(super) fn adjoint(level: Level, s: &ConvShape, dy: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    assert_eq!(dy.len(), s.output_len(), "the output's gradient does not fit its shape");
    assert_eq!(w.len(), s.weight_len(), "the weights do not fit their shape");
    let (inputs, outputs) = (s.group_outputs(), s.group_inputs());
    Gather { adjoint: true, level, batch: s.batch, groups: s.groups, inputs, outputs, axes: Axis::adjoint(s) }.run(dy, w, bias)
}
