//! Resizing.

use super::{Sequence, assert_adjoint};
use crate::kernels::shape::volume;
use crate::kernels::*;

/// The linear weights of an output voxel along one axis, in f64.
fn blend(from: usize, to: usize, align_corners: bool, i: usize) -> (usize, usize, f64) {
    let place = match (align_corners, to) {
        (true, 1) => 0.0,
        (true, _) => i as f64 * (from - 1) as f64 / (to - 1) as f64,
        (false, _) => ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0),
    };
    let low = (place as usize).min(from - 1);
    (low, (low + 1).min(from - 1), place - low as f64)
}

#[test]
fn linear_equals_the_reference() {
    let mut sequence = Sequence(8);
    for case in 0..60 {
        let align_corners = case % 2 == 0;
        let (input, output) = ([0; 3].map(|_| sequence.among(1..=8)), [0; 3].map(|_| sequence.among(1..=11)));
        let (x, dy) = (sequence.values(2 * volume(input)), sequence.values(2 * volume(output)));
        let y = resize_linear(2, input, output, align_corners, &x);
        for (i, y) in y.iter().enumerate() {
            let (row, o) = (i / volume(output), i % volume(output));
            let place = [o / (output[1] * output[2]), o / output[2] % output[1], o % output[2]];
            let axes: [_; 3] = std::array::from_fn(|a| blend(input[a], output[a], align_corners, place[a]));
            let mut exact = 0.0;
            for corner in 0..8 {
                let pick = |a: usize| if corner >> a & 1 == 0 { (axes[a].0, 1.0 - axes[a].2) } else { (axes[a].1, axes[a].2) };
                let ((d, p), (h, q), (w, r)) = (pick(0), pick(1), pick(2));
                exact += p * q * r * f64::from(x[row * volume(input) + (d * input[1] + h) * input[2] + w]);
            }
            assert!((f64::from(*y) - exact).abs() < 5e-6, "{input:?} to {output:?}: {y}, not {exact}");
        }
        assert_adjoint("resize_linear", &x, &y, &resize_linear_grad(2, input, output, align_corners, &dy), &dy);
        for exact in [false, true] {
            let y = resize_nearest(2, input, output, exact, &x);
            assert_adjoint("resize_nearest", &x, &y, &resize_nearest_grad(2, input, output, exact, &dy), &dy);
        }
    }
}

#[test]
fn linear_has_half_pixel_centres() {
    let y = resize_linear(1, [1, 1, 4], [1, 1, 8], false, &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(y, [1.0, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.0]);
    let y = resize_linear(1, [1, 3, 1], [1, 5, 1], true, &[0.0, 2.0, 4.0]);
    assert_eq!(y, [0.0, 1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn nearest_takes_the_left_or_the_middle() {
    let x = [0.0, 1.0, 2.0];
    assert_eq!(resize_nearest(1, [1, 1, 3], [1, 1, 5], false, &x), [0.0, 0.0, 1.0, 1.0, 2.0]);
    assert_eq!(resize_nearest(1, [1, 1, 3], [1, 1, 5], true, &x), [0.0, 0.0, 1.0, 2.0, 2.0]);
    assert_eq!(resize_nearest(1, [3, 1, 1], [2, 1, 1], false, &x), [0.0, 1.0]);
    assert_eq!(resize_nearest(1, [3, 1, 1], [2, 1, 1], true, &x), [0.0, 2.0]);
}
