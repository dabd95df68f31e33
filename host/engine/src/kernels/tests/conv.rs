//! The convolution kernels against plain loops in f64.

use super::{Sequence, dot};
use crate::kernels::conv::{adjoint, forward};
use crate::kernels::level::Level;
use crate::kernels::shape::volume;
use crate::kernels::weight_grad::weight_grad;
use crate::kernels::*;

/// Calls `f(output, input, weight)` with the places of every product of a convolution.
fn products(s: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let (inputs, outputs, out, taps) = (s.group_inputs(), s.group_outputs(), s.output(), volume(s.kernel));
    let split = |size: [usize; 3], i: usize| [i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]];
    for (b, o, i) in (0..s.batch).flat_map(|b| (0..s.output_channels).flat_map(move |o| (0..inputs).map(move |i| (b, o, i)))) {
        for tap in 0..taps {
            for p in 0..volume(out) {
                let (t, q) = (split(s.kernel, tap), split(out, p));
                let at: [usize; 3] = std::array::from_fn(|a| (q[a] * s.stride[a] + t[a] * s.dilation[a]).wrapping_sub(s.padding[a]));
                if (0..3).all(|a| at[a] < s.input[a]) {
                    let x = (at[0] * s.input[1] + at[1]) * s.input[2] + at[2];
                    let channel = o / outputs * inputs + i;
                    f(
                        (b * s.output_channels + o) * volume(out) + p,
                        (b * s.input_channels + channel) * volume(s.input) + x,
                        (o * inputs + i) * taps + tap,
                    );
                }
            }
        }
    }
}

/// Shapes that the networks have, and 150 odd ones.
pub(super) fn shapes() -> Vec<ConvShape> {
    let shape = |channels: [usize; 2], input, kernel: [usize; 3], stride| ConvShape {
        batch: 2,
        input_channels: channels[0],
        output_channels: channels[1],
        input,
        kernel,
        stride,
        padding: kernel.map(|k| (k - 1) / 2),
        dilation: [1; 3],
        groups: 1,
    };
    let mut shapes = vec![
        shape([1, 32], [6, 7, 9], [3; 3], [1; 3]),
        shape([32, 32], [5, 9, 14], [3; 3], [1; 3]),
        shape([40, 33], [3, 4, 17], [3; 3], [1, 2, 2]),
        shape([20, 40], [1, 19, 23], [1, 3, 3], [1, 2, 2]),
        shape([17, 3], [6, 5, 11], [1; 3], [1; 3]),
        shape([16, 32], [6, 8, 10], [2; 3], [2; 3]),
        shape([64, 64], [3, 4, 3], [3; 3], [1; 3]),
        shape([8, 8], [1, 40, 300], [1, 3, 3], [1; 3]),
    ];
    let mut sequence = Sequence(0x5eed_cafe);
    while shapes.len() < 158 {
        let groups = [1, 1, 1, 2, 3][sequence.among(0..=4)];
        let flat = sequence.among(0..=3) == 0;
        let mut axes = |flat_value: usize, range: std::ops::RangeInclusive<usize>| {
            let mut axis = |a: usize| if flat && a == 0 { flat_value } else { sequence.among(range.clone()) };
            [axis(0), axis(1), axis(2)]
        };
        let (input, kernel, stride, padding, dilation) = (axes(1, 1..=9), axes(1, 1..=4), axes(1, 1..=3), axes(0, 0..=3), axes(1, 1..=2));
        let channels = |sequence: &mut Sequence| groups * sequence.among(1..=40 / groups);
        let s = ConvShape {
            batch: sequence.among(1..=2),
            input_channels: channels(&mut sequence),
            output_channels: channels(&mut sequence),
            input,
            kernel,
            stride,
            padding,
            dilation,
            groups,
        };
        if volume(s.output()) > 0 {
            shapes.push(s);
        }
    }
    shapes
}

/// Within 1e-5 of the root mean square of the reference plus as much of each value.
fn assert_close(what: &str, s: &ConvShape, level: Level, ours: &[f32], reference: &[f64]) {
    assert_eq!(ours.len(), reference.len());
    let rms = (reference.iter().map(|v| v * v).sum::<f64>() / reference.len() as f64).sqrt();
    for (i, (&ours, &reference)) in ours.iter().zip(reference).enumerate() {
        let apart = (f64::from(ours) - reference).abs();
        assert!(apart <= 1e-5 * (rms + reference.abs()), "{what} at {level:?} of {s:?}, value {i}: {ours}, not {reference}");
    }
}

#[test]
fn convolutions_equal_the_reference_at_every_level() {
    let mut sequence = Sequence(7);
    let levels: Vec<Level> = Level::available().collect();
    eprintln!("levels that this processor runs: {levels:?}");
    for s in shapes() {
        let (x, w, dy) = (sequence.values(s.input_len()), sequence.values(s.weight_len()), sequence.values(s.output_len()));
        let (bias, back_bias) = (sequence.values(s.output_channels), sequence.values(s.input_channels));
        let spread = |bias: &[f32], voxels: usize| -> Vec<f64> {
            (0..s.batch).flat_map(|_| bias).flat_map(|&b| std::iter::repeat_n(f64::from(b), voxels)).collect()
        };
        let mut y = spread(&bias, volume(s.output()));
        let mut dx = vec![0f64; x.len()];
        let mut transposed = spread(&back_bias, volume(s.input));
        let mut dw = vec![0f64; w.len()];
        products(&s, |o, i, k| {
            let (x, w, dy) = (f64::from(x[i]), f64::from(w[k]), f64::from(dy[o]));
            y[o] += x * w;
            dx[i] += dy * w;
            transposed[i] += dy * w;
            dw[k] += dy * x;
        });
        for &level in &levels {
            assert_close("forward", &s, level, &forward(level, &s, &x, &w, Some(&bias)), &y);
            assert_close("input gradient", &s, level, &adjoint(level, &s, &dy, &w, None), &dx);
            assert_close("transposed forward", &s, level, &adjoint(level, &s, &dy, &w, Some(&back_bias)), &transposed);
            assert_close("weight gradient", &s, level, &weight_grad(level, &s, &x, &dy), &dw);
        }
    }
}

#[test]
fn transposed_convolution_is_the_adjoint() {
    // kernel 2, stride 2, and one voxel of output padding, which no tap reaches: it holds the bias
    let s = ConvShape {
        batch: 1,
        input_channels: 5,
        output_channels: 18,
        input: [4, 6, 9],
        kernel: [2; 3],
        stride: [2; 3],
        padding: [0; 3],
        dilation: [1; 3],
        groups: 1,
    };
    let mut sequence = Sequence(11);
    let (x, w, dy) = (sequence.values(s.output_len()), sequence.values(s.weight_len()), sequence.values(s.input_len()));
    let y = conv_transpose_forward(&s, &x, &w, Some(&[0.5; 5]));
    assert_eq!(y[8], 0.5);
    let dx = conv_transpose_input_grad(&s, &dy, &w);
    let dw = conv_transpose_weight_grad(&s, &x, &dy);
    let plain: Vec<f32> = y.iter().map(|y| y - 0.5).collect();
    let expected = dot(&plain, &dy);
    assert!((dot(&x, &dx) - expected).abs() < 1e-4 * expected.abs().max(1.0));
    assert!((dot(&w, &dw) - expected).abs() < 1e-4 * expected.abs().max(1.0));
}

#[test]
fn bias_gradient_sums_batch_and_voxels() {
    let dy: Vec<f32> = (0..2 * 3 * 5).map(|i| i as f32).collect();
    assert_eq!(bias_grad(&dy, 2, 3, 5), [95.0, 145.0, 195.0]);
}
