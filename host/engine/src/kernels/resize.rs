//! Resizing of volumes with half-pixel centres, as PyTorch's `interpolate` does it; its f32 index arithmetic decides ties, so it is kept.

use rayon::prelude::*;

use super::shape::volume;

/// Values one task works on, about.
const CHUNK: usize = 1 << 14;

/// Nearest neighbour, (rows, input) -> (rows, output): `floor(i * scale)` ("nearest"), or `floor((i + 0.5) * scale)` where `exact` ("nearest-exact").
pub fn resize_nearest(rows: usize, input: [usize; 3], output: [usize; 3], exact: bool, x: &[f32]) -> Vec<f32> {
    resize(rows, input, output, x, |from, to| nearest(from, to, exact))
}

/// The gradient of [`resize_nearest`], (rows, output) -> (rows, input).
pub fn resize_nearest_grad(rows: usize, input: [usize; 3], output: [usize; 3], exact: bool, dy: &[f32]) -> Vec<f32> {
    resize_grad(rows, input, output, dy, |from, to| nearest(from, to, exact))
}

/// (Tri)linear, (rows, input) -> (rows, output); `align_corners` maps corner voxels on corner voxels.
pub fn resize_linear(rows: usize, input: [usize; 3], output: [usize; 3], align_corners: bool, x: &[f32]) -> Vec<f32> {
    resize(rows, input, output, x, |from, to| linear(from, to, align_corners))
}

/// The gradient of [`resize_linear`], (rows, output) -> (rows, input).
pub fn resize_linear_grad(rows: usize, input: [usize; 3], output: [usize; 3], align_corners: bool, dy: &[f32]) -> Vec<f32> {
    resize_grad(rows, input, output, dy, |from, to| linear(from, to, align_corners))
}

/// An output voxel along one axis: `(1 - weight) x[low] + weight x[high]`.
#[derive(Clone, Copy)]
pub(crate) struct Blend {
    pub(crate) low: usize,
    pub(crate) high: usize,
    pub(crate) weight: f32,
}

/// The blends of [`resize_nearest`].
pub(crate) fn nearest(from: usize, to: usize, exact: bool) -> Vec<Blend> {
    let scale = from as f32 / to as f32;
    (0..to)
        .map(|i| {
            let place = if exact { ((i as f64 + 0.5) * f64::from(scale)) as f32 } else { i as f32 * scale };
            let low = (place as usize).min(from - 1);
            Blend { low, high: low, weight: 0.0 }
        })
        .collect()
}

/// The blends of [`resize_linear`].
pub(crate) fn linear(from: usize, to: usize, align_corners: bool) -> Vec<Blend> {
    let scale = match (align_corners, to) {
        (true, 0 | 1) => 0.0,
        (true, _) => (from - 1) as f32 / (to - 1) as f32,
        (false, _) => from as f32 / to as f32,
    };
    (0..to)
        .map(|i| {
            let place = if align_corners { scale * i as f32 } else { (scale * (i as f32 + 0.5) - 0.5).max(0.0) };
            let low = (place as usize).min(from - 1);
            Blend { low, high: (low + 1).min(from - 1), weight: (place - low as f32).clamp(0.0, 1.0) }
        })
        .collect()
}

/// Resizes axis after axis; those that keep their size are left alone.
fn resize(rows: usize, input: [usize; 3], output: [usize; 3], x: &[f32], blends: impl Fn(usize, usize) -> Vec<Blend>) -> Vec<f32> {
    assert_eq!(x.len(), rows * volume(input), "x does not fit its shape");
    let (mut values, mut size) = (x.to_vec(), input);
    for axis in 0..3 {
        if size[axis] != output[axis] && !values.is_empty() {
            let inner = size[axis + 1..].iter().product();
            values = along(&values, size[axis], inner, &blends(size[axis], output[axis]));
            size[axis] = output[axis];
        }
    }
    if x.is_empty() { vec![0.0; rows * volume(output)] } else { values }
}

/// The adjoint of [`resize`]: the same axes, last to first.
fn resize_grad(rows: usize, input: [usize; 3], output: [usize; 3], dy: &[f32], blends: impl Fn(usize, usize) -> Vec<Blend>) -> Vec<f32> {
    assert_eq!(dy.len(), rows * volume(output), "the output's gradient does not fit its shape");
    let (mut values, mut size) = (dy.to_vec(), output);
    for axis in (0..3).rev() {
        if size[axis] != input[axis] && !values.is_empty() {
            let inner = size[axis + 1..].iter().product();
            values = along_adjoint(&values, input[axis], inner, &blends(input[axis], output[axis]));
            size[axis] = input[axis];
        }
    }
    if dy.is_empty() { vec![0.0; rows * volume(input)] } else { values }
}

/// (outer, from, inner) -> (outer, blends, inner).
fn along(x: &[f32], from: usize, inner: usize, blends: &[Blend]) -> Vec<f32> {
    let outer = x.len() / (from * inner);
    let (from, to) = (from * inner, blends.len() * inner);
    let mut y = vec![0.0; outer * to];
    let per_task = (CHUNK / to.max(1)).max(1);
    y.par_chunks_mut(to * per_task).zip(x.par_chunks(from * per_task)).for_each(|(y, x)| {
        for (y, x) in y.chunks_exact_mut(to).zip(x.chunks_exact(from)) {
            for (y, blend) in y.chunks_exact_mut(inner).zip(blends) {
                let (low, high) = (&x[blend.low * inner..][..inner], &x[blend.high * inner..][..inner]);
                for (y, (low, high)) in y.iter_mut().zip(low.iter().zip(high)) {
                    *y = if blend.weight == 0.0 { *low } else { (1.0 - blend.weight) * low + blend.weight * high };
                }
            }
        }
    });
    y
}

/// (outer, blends, inner) -> (outer, from, inner).
fn along_adjoint(dy: &[f32], from: usize, inner: usize, blends: &[Blend]) -> Vec<f32> {
    let (from, to) = (from * inner, blends.len() * inner);
    let mut dx = vec![0.0; dy.len() / to * from];
    let per_task = (CHUNK / to).max(1);
    dx.par_chunks_mut(from * per_task).zip(dy.par_chunks(to * per_task)).for_each(|(dx, dy)| {
        for (dx, dy) in dx.chunks_exact_mut(from).zip(dy.chunks_exact(to)) {
            for (dy, blend) in dy.chunks_exact(inner).zip(blends) {
                for (place, weight) in [(blend.low, 1.0 - blend.weight), (blend.high, blend.weight)] {
                    for (dx, dy) in dx[place * inner..][..inner].iter_mut().zip(dy) {
                        *dx += weight * dy;
                    }
                }
            }
        }
    });
    dx
}
