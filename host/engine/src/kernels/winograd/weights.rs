//! Weights to points, and their gradient back.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::points::Axis;
use super::tile::{POINTS, points};
use crate::kernels::buffer::Buffer;
use crate::kernels::level::{Job, Level};
use crate::kernels::shared::Shared;
use crate::kernels::vector::Vector;

/// Most taps.
const TAPS: usize = 27;
/// Input channels of a task.
const INPUTS: usize = 8;

/// How channels lie in blocks, zeros in the places without a channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channels {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Values of a vector, and input channels of a block.
    pub(super) lanes: usize,
    /// Vectors of a block of output channels.
    pub(super) vectors: usize,
}

impl Channels {
    pub(super) fn new(level: Level, inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, lanes: level.lanes(), vectors: level.vectors(outputs) }
    }

    /// Output channels of a block.
    pub(super) fn width(&self) -> usize {
        self.lanes * self.vectors
    }

    /// Blocks of output channels.
    pub(super) fn output_blocks(&self) -> usize {
        self.outputs.div_ceil(self.width())
    }

    /// Blocks of input channels.
    pub(super) fn input_blocks(&self) -> usize {
        self.inputs.div_ceil(self.lanes)
    }

    /// From one point's weights to the next one's: a line more than they are. Channels are powers of two mostly, and lines that lie a large one apart
    /// push one another out of the caches.
    pub(super) fn weights(&self) -> usize {
        const LINE: usize = 16;
        self.output_blocks() * self.output_block() + LINE
    }

    /// A vector of outputs: its first channel, how many it has, and where it begins among a point's weights.
    fn vector(&self, vector: usize) -> (usize, usize, usize) {
        let first = vector * self.lanes;
        let at = vector / self.vectors * self.output_block() + vector % self.vectors * self.lanes;
        (first, self.outputs.saturating_sub(first).min(self.lanes), at)
    }

    /// Weights of one point and one block of outputs.
    pub(super) fn output_block(&self) -> usize {
        self.input_blocks() * self.lanes * self.width()
    }
}

/// Weights (O, I, taps), or (I, O, taps) with the taps reversed of a convolution's adjoint, as (point, output block, input, output).
pub(super) fn transform<D: Axis, H: Axis, W: Axis>(level: Level, channels: Channels, w: &[f32], adjoint: bool) -> Buffer {
    let mut to = Buffer::take(points::<D, H, W>() * channels.weights());
    each_vector(
        level,
        channels,
        |vector, inputs, to| {
            level.run(Forth::<D, H, W> { channels, w, adjoint, vector, inputs, to, axes: PhantomData });
        },
        &mut to,
    );
    to
}

/// The gradient of weights (O, I, taps) from its points, as [`transform`] lays them; several are added in order.
pub(super) fn back<D: Axis, H: Axis, W: Axis>(level: Level, channels: Channels, parts: &[Buffer], dw: &mut [f32]) {
    each_vector(
        level,
        channels,
        |vector, inputs, to| {
            level.run(Back::<D, H, W> { channels, parts, vector, inputs, to, axes: PhantomData });
        },
        dw,
    );
}

/// A task for each vector of outputs and a few inputs.
fn each_vector(level: Level, channels: Channels, f: impl Fn(usize, Range<usize>, Shared) + Sync, to: &mut [f32]) {
    let to = Shared::new(to);
    let chunks = (channels.input_blocks() * level.lanes()).div_ceil(INPUTS);
    (0..channels.output_blocks() * channels.vectors * chunks).into_par_iter().for_each(|task| {
        let first = task % chunks * INPUTS;
        f(task / chunks, first..(first + INPUTS).min(channels.input_blocks() * level.lanes()), to);
    });
}

struct Forth<'a, D, H, W> {
    channels: Channels,
    w: &'a [f32],
    adjoint: bool,
    vector: usize,
    inputs: Range<usize>,
    to: Shared<'a>,
    axes: PhantomData<(D, H, W)>,
}

impl<D: Axis, H: Axis, W: Axis> Job for Forth<'_, D, H, W> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (c, taps) = (self.channels, D::TAPS * H::TAPS * W::TAPS);
        let (first, live, at) = c.vector(self.vector);
        for input in self.inputs {
            let mut weights = [0f32; TAPS * 16];
            if input < c.inputs {
                for lane in 0..live {
                    let pair = if self.adjoint { input * c.outputs + first + lane } else { (first + lane) * c.inputs + input };
                    for (tap, &w) in self.w[pair * taps..][..taps].iter().enumerate() {
                        weights[if self.adjoint { taps - 1 - tap } else { tap } * V::LANES + lane] = w;
                    }
                }
            }
            // SAFETY: the processor has the instructions; each step writes what the next one reads; this task alone writes
            // this vector of this input.
            unsafe {
                let (mut even, mut odd) = ([MaybeUninit::<V>::uninit(); POINTS], [MaybeUninit::<V>::uninit(); POINTS]);
                let (even, odd) = (even.as_mut_ptr().cast::<V>(), odd.as_mut_ptr().cast::<V>());
                for tap in 0..taps {
                    *even.add(tap) = V::load(weights.as_ptr().add(tap * V::LANES));
                }
                expand::<V, D>(even, odd, 1, H::TAPS * W::TAPS);
                expand::<V, H>(odd, even, D::POINTS, W::TAPS);
                expand::<V, W>(even, odd, D::POINTS * H::POINTS, 1);
                for point in 0..points::<D, H, W>() {
                    (*odd.add(point)).store(self.to.at(point * c.weights() + at + input * c.width()));
                }
            }
        }
    }
}

/// (outer, taps, inner) to (outer, points, inner).
#[inline(always)]
unsafe fn expand<V: Vector, A: Axis>(from: *const V, to: *mut V, outer: usize, inner: usize) {
    // SAFETY: the caller's.
    unsafe {
        for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
            for (p, row) in A::WEIGHTS.iter().enumerate().take(A::POINTS) {
                let mut sum = V::splat(0.0);
                for (t, &weight) in row.iter().enumerate().take(A::TAPS) {
                    sum = sum.add_scaled(*from.add((o * A::TAPS + t) * inner + i), weight);
                }
                *to.add((o * A::POINTS + p) * inner + i) = sum;
            }
        }
    }
}

/// (outer, points, inner) to (outer, taps, inner), the transpose of [`expand`].
#[inline(always)]
unsafe fn contract<V: Vector, A: Axis>(from: *const V, to: *mut V, outer: usize, inner: usize) {
    // SAFETY: the caller's.
    unsafe {
        for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
            for t in 0..A::TAPS {
                let mut sum = V::splat(0.0);
                for (p, row) in A::WEIGHTS.iter().enumerate().take(A::POINTS) {
                    sum = sum.add_scaled(*from.add((o * A::POINTS + p) * inner + i), row[t]);
                }
                *to.add((o * A::TAPS + t) * inner + i) = sum;
            }
        }
    }
}

struct Back<'a, D, H, W> {
    channels: Channels,
    parts: &'a [Buffer],
    vector: usize,
    inputs: Range<usize>,
    to: Shared<'a>,
    axes: PhantomData<(D, H, W)>,
}

impl<D: Axis, H: Axis, W: Axis> Job for Back<'_, D, H, W> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (c, taps) = (self.channels, D::TAPS * H::TAPS * W::TAPS);
        let (first, live, at) = c.vector(self.vector);
        for input in self.inputs.start..self.inputs.end.min(c.inputs) {
            let mut weights = [0f32; TAPS * 16];
            // SAFETY: the processor has the instructions; each step writes what the next one reads; this task alone writes the
            // weights of this input and these outputs.
            unsafe {
                let (mut even, mut odd) = ([MaybeUninit::<V>::uninit(); POINTS], [MaybeUninit::<V>::uninit(); POINTS]);
                let (even, odd) = (even.as_mut_ptr().cast::<V>(), odd.as_mut_ptr().cast::<V>());
                for point in 0..points::<D, H, W>() {
                    let place = point * c.weights() + at + input * c.width();
                    let mut sum = V::splat(0.0);
                    for part in self.parts {
                        sum = sum.add(V::load(part.as_ptr().add(place)));
                    }
                    *even.add(point) = sum;
                }
                contract::<V, W>(even, odd, D::POINTS * H::POINTS, 1);
                contract::<V, H>(odd, even, D::POINTS, W::TAPS);
                contract::<V, D>(even, odd, 1, H::TAPS * W::TAPS);
                for tap in 0..taps {
                    (*odd.add(tap)).store(weights.as_mut_ptr().add(tap * V::LANES));
                }
                for lane in 0..live {
                    let dw = self.to.part(((first + lane) * c.inputs + input) * taps, taps);
                    dw.iter_mut().enumerate().for_each(|(tap, dw)| *dw = weights[tap * V::LANES + lane]);
                }
            }
        }
    }
}
