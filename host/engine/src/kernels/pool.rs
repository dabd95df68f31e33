//! Max and average pooling over windows, fixed or adaptive.

use std::ops::Range;

use rayon::prelude::*;

use super::shape::volume;

/// A pooling of `rows` (batch times channels) volumes. Axes are (D, H, W).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Batch times channels.
    pub rows: usize,
    /// Voxels of the input.
    pub input: [usize; 3],
    /// Voxels of the window.
    pub kernel: [usize; 3],
    /// Input voxels between neighbouring windows.
    pub stride: [usize; 3],
    /// Voxels added on both sides: minus infinity for the maximum, zero for the average.
    pub padding: [usize; 3],
    /// Voxels of the output, as the rounding that the caller wants makes it.
    pub output: [usize; 3],
}

/// The maximum of each window, (rows, output), and where in its input volume it lies (the first of equals; a NaN wins).
pub fn max_pool(s: &PoolShape, x: &[f32]) -> (Vec<f32>, Vec<u32>) {
    maximum(&Windows::fixed(s), s.rows, x)
}

/// The gradient of [`max_pool`], (rows, input), from `argmax` and `dy`, both (rows, output).
pub fn max_pool_grad(s: &PoolShape, argmax: &[u32], dy: &[f32]) -> Vec<f32> {
    maximum_grad(s.rows, s.input, s.output, argmax, dy)
}

/// The average of each window, (rows, output); the padding counts as voxels where `count_padding`.
pub fn avg_pool(s: &PoolShape, x: &[f32], count_padding: bool) -> Vec<f32> {
    average(&Windows::fixed(s), s.rows, x, count_padding)
}

/// The gradient of [`avg_pool`], (rows, input).
pub fn avg_pool_grad(s: &PoolShape, dy: &[f32], count_padding: bool) -> Vec<f32> {
    average_grad(&Windows::fixed(s), s.rows, dy, count_padding)
}

/// The average of windows that share the input out among `output` voxels, (rows, output).
pub fn adaptive_avg_pool(rows: usize, input: [usize; 3], output: [usize; 3], x: &[f32]) -> Vec<f32> {
    average(&Windows::adaptive(input, output), rows, x, false)
}

/// The gradient of [`adaptive_avg_pool`], (rows, input).
pub fn adaptive_avg_pool_grad(rows: usize, input: [usize; 3], output: [usize; 3], dy: &[f32]) -> Vec<f32> {
    average_grad(&Windows::adaptive(input, output), rows, dy, false)
}

/// The maximum of windows that share the input out among `output` voxels, (rows, output), and where it lies.
pub fn adaptive_max_pool(rows: usize, input: [usize; 3], output: [usize; 3], x: &[f32]) -> (Vec<f32>, Vec<u32>) {
    maximum(&Windows::adaptive(input, output), rows, x)
}

/// The gradient of [`adaptive_max_pool`], (rows, input), from `argmax` and `dy`, both (rows, output).
pub fn adaptive_max_pool_grad(rows: usize, input: [usize; 3], output: [usize; 3], argmax: &[u32], dy: &[f32]) -> Vec<f32> {
    maximum_grad(rows, input, output, argmax, dy)
}

/// A window along one axis: the voxels within the input, and how many it has with the padding.
pub(crate) struct Window {
    pub(crate) inside: Range<usize>,
    pub(crate) padded: usize,
}

/// The windows along (D, H, W).
pub(crate) struct Windows {
    pub(crate) axes: [Vec<Window>; 3],
    pub(crate) input: [usize; 3],
}

impl Windows {
    pub(crate) fn fixed(s: &PoolShape) -> Self {
        let axes = std::array::from_fn(|axis| {
            let (input, pad) = (s.input[axis], s.padding[axis]);
            // in voxels of the padded input
            let window = |i: usize| {
                let start = i * s.stride[axis];
                let end = (start + s.kernel[axis]).min(input + 2 * pad);
                let first = start.saturating_sub(pad).min(input);
                Window { inside: first..end.saturating_sub(pad).clamp(first, input), padded: end.saturating_sub(start) }
            };
            (0..s.output[axis]).map(window).collect()
        });
        Self { axes, input: s.input }
    }

    /// Windows that share the input out among `output` voxels.
    pub(crate) fn adaptive(input: [usize; 3], output: [usize; 3]) -> Self {
        let axes = std::array::from_fn(|axis| {
            let (from, to) = (input[axis], output[axis]);
            let inside = |i: usize| i * from / to..((i + 1) * from).div_ceil(to);
            (0..to).map(|i| Window { padded: inside(i).len(), inside: inside(i) }).collect()
        });
        Self { axes, input }
    }

    /// How many windows there are along each axis.
    pub(crate) fn output(&self) -> [usize; 3] {
        self.axes.each_ref().map(Vec::len)
    }

    /// Calls `f` with the windows of each output voxel, in order.
    fn each(&self, mut f: impl FnMut(usize, [&Window; 3])) {
        let mut index = 0;
        for d in &self.axes[0] {
            for h in &self.axes[1] {
                for w in &self.axes[2] {
                    f(index, [d, h, w]);
                    index += 1;
                }
            }
        }
    }
}

/// The runs of voxels along W that a window covers, as index ranges of the volume.
fn runs(window: [&Window; 3], input: [usize; 3]) -> impl Iterator<Item = Range<usize>> {
    let [d, h, w] = window.map(|axis| axis.inside.clone());
    d.flat_map(move |z| h.clone().map(move |y| (z * input[1] + y) * input[2])).map(move |start| start + w.start..start + w.end)
}

/// What the sum over a window is divided by.
fn divisor(window: [&Window; 3], count_padding: bool) -> f32 {
    window.iter().map(|axis| if count_padding { axis.padded } else { axis.inside.len() }).product::<usize>().max(1) as f32
}

fn maximum(windows: &Windows, rows: usize, x: &[f32]) -> (Vec<f32>, Vec<u32>) {
    let input = windows.input;
    assert_eq!(x.len(), rows * volume(input), "x does not fit its shape");
    assert!(u32::try_from(volume(input)).is_ok(), "a volume of more than 2^32 voxels cannot be max-pooled");
    let mut y = vec![f32::NEG_INFINITY; rows * volume(windows.output())];
    let mut argmax = vec![0; y.len()];
    if x.is_empty() || y.is_empty() {
        return (y, argmax);
    }
    let planes = (y.par_chunks_mut(volume(windows.output())), argmax.par_chunks_mut(volume(windows.output())), x.par_chunks(volume(input)));
    planes.into_par_iter().for_each(|(y, argmax, x)| {
        windows.each(|index, window| {
            let (mut best, mut place) = (f32::NEG_INFINITY, None);
            for run in runs(window, input) {
                for at in run {
                    if place.is_none() || x[at] > best || x[at].is_nan() {
                        (best, place) = (x[at], Some(at));
                    }
                }
            }
            (y[index], argmax[index]) = (best, place.unwrap_or(0) as u32);
        });
    });
    (y, argmax)
}

fn maximum_grad(rows: usize, input: [usize; 3], output: [usize; 3], argmax: &[u32], dy: &[f32]) -> Vec<f32> {
    assert_eq!(dy.len(), rows * volume(output), "the output's gradient does not fit its shape");
    assert_eq!(argmax.len(), dy.len(), "the places of the maxima and the output's gradient differ in length");
    let mut dx = vec![0.0; rows * volume(input)];
    if dx.is_empty() || dy.is_empty() {
        return dx;
    }
    let planes = (dx.par_chunks_mut(volume(input)), argmax.par_chunks(volume(output)), dy.par_chunks(volume(output)));
    planes.into_par_iter().for_each(|(dx, argmax, dy)| {
        for (&at, &dy) in argmax.iter().zip(dy) {
            dx[at as usize] += dy;
        }
    });
    dx
}

fn average(windows: &Windows, rows: usize, x: &[f32], count_padding: bool) -> Vec<f32> {
    let input = windows.input;
    assert_eq!(x.len(), rows * volume(input), "x does not fit its shape");
    let mut y = vec![0.0; rows * volume(windows.output())];
    if x.is_empty() || y.is_empty() {
        return y;
    }
    (y.par_chunks_mut(volume(windows.output())), x.par_chunks(volume(input))).into_par_iter().for_each(|(y, x)| {
        windows.each(|index, window| {
            let total: f64 = runs(window, input).flat_map(|run| &x[run]).map(|&v| f64::from(v)).sum();
            y[index] = (total / f64::from(divisor(window, count_padding))) as f32;
        });
    });
    y
}

fn average_grad(windows: &Windows, rows: usize, dy: &[f32], count_padding: bool) -> Vec<f32> {
    let input = windows.input;
    assert_eq!(dy.len(), rows * volume(windows.output()), "the output's gradient does not fit its shape");
    let mut dx = vec![0.0; rows * volume(input)];
    if dx.is_empty() || dy.is_empty() {
        return dx;
    }
    (dx.par_chunks_mut(volume(input)), dy.par_chunks(volume(windows.output()))).into_par_iter().for_each(|(dx, dy)| {
        windows.each(|index, window| {
            let share = dy[index] / divisor(window, count_padding);
            for run in runs(window, input) {
                for dx in &mut dx[run] {
                    *dx += share;
                }
            }
        });
    });
    dx
}
