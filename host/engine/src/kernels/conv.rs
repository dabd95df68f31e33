//! Convolution and transposed convolution, forward and both gradients; through tiles where that is faster.

use rayon::prelude::*;

use super::axis::Axis;
use super::blocked::Values;
use super::buffer::Buffer;
use super::cells::{Cells, join};
use super::gather::Gather;
use super::level::{Job, Level};
use super::shape::{ConvShape, volume};
use super::vector::Vector;
use super::weight_grad;
use super::winograd;
use crate::device::Precision;

/// Runs `f` on a thread of rayon's pool: from there, each step of a kernel is shared out without waking this thread in between.
fn in_pool<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| f())
}

/// The channels of all parts side by side: in place, if there is one part without gaps.
fn together<'a>(s: &ConvShape, x: &[Cells<'a>]) -> Values<'a> {
    match x {
        [Cells { values, step, channels }] if step == channels => Values::Given(values),
        _ => Values::Made(join(x, s.batch * volume(s.input))),
    }
}

/// The convolution of `x` (B, input, I), whose channels may lie in several places, with `w` (O, I / groups, kernel): (B, output, O). `bias` is (O).
///
/// `fine` keeps to the ways that are about as exact as the direct one; it says nothing where the precision is mixed.
pub fn conv_forward(s: &ConvShape, x: &[Cells], w: &[f32], bias: Option<&[f32]>, fine: bool, precision: Precision) -> Buffer {
    in_pool(|| forward(Level::of(precision), s, x, w, bias, fine && precision == Precision::F32))
}

/// The gradient for the input, (B, input, I), from the output's, `dy` (B, output, O).
pub fn conv_input_grad(s: &ConvShape, dy: &[f32], w: &[f32], precision: Precision) -> Buffer {
    in_pool(|| adjoint(Level::of(precision), s, dy, w, None))
}

/// The gradient for the weights, (O, I / groups, kernel).
pub fn conv_weight_grad(s: &ConvShape, x: &[Cells], dy: &[f32], precision: Precision) -> Buffer {
    assert_eq!(dy.len(), s.output_len(), "the output's gradient does not fit its shape");
    in_pool(|| weights(Level::of(precision), s, x, dy))
}

/// The gradient for a bias (C): the sum of `dy` (B, voxels, C) over batch and voxels, in f64.
pub fn bias_grad(dy: &[f32], channels: usize) -> Vec<f32> {
    const VOXELS: usize = 1 << 10;
    let part = |dy: &[f32]| {
        let mut sums = vec![0f64; channels];
        Level::best().run(Sums { dy, sums: &mut sums });
        sums
    };
    let parts: Vec<Vec<f64>> = dy.par_chunks(VOXELS * channels).map(part).collect();
    (0..channels).map(|channel| parts.iter().map(|part| part[channel]).sum::<f64>() as f32).collect()
}

/// Sums over voxels, a channel each.
struct Sums<'a> {
    dy: &'a [f32],
    sums: &'a mut [f64],
}

impl Job for Sums<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for voxel in self.dy.chunks_exact(self.sums.len()) {
            self.sums.iter_mut().zip(voxel).for_each(|(sum, &dy)| *sum += f64::from(dy));
        }
    }
}

/// The transposed convolution (B, output, O) -> (B, input, I) of the convolution `s`; `w` is (O, I / groups, kernel), `bias` (I).
/// An output padding is part of `s.input`.
pub fn conv_transpose_forward(s: &ConvShape, x: &[f32], w: &[f32], bias: Option<&[f32]>, precision: Precision) -> Buffer {
    in_pool(|| adjoint(Level::of(precision), s, x, w, bias))
}

/// The gradient of [`conv_transpose_forward`] for its input, (B, output, O), from `dy` (B, input, I).
pub fn conv_transpose_input_grad(s: &ConvShape, dy: &[f32], w: &[f32], precision: Precision) -> Buffer {
    conv_forward(s, &[Cells::whole(dy, s.input_channels)], w, None, false, precision)
}

/// The gradient of [`conv_transpose_forward`] for its weights, (O, I / groups, kernel), from its input `x` (B, output, O) and `dy` (B, input, I).
pub fn conv_transpose_weight_grad(s: &ConvShape, x: &[f32], dy: &[f32], precision: Precision) -> Buffer {
    conv_weight_grad(s, &[Cells::whole(dy, s.input_channels)], x, precision)
}

fn assert_fits(s: &ConvShape, x: &[Cells]) {
    let voxels = s.input_len() / s.input_channels.max(1);
    assert_eq!(x.iter().map(|part| part.channels).sum::<usize>(), s.input_channels, "x does not fit its shape");
    let ends = |part: &Cells| voxels == 0 || part.values.len() >= (voxels - 1) * part.step + part.channels;
    assert!(x.iter().all(|part| part.step >= part.channels && ends(part)), "x does not fit its shape");
}

/// As [`conv_weight_grad`], at a level.
pub(super) fn weights(level: Level, s: &ConvShape, x: &[Cells], dy: &[f32]) -> Buffer {
    assert_fits(s, x);
    match winograd::choose(level, s, false) {
        Some(tile) => winograd::weight_grad(level, tile, s, x, dy),
        None => weight_grad::weight_grad(direct(level, s, s.group_inputs()), s, &together(s, x), dy),
    }
}

pub(super) fn forward(level: Level, s: &ConvShape, x: &[Cells], w: &[f32], bias: Option<&[f32]>, fine: bool) -> Buffer {
    assert_fits(s, x);
    assert_eq!(w.len(), s.weight_len(), "the weights do not fit their shape");
    if let Some(tile) = winograd::choose(level, s, fine) {
        return winograd::forward(level, tile, s, false, x, w, bias);
    }
    let (inputs, outputs) = (s.group_inputs(), s.group_outputs());
    let level = direct(level, s, inputs);
    Gather { adjoint: false, level, batch: s.batch, groups: s.groups, inputs, outputs, axes: Axis::forward(s) }.run(&together(s, x), w, bias)
}

pub(super) fn adjoint(level: Level, s: &ConvShape, dy: &[f32], w: &[f32], bias: Option<&[f32]>) -> Buffer {
    assert_eq!(dy.len(), s.output_len(), "the output's gradient does not fit its shape");
    assert_eq!(w.len(), s.weight_len(), "the weights do not fit their shape");
    if let Some(tile) = winograd::choose(level, s, false) {
        return winograd::forward(level, tile, s, true, &[Cells::whole(dy, s.output_channels)], w, bias);
    }
    let (inputs, outputs) = (s.group_outputs(), s.group_inputs());
    let level = direct(level, s, inputs);
    Gather { adjoint: true, level, batch: s.batch, groups: s.groups, inputs, outputs, axes: Axis::adjoint(s) }.run(dy, w, bias)
}

/// The level of a direct convolution that sums over so many channels. A single one has no other to be paired with, and the products of a single
/// tap gain less than rounding their factors takes.
fn direct(level: Level, s: &ConvShape, channels: usize) -> Level {
    if channels == 1 || volume(s.kernel) == 1 { level.exact() } else { level }
}
