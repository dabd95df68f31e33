//! The passes of a norm over some voxels, for [`LANES`] channels at a time: their sums and factors stay in registers.

use super::Affine;
use crate::kernels::level::Job;
use crate::kernels::vector::Vector;

/// Channels that are worked on together.
const LANES: usize = 16;

/// Calls `$block::<LANES>` for whole sets of channels and `$block::<1>` for each of the rest.
macro_rules! each_lane_set {
    ($channels:expr, $block:ident $arguments:tt) => {{
        let whole = $channels / LANES * LANES;
        for channel in (0..whole).step_by(LANES) {
            each_lane_set!(@ $block, LANES, channel, $arguments);
        }
        for channel in whole..$channels {
            each_lane_set!(@ $block, 1, channel, $arguments);
        }
    }};
    (@ $block:ident, $n:expr, $channel:ident, ($($argument:expr),*)) => { $block::<{ $n }>($channel, $($argument),*) };
}

/// The values of `N` channels of a voxel.
#[inline(always)]
fn lanes<const N: usize>(voxel: &[f32], channel: usize) -> [f32; N] {
    std::array::from_fn(|i| voxel[channel + i])
}

/// Sums of x and of its squares.
pub(super) struct Moments<'a> {
    pub(super) x: &'a [f32],
    pub(super) channels: usize,
    pub(super) sums: &'a mut [[f64; 2]],
}

impl Job for Moments<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        each_lane_set!(self.channels, moments(self.x, self.channels, self.sums));
    }
}

#[inline(always)]
fn moments<const N: usize>(channel: usize, x: &[f32], channels: usize, sums: &mut [[f64; 2]]) {
    let (mut plain, mut squares) = ([0f64; N], [0f64; N]);
    for voxel in x.chunks_exact(channels) {
        let x = lanes::<N>(voxel, channel);
        for i in 0..N {
            let x = f64::from(x[i]);
            plain[i] += x;
            squares[i] += x * x;
        }
    }
    for i in 0..N {
        sums[channel + i] = [plain[i], squares[i]];
    }
}

/// The norm and the activation.
pub(super) struct Apply<'a> {
    pub(super) x: &'a [f32],
    pub(super) y: &'a mut [f32],
    pub(super) affine: &'a Affine,
    /// The image's first (batch, channel).
    pub(super) at: usize,
    pub(super) channels: usize,
    pub(super) slope: f32,
}

impl Job for Apply<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        each_lane_set!(self.channels, apply(self.x, self.y, self.affine, self.at, self.channels, self.slope));
    }
}

#[inline(always)]
fn apply<const N: usize>(channel: usize, x: &[f32], y: &mut [f32], affine: &Affine, at: usize, channels: usize, slope: f32) {
    let at = at + channel;
    let (mean, factor, shift) = (lanes::<N>(&affine.mean, at), lanes::<N>(&affine.factor, at), lanes::<N>(&affine.shift, at));
    for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
        let (x, y) = (lanes::<N>(x, channel), &mut y[channel..channel + N]);
        for i in 0..N {
            let z = (x[i] - mean[i]) * factor[i] + shift[i];
            y[i] = if z > 0.0 { z } else { slope * z };
        }
    }
}

/// Sums of the gradient before the activation and of its product with x - mean.
pub(super) struct Products<'a> {
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) affine: &'a Affine,
    pub(super) at: usize,
    pub(super) channels: usize,
    pub(super) slope: f32,
    pub(super) sums: &'a mut [[f64; 2]],
}

impl Job for Products<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        each_lane_set!(self.channels, products(self.x, self.dy, self.affine, self.at, self.channels, self.slope, self.sums));
    }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the fields of a job")]
fn products<const N: usize>(channel: usize, x: &[f32], dy: &[f32], affine: &Affine, at: usize, channels: usize, slope: f32, sums: &mut [[f64; 2]]) {
    let at = at + channel;
    let (mean, factor, shift) = (lanes::<N>(&affine.mean, at), lanes::<N>(&affine.factor, at), lanes::<N>(&affine.shift, at));
    let (mut plain, mut product) = ([0f64; N], [0f64; N]);
    for (x, dy) in x.chunks_exact(channels).zip(dy.chunks_exact(channels)) {
        let (x, dy) = (lanes::<N>(x, channel), lanes::<N>(dy, channel));
        for i in 0..N {
            let centred = x[i] - mean[i];
            let dy = f64::from(if centred * factor[i] + shift[i] > 0.0 { dy[i] } else { slope * dy[i] });
            plain[i] += dy;
            product[i] += dy * f64::from(centred);
        }
    }
    for i in 0..N {
        sums[channel + i] = [plain[i], product[i]];
    }
}

/// The input's gradient.
pub(super) struct Back<'a> {
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) dx: &'a mut [f32],
    pub(super) affine: &'a Affine,
    pub(super) factors: &'a [Vec<f32>; 3],
    pub(super) at: usize,
    pub(super) channels: usize,
    pub(super) slope: f32,
}

impl Job for Back<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { x, dy, dx, affine, factors, at, channels, slope } = self;
        each_lane_set!(channels, back(x, dy, dx, affine, factors, at, channels, slope));
    }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the fields of a job")]
fn back<const N: usize>(
    channel: usize,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    affine: &Affine,
    factors: &[Vec<f32>; 3],
    at: usize,
    channels: usize,
    slope: f32,
) {
    let at = at + channel;
    let (mean, factor, shift) = (lanes::<N>(&affine.mean, at), lanes::<N>(&affine.factor, at), lanes::<N>(&affine.shift, at));
    let [a, b, c] = [0, 1, 2].map(|i| lanes::<N>(&factors[i], at));
    for ((x, dy), dx) in x.chunks_exact(channels).zip(dy.chunks_exact(channels)).zip(dx.chunks_exact_mut(channels)) {
        let (x, dy, dx) = (lanes::<N>(x, channel), lanes::<N>(dy, channel), &mut dx[channel..channel + N]);
        for i in 0..N {
            let centred = x[i] - mean[i];
            let dy = if centred * factor[i] + shift[i] > 0.0 { dy[i] } else { slope * dy[i] };
            dx[i] = a[i] * dy - b[i] - c[i] * centred;
        }
    }
}
