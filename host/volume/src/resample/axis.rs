//! One axis of a volume to another length: spline coefficients, then their weighted sums.

use super::Order;
use ndarray::{Array3, ArrayView2, ArrayView3, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

/// Lines that are worked on side by side, so that the recursion along them fills vector registers.
const LANES: usize = 16;
/// Samples that a cubic spline needs beyond either end of a line.
const PAD: usize = 2;

/// A sample of [`LANES`] lines.
type Sample = [f64; LANES];

/// Where a new sample takes its value from: old samples `first`, `first + 1`, ... with a weight each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taps {
    /// May lie up to [`PAD`] before the first sample.
    pub first: isize,
    /// 1, 2 or 4 of them count, by the order.
    pub weights: [f64; 4],
}

/// The taps of each of `new` samples on an axis of `old` samples.
pub(super) fn taps(old: usize, new: usize, order: Order) -> Vec<Taps> {
    let scale = old as f64 / new as f64;
    let last = old.saturating_sub(1) as f64;
    (0..new)
        .map(|k| {
            let position = (k as f64 + 0.5) * scale - 0.5;
            match order {
                Order::Nearest => Taps { first: (position.clamp(0.0, last) + 0.5).floor() as isize, weights: [1.0, 0.0, 0.0, 0.0] },
                Order::Linear => {
                    let position = position.clamp(0.0, last);
                    let x = position - position.floor();
                    Taps { first: position.floor() as isize, weights: [1.0 - x, x, 0.0, 0.0] }
                }
                Order::Cubic => {
                    let x = position - position.floor();
                    let y = 1.0 - x;
                    let outer = y * y * y / 6.0;
                    let left = (x * x * (x - 2.0) * 3.0 + 4.0) / 6.0;
                    let right = (y * y * (y - 2.0) * 3.0 + 4.0) / 6.0;
                    Taps { first: position.floor() as isize - 1, weights: [outer, left, right, 1.0 - outer - left - right] }
                }
            }
        })
        .collect()
}

/// Resamples `axis` of `volume` (z, y, x) with `taps`; the volume's first sample along it is sample `first` of the taps'.
pub(super) fn resize(volume: ArrayView3<'_, f32>, axis: usize, taps: &[Taps], first: usize, order: Order) -> Array3<f32> {
    let mut shape = volume.raw_dim();
    shape[axis] = taps.len();
    let mut resized = Array3::zeros(shape);
    let taps: Vec<Taps> = taps.iter().map(|taps| Taps { first: taps.first - first as isize, ..*taps }).collect();
    // slabs (axis, lane), with neighbouring lanes side by side in memory where the axis allows
    let slabs = [1, 0, 0][axis];
    let turn = if axis == 2 { [1, 0] } else { [0, 1] };
    resized.axis_iter_mut(Axis(slabs)).into_par_iter().zip(volume.axis_iter(Axis(slabs))).for_each_init(
        <[Vec<Sample>; 2]>::default,
        |lines, (target, source)| {
            let (source, target) = (source.permuted_axes(turn), target.permuted_axes(turn));
            match order {
                Order::Nearest => resize_slab::<1>(source, target, &taps, lines),
                Order::Linear => resize_slab::<2>(source, target, &taps, lines),
                Order::Cubic => resize_slab::<4>(source, target, &taps, lines),
            }
        },
    );
    resized
}

/// Resamples axis 0 of a slab (axis, lane) with `K` taps a sample.
fn resize_slab<const K: usize>(
    source: ArrayView2<'_, f32>,
    mut target: ArrayViewMut2<'_, f32>,
    taps: &[Taps],
    [line, resized]: &mut [Vec<Sample>; 2],
) {
    let (samples, lanes) = source.dim();
    line.resize(samples + 2 * PAD, [0.0; LANES]);
    resized.resize(taps.len(), [0.0; LANES]);
    for start in (0..lanes).step_by(LANES) {
        let block = s![.., start..lanes.min(start + LANES)];
        load(source.slice(block), &mut line[PAD..]);
        if K == 4 {
            to_coefficients(line, samples)
        } else {
            extend(line, samples)
        }
        for (resized, taps) in resized.iter_mut().zip(taps) {
            let first = taps.first.saturating_add_unsigned(PAD).max(0) as usize;
            let mut sum = [0.0; LANES];
            for (sample, &weight) in line[first..first + K].iter().zip(&taps.weights) {
                for (sum, &value) in sum.iter_mut().zip(sample) {
                    *sum += weight * value;
                }
            }
            *resized = sum;
        }
        store(resized, target.slice_mut(block));
    }
}

/// Copies a block (axis, lane) to samples, along whichever of its axes is contiguous.
fn load(block: ArrayView2<'_, f32>, line: &mut [Sample]) {
    if block.strides()[0] == 1 {
        for (lane, column) in block.axis_iter(Axis(1)).enumerate() {
            for (sample, &voxel) in line.iter_mut().zip(column) {
                sample[lane] = f64::from(voxel);
            }
        }
    } else {
        for (sample, row) in line.iter_mut().zip(block.outer_iter()) {
            for (value, &voxel) in sample.iter_mut().zip(row) {
                *value = f64::from(voxel);
            }
        }
    }
}

/// Copies samples to a block (axis, lane), as [`load`] does the other way.
fn store(line: &[Sample], mut block: ArrayViewMut2<'_, f32>) {
    if block.strides()[0] == 1 {
        for (lane, column) in block.axis_iter_mut(Axis(1)).enumerate() {
            for (voxel, sample) in column.into_iter().zip(line) {
                *voxel = sample[lane] as f32;
            }
        }
    } else {
        for (row, sample) in block.outer_iter_mut().zip(line) {
            for (voxel, &value) in row.into_iter().zip(sample) {
                *voxel = value as f32;
            }
        }
    }
}

/// Repeats the first and the last sample beyond the ends.
fn extend(line: &mut [Sample], samples: usize) {
    let (first, last) = (line[PAD], line[PAD + samples - 1]);
    line[..PAD].fill(first);
    line[PAD + samples..].fill(last);
}

/// Turns samples into coefficients of the cubic B-spline through them, and through the outermost ones repeated without end
/// (Unser 1999, box 2, with the boundary sums of a constant).
fn to_coefficients(line: &mut [Sample], samples: usize) {
    let pole = 3f64.sqrt() - 2.0;
    let lanes = |f: &dyn Fn(usize) -> f64| -> Sample { std::array::from_fn(f) };
    let end = PAD + samples - 1;
    for sample in &mut line[PAD..=end] {
        sample.iter_mut().for_each(|value| *value *= 6.0);
    }
    // a constant passes the causal filter as itself / (1 - pole)
    let before = line[PAD].map(|value| value / (1.0 - pole));
    let after = line[end].map(|value| value / (1.0 - pole));
    line[..PAD].fill(before);
    for i in PAD..=end {
        let previous = line[i - 1];
        for (value, previous) in line[i].iter_mut().zip(previous) {
            *value += pole * previous;
        }
    }
    // beyond the end the causal output decays to `after`; so does what the anticausal filter makes of it
    let excess = lanes(&|l| line[end][l] - after[l]);
    for (step, decay) in [1.0, pole, pole * pole].into_iter().enumerate() {
        line[end + step] = lanes(&|l| -pole * (after[l] / (1.0 - pole) + decay * excess[l] / (1.0 - pole * pole)));
    }
    for i in (0..end).rev() {
        let next = line[i + 1];
        for (value, next) in line[i].iter_mut().zip(next) {
            *value = pole * (next - *value);
        }
    }
}
