//! Pooling.

use super::{Sequence, assert_adjoint};
use crate::kernels::shape::volume;
use crate::kernels::*;

/// Odd shapes; the output is rounded down, or up with the last window starting inside.
fn shapes() -> Vec<PoolShape> {
    let mut sequence = Sequence(99);
    let mut shapes = Vec::new();
    while shapes.len() < 60 {
        let mut axes = |range: std::ops::RangeInclusive<usize>| [0; 3].map(|_| sequence.among(range.clone()));
        let (input, kernel, stride) = (axes(1..=9), axes(1..=4), axes(1..=3));
        let padding = kernel.map(|k| k / 2);
        let up = axes(0..=1)[0] == 1;
        if (0..3).any(|a| input[a] + 2 * padding[a] < kernel[a]) {
            continue;
        }
        let output = std::array::from_fn(|a| {
            let room = input[a] + 2 * padding[a] - kernel[a];
            let rounded = if up { room.div_ceil(stride[a]) } else { room / stride[a] };
            if up && rounded * stride[a] >= input[a] + padding[a] { rounded } else { rounded + 1 }
        });
        shapes.push(PoolShape { rows: 3, input, kernel, stride, padding, output });
    }
    shapes
}

/// Calls `f(output voxel, padded voxels, inside voxels)` for each window.
fn windows(s: &PoolShape, mut f: impl FnMut(usize, usize, &[usize])) {
    for o in 0..volume(s.output) {
        let place = [o / (s.output[1] * s.output[2]), o / s.output[2] % s.output[1], o % s.output[2]];
        let (mut padded, mut inside) = (0, Vec::new());
        for k in 0..volume(s.kernel) {
            let tap = [k / (s.kernel[1] * s.kernel[2]), k / s.kernel[2] % s.kernel[1], k % s.kernel[2]];
            let at: [usize; 3] = std::array::from_fn(|a| place[a] * s.stride[a] + tap[a]);
            padded += usize::from((0..3).all(|a| at[a] < s.input[a] + 2 * s.padding[a]));
            if (0..3).all(|a| (s.padding[a]..s.input[a] + s.padding[a]).contains(&at[a])) {
                let [z, y, x]: [usize; 3] = std::array::from_fn(|a| at[a] - s.padding[a]);
                inside.push((z * s.input[1] + y) * s.input[2] + x);
            }
        }
        f(o, padded, &inside);
    }
}

#[test]
fn fixed_windows_equal_the_reference() {
    let mut sequence = Sequence(1);
    for s in shapes() {
        let (x, dy) = (sequence.values(s.rows * volume(s.input)), sequence.values(s.rows * volume(s.output)));
        let (maxima, places) = max_pool(&s, &x);
        let averages = [false, true].map(|count_padding| avg_pool(&s, &x, count_padding));
        for row in 0..s.rows {
            let x = &x[row * volume(s.input)..];
            windows(&s, |o, padded, inside| {
                let o = row * volume(s.output) + o;
                let best = inside.iter().copied().reduce(|a, b| if x[b] > x[a] { b } else { a }).unwrap();
                assert_eq!((maxima[o], places[o] as usize), (x[best], best), "{s:?}");
                let total: f64 = inside.iter().map(|&i| f64::from(x[i])).sum();
                for (average, count) in averages.iter().zip([inside.len(), padded]) {
                    assert!((f64::from(average[o]) - total / count as f64).abs() < 1e-6, "{s:?}");
                }
            });
        }
        // the maximum is linear while its places stay
        assert_adjoint("max_pool", &x, &maxima, &max_pool_grad(&s, &places, &dy), &dy);
        for (average, count_padding) in averages.iter().zip([false, true]) {
            assert_adjoint("avg_pool", &x, average, &avg_pool_grad(&s, &dy, count_padding), &dy);
        }
    }
}

#[test]
fn adaptive_windows_share_the_input_out() {
    let mut sequence = Sequence(2);
    for _ in 0..40 {
        let (input, output) = ([0; 3].map(|_| sequence.among(1..=9)), [0; 3].map(|_| sequence.among(1..=6)));
        let (x, dy) = (sequence.values(2 * volume(input)), sequence.values(2 * volume(output)));
        let average = adaptive_avg_pool(2, input, output, &x);
        let (maxima, places) = adaptive_max_pool(2, input, output, &x);
        for row in 0..2 {
            for o in 0..volume(output) {
                let place = [o / (output[1] * output[2]), o / output[2] % output[1], o % output[2]];
                let range = |a: usize| place[a] * input[a] / output[a]..((place[a] + 1) * input[a]).div_ceil(output[a]);
                let (mut total, mut count, mut best) = (0.0, 0.0, f32::NEG_INFINITY);
                for (z, y) in range(0).flat_map(|z| range(1).map(move |y| (z, y))) {
                    for v in range(2).map(|w| x[row * volume(input) + (z * input[1] + y) * input[2] + w]) {
                        (total, count, best) = (total + f64::from(v), count + 1.0, best.max(v));
                    }
                }
                let o = row * volume(output) + o;
                assert!((f64::from(average[o]) - total / count).abs() < 1e-6);
                assert_eq!((maxima[o], x[row * volume(input) + places[o] as usize]), (best, best));
            }
        }
        assert_adjoint("adaptive_avg_pool", &x, &average, &adaptive_avg_pool_grad(2, input, output, &dy), &dy);
        assert_adjoint("adaptive_max_pool", &x, &maxima, &adaptive_max_pool_grad(2, input, output, &places, &dy), &dy);
    }
}

#[test]
fn a_nan_wins_and_of_equals_the_first() {
    let s = PoolShape { rows: 1, input: [1, 1, 4], kernel: [1, 1, 2], stride: [1, 1, 2], padding: [0; 3], output: [1, 1, 2] };
    let (y, places) = max_pool(&s, &[5.0, 5.0, f32::NAN, 9.0]);
    assert_eq!((y[0], y[1].is_nan(), &places[..]), (5.0, true, &[0, 2][..]));
}
