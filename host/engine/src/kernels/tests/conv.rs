//! The convolution kernels against plain loops in f64.

use proptest::prelude::*;

use super::{Sequence, at_each_level, dot};
use crate::kernels::axis::Axis;
use crate::kernels::conv::{adjoint, forward, weights};
use crate::kernels::gather::Gather;
use crate::kernels::level::Level;
use crate::kernels::shape::volume;
use crate::kernels::winograd::{self, Tile};
use crate::{device::Precision, kernels::*};

/// Calls `f(output, input, weight)` with the places of every product of a convolution.
pub(super) fn products(s: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
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
                        (b * volume(out) + p) * s.output_channels + o,
                        (b * volume(s.input) + x) * s.input_channels + channel,
                        (o * inputs + i) * taps + tap,
                    );
                }
            }
        }
    }
}

/// The input of a convolution in one piece.
pub(super) fn input<'a>(s: &ConvShape, x: &'a [f32]) -> [Cells<'a>; 1] {
    [Cells::whole(x, s.input_channels)]
}

/// A convolution of two images whose kernel is centred.
pub(super) fn shape(channels: [usize; 2], input: [usize; 3], kernel: [usize; 3], stride: [usize; 3]) -> ConvShape {
    ConvShape {
        batch: 2,
        input_channels: channels[0],
        output_channels: channels[1],
        input,
        kernel,
        stride,
        padding: kernel.map(|k| (k - 1) / 2),
        dilation: [1; 3],
        groups: 1,
    }
}

/// Shapes that the networks have, and 150 odd ones.
pub(super) fn shapes() -> Vec<ConvShape> {
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
    assert_near(what, s, level, ours, reference, 1e-5);
}

/// Within a part of the root mean square of the reference plus as much of each value.
pub(super) fn assert_near(what: &str, s: &ConvShape, level: Level, ours: &[f32], reference: &[f64], part: f64) {
    assert_eq!(ours.len(), reference.len());
    let rms = (reference.iter().map(|v| v * v).sum::<f64>() / reference.len() as f64).sqrt();
    for (i, (&ours, &reference)) in ours.iter().zip(reference).enumerate() {
        let apart = (f64::from(ours) - reference).abs();
        assert!(apart <= part * (rms + reference.abs()), "{what} at {level:?} of {s:?}, value {i}: {ours}, not {reference}");
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
        let spread =
            |bias: &[f32], voxels: usize| -> Vec<f64> { std::iter::repeat_n(bias, s.batch * voxels).flatten().map(|&b| f64::from(b)).collect() };
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
            assert_close("forward", &s, level, &forward(level, &s, &input(&s, &x), &w, Some(&bias), false), &y);
            assert_close("input gradient", &s, level, &adjoint(level, &s, &dy, &w, None), &dx);
            assert_close("transposed forward", &s, level, &adjoint(level, &s, &dy, &w, Some(&back_bias)), &transposed);
            assert_close("weight gradient", &s, level, &weights(level, &s, &input(&s, &x), &dy), &dw);
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
    let y = conv_transpose_forward(&s, &x, &w, Some(&[0.5; 5]), Precision::F32);
    assert_eq!(y[8 * 5], 0.5);
    let dx = conv_transpose_input_grad(&s, &dy, &w, Precision::F32);
    let dw = conv_transpose_weight_grad(&s, &x, &dy, Precision::F32);
    let plain: Vec<f32> = y.iter().map(|y| y - 0.5).collect();
    let expected = dot(&plain, &dy);
    assert!((dot(&x, &dx) - expected).abs() < 1e-4 * expected.abs().max(1.0));
    assert!((dot(&w, &dw) - expected).abs() < 1e-4 * expected.abs().max(1.0));
}

#[test]
fn bias_gradient_sums_batch_and_voxels() {
    let dy: Vec<f32> = (0..2 * 3 * 5).map(|i| i as f32).collect();
    at_each_level(|_| assert_eq!(bias_grad(&dy, 3), [135.0, 145.0, 155.0]));
}

/// A convolution that tiles fit, of odd sizes.
fn tiled() -> impl Strategy<Value = ConvShape> {
    let axis = (1usize..=11, 0usize..=2);
    (1usize..=2, 1usize..=40, 1usize..=40, axis.clone(), axis.clone(), axis, any::<bool>()).prop_filter_map(
        "the kernel fits",
        |(batch, input_channels, output_channels, d, h, w, flat)| {
            let s = ConvShape {
                batch,
                input_channels,
                output_channels,
                input: [d.0, h.0, w.0],
                kernel: [if flat { 1 } else { 3 }, 3, 3],
                stride: [1; 3],
                padding: [if flat { 0 } else { d.1 }, h.1, w.1],
                dilation: [1; 3],
                groups: 1,
            };
            (volume(s.output()) > 0).then_some(s)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn tiles_equal_the_reference_at_every_level(s in tiled(), seed in 1u64..1 << 40) {
        let mut sequence = Sequence(seed);
        let (x, w, dy) = (sequence.values(s.input_len()), sequence.values(s.weight_len()), sequence.values(s.output_len()));
        let bias = sequence.values(s.output_channels);
        let mut y: Vec<f64> = std::iter::repeat_n(&bias, s.batch * volume(s.output())).flatten().map(|&b| f64::from(b)).collect();
        let (mut dx, mut dw) = (vec![0f64; x.len()], vec![0f64; w.len()]);
        products(&s, |o, i, k| {
            let (x, w, dy) = (f64::from(x[i]), f64::from(w[k]), f64::from(dy[o]));
            y[o] += x * w;
            dx[i] += dy * w;
            dw[k] += dy * x;
        });
        for level in Level::available() {
            for &tile in Tile::fitting(&s) {
                let what = |pass: &str| format!("{pass} in tiles {tile:?}");
                assert_near(&what("forward"), &s, level, &winograd::forward(level, tile, &s, false, &input(&s, &x), &w, Some(&bias)), &y, 3e-5);
                assert_near(&what("input gradient"), &s, level, &winograd::forward(level, tile, &s, true, &[Cells::whole(&dy, s.output_channels)], &w, None), &dx, 3e-5);
                assert_near(&what("weight gradient"), &s, level, &winograd::weight_grad(level, tile, &s, &input(&s, &x), &dy), &dw, 3e-5);
            }
        }
    }
}

/// Channels of a few voxels each, one part a piece of memory of its own with a gap behind each voxel.
fn apart(x: &[f32], all: usize, parts: &[usize]) -> Vec<(Vec<f32>, usize, usize)> {
    let mut first = 0;
    let mut cut = |&channels: &usize| {
        let (step, start) = (channels + first % 3, first);
        first += channels;
        let mut values: Vec<f32> =
            x.chunks_exact(all).flat_map(|voxel| voxel[start..first].iter().copied().chain(std::iter::repeat_n(f32::NAN, step - channels))).collect();
        values.truncate(values.len() - (step - channels));
        (values, step, channels)
    };
    parts.iter().map(&mut cut).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn channels_in_several_places_give_the_same_bits(s in tiled(), cuts in prop::collection::vec(1usize..40, 0..4), seed in 1u64..1 << 40) {
        let mut parts: Vec<usize> = cuts;
        let last = s.input_channels;
        let s = ConvShape { input_channels: parts.iter().sum::<usize>() + last, ..s };
        parts.push(last);
        let mut sequence = Sequence(seed);
        let (x, w, dy) = (sequence.values(s.input_len()), sequence.values(s.weight_len()), sequence.values(s.output_len()));
        let parts = apart(&x, s.input_channels, &parts);
        let cells: Vec<Cells> = parts.iter().map(|(values, step, channels)| Cells { values, step: *step, channels: *channels }).collect();
        for level in Level::available() {
            prop_assert_eq!(&forward(level, &s, &cells, &w, None, false)[..], &forward(level, &s, &input(&s, &x), &w, None, false)[..]);
            prop_assert_eq!(&weights(level, &s, &cells, &dy)[..], &weights(level, &s, &input(&s, &x), &dy)[..]);
            for &tile in Tile::fitting(&s) {
                let ways = [&cells[..], &input(&s, &x)].map(|x| winograd::forward(level, tile, &s, false, x, &w, None));
                prop_assert_eq!(&ways[0][..], &ways[1][..]);
                let ways = [&cells[..], &input(&s, &x)].map(|x| winograd::weight_grad(level, tile, &s, x, &dy));
                prop_assert_eq!(&ways[0][..], &ways[1][..]);
            }
        }
    }
}

#[test]
fn fine_tiles_are_about_as_exact_as_the_direct_way() {
    let s = shape([32, 32], [8, 12, 12], [3; 3], [1; 3]);
    let mut sequence = Sequence(31);
    let (x, w) = (sequence.values(s.input_len()), sequence.values(s.weight_len()));
    let mut expected = vec![0f64; s.output_len()];
    products(&s, |o, i, k| expected[o] += f64::from(x[i]) * f64::from(w[k]));
    let root = |squares: f64| (squares / expected.len() as f64).sqrt();
    let rms = root(expected.iter().map(|y| y * y).sum());
    let off = |ours: &[f32]| root(ours.iter().zip(&expected).map(|(&o, &e)| (f64::from(o) - e).powi(2)).sum()) / rms;
    let direct = off(
        &Gather { adjoint: false, level: Level::best(), batch: 2, groups: 1, inputs: 32, outputs: 32, axes: Axis::forward(&s) }.run(&x, &w, None)
    );
    println!("direct {direct:.1e}");
    for &tile in Tile::fitting(&s) {
        let off = off(&winograd::forward(Level::best(), tile, &s, false, &input(&s, &x), &w, None));
        println!("{tile:?} {off:.1e}");
        let most = if tile.fine() { 1.2 * direct } else { 8.0 * direct };
        assert!(off < most, "{tile:?} is off by {off:.1e}, the direct way by {direct:.1e}");
    }
}

#[test]
fn tiles_are_chosen_by_cost() {
    // the layers of a plan with patch 40x56x40, finest first
    let level = Level::best();
    let chosen = |s: &ConvShape| (winograd::choose(level, s, false), winograd::choose(level, s, true));
    assert_eq!(chosen(&shape([1, 32], [40, 56, 40], [3; 3], [1; 3])), (None, None));
    assert_eq!(chosen(&shape([32, 32], [40, 56, 40], [3; 3], [1; 3])), (Some(Tile::T444), Some(Tile::T222)));
    assert_eq!(chosen(&shape([32, 64], [40, 56, 40], [3; 3], [2; 3])), (None, None));
    assert_eq!(chosen(&shape([128, 64], [20, 28, 20], [3; 3], [1; 3])).0, Some(Tile::T444));
    assert_eq!(chosen(&shape([32, 32], [1, 256, 256], [1, 3, 3], [1; 3])), (Some(Tile::T144), Some(Tile::T122)));
    assert_eq!(chosen(&shape([256, 256], [2, 3, 2], [3; 3], [1; 3])), (None, None));
}
