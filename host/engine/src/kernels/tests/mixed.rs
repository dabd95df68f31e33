//! Convolutions that multiply bf16, against plain loops in f64.

use proptest::prelude::*;

use super::Sequence;
use super::conv::{assert_near, input, products, shape, shapes};
use crate::kernels::ConvShape;
use crate::kernels::conv::{adjoint, forward, weights};
use crate::kernels::level::Level;
use crate::kernels::shape::volume;

/// Gives the level, or says why there is nothing to test.
fn rounded() -> Option<Level> {
    let level = Level::rounded();
    if level.is_none() {
        eprintln!("skipped: this processor has no AVX512-BF16");
    }
    level
}

/// Values that bf16 has: eight bits.
fn short(sequence: &mut Sequence, len: usize) -> Vec<f32> {
    (0..len).map(|_| (sequence.among(0..=256) as f32 - 128.0) / 128.0).collect()
}

/// The results of the three passes, in f64.
fn reference(s: &ConvShape, x: &[f64], w: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
    let (mut y, mut dx, mut dw) = (vec![0f64; dy.len()], vec![0f64; x.len()], vec![0f64; w.len()]);
    products(s, |o, i, k| {
        y[o] += x[i] * w[k];
        dx[i] += dy[o] * w[k];
        dw[k] += dy[o] * x[i];
    });
    [y, dx, dw]
}

fn ours(level: Level, s: &ConvShape, x: &[f32], w: &[f32], dy: &[f32]) -> [Vec<f32>; 3] {
    [forward(level, s, &input(s, x), w, None, false), adjoint(level, s, dy, w, None), weights(level, s, &input(s, x), dy)]
        .map(|values| values.to_vec())
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn sizes(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v.abs())).collect()
}

#[test]
fn what_bf16_has_is_multiplied_exactly() {
    let Some(level) = rounded() else { return };
    let mut sequence = Sequence(23);
    for s in shapes() {
        let [x, w, dy] = [s.input_len(), s.weight_len(), s.output_len()].map(|len| short(&mut sequence, len));
        let expected = reference(&s, &wide(&x), &wide(&w), &wide(&dy));
        for (pass, (ours, expected)) in
            ["forward", "input gradient", "weight gradient"].iter().zip(ours(level, &s, &x, &w, &dy).iter().zip(&expected))
        {
            assert_near(pass, &s, level, ours, expected, 1e-5);
        }
    }
}

#[test]
fn one_channel_and_one_tap_stay_f32() {
    let Some(level) = rounded() else { return };
    let mut sequence = Sequence(29);
    for (s, same) in [
        (shape([1, 32], [4, 5, 6], [3; 3], [2; 3]), [true, false, true]),
        (shape([32, 3], [4, 5, 6], [1; 3], [1; 3]), [true; 3]),
        (shape([32, 64], [4, 5, 6], [3; 3], [2; 3]), [false; 3]),
    ] {
        let [x, w, dy] = [s.input_len(), s.weight_len(), s.output_len()].map(|len| sequence.values(len));
        let (rounded, exact) = (ours(level, &s, &x, &w, &dy), ours(level.exact(), &s, &x, &w, &dy));
        assert_eq!([0, 1, 2].map(|pass| rounded[pass] == exact[pass]), same, "{s:?}");
    }
}

/// Any convolution of a few voxels.
fn any_shape() -> impl Strategy<Value = ConvShape> {
    let axis = || (1usize..=8, 1usize..=3, 1usize..=2, 0usize..=1);
    (1usize..=2, 1usize..=40, 1usize..=40, 1usize..=2, axis(), axis(), axis()).prop_filter_map(
        "the kernel fits",
        |(batch, inputs, outputs, groups, d, h, w)| {
            let s = ConvShape {
                batch,
                input_channels: inputs * groups,
                output_channels: outputs * groups,
                input: [d.0, h.0, w.0],
                kernel: [d.1, h.1, w.1],
                stride: [d.2, h.2, w.2],
                padding: [d.3, h.3, w.3],
                dilation: [1; 3],
                groups,
            };
            (volume(s.output()) > 0).then_some(s)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn products_are_off_by_what_rounding_their_factors_explains(s in any_shape(), seed in 1u64..1 << 40) {
        let Some(level) = rounded() else { return Ok(()) };
        let mut sequence = Sequence(seed);
        let [x, w, dy] = [s.input_len(), s.weight_len(), s.output_len()].map(|len| sequence.values(len));
        let (expected, sizes) = (reference(&s, &wide(&x), &wide(&w), &wide(&dy)), reference(&s, &sizes(&x), &sizes(&w), &sizes(&dy)));
        // each factor is off by 2^-8 of itself at most, a product by twice that; f32 sums add their own
        let part = 2.01 * 2f64.powi(-8);
        for (ours, (expected, sizes)) in ours(level, &s, &x, &w, &dy).iter().zip(expected.iter().zip(&sizes)) {
            for ((&ours, &expected), &size) in ours.iter().zip(expected).zip(sizes) {
                let apart = (f64::from(ours) - expected).abs();
                prop_assert!(apart <= part * size + 1e-6, "{ours}, not {expected}, of {s:?}");
            }
        }
    }
}
