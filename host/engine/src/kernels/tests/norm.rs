//! Norms and the activation.

use super::{Sequence, at_each_level};
use crate::kernels::*;
use proptest::prelude::*;

/// Means and variances of rows, in f64.
fn moments(x: &[f32], row: usize) -> Vec<(f64, f64)> {
    x.chunks(row)
        .map(|x| {
            let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / row as f64;
            (mean, x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / row as f64)
        })
        .collect()
}

/// The norm's output in f64.
fn reference(x: &[f64], row: usize, voxels: usize, channels: usize, scale: &[f32], shift: &[f32], eps: f64) -> Vec<f64> {
    let mut y = Vec::new();
    for x in x.chunks(row) {
        let mean = x.iter().sum::<f64>() / row as f64;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row as f64;
        for v in x {
            let channel = y.len() / voxels % channels;
            y.push((v - mean) / (variance + eps).sqrt() * f64::from(scale[channel]) + f64::from(shift[channel]));
        }
    }
    y
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn norms_and_their_gradients_equal_the_reference(
        (batch, per_group, groups) in prop_oneof![(1usize..4, 1usize..4, 1usize..5), (1usize..3, 1usize..2, 30usize..40)],
        voxels in 5usize..70,
        seed in 1u64..1 << 40,
    ) {
        at_each_level(|_| norm_equals_the_reference(batch, per_group * groups, voxels, groups, seed));
    }
}

fn norm_equals_the_reference(batch: usize, channels: usize, voxels: usize, groups: usize, seed: u64) {
    let mut sequence = Sequence(seed);
    let len = batch * channels * voxels;
    let (x, dy) = (sequence.values(len), sequence.values(len));
    let (scale, shift) = (sequence.values(channels), sequence.values(channels));
    let norm = Norm { batch, voxels, channels, groups, eps: 1e-5, slope: 1.0 };
    let last = |x: &[f32]| channels_last(x, batch, channels, voxels);
    let first = |x: &[f32]| channels_first(x, batch, channels, voxels);
    let stats = norm.statistics(&last(&x));
    let y = norm.forward(&last(&x), &stats, Some(&scale), Some(&shift));
    let back = norm.backward(&last(&x), &stats, &last(&dy), Some(&scale), Some(&shift));
    let (dx, dscale, dshift) = (first(&back.x), back.scale, back.shift);
    // the activation behind the norm is the norm and then the activation
    let fused = Norm { slope: 0.25, ..norm };
    let active = fused.forward(&last(&x), &stats, Some(&scale), Some(&shift));
    assert!(active[..] == leaky_relu(&y, 0.25)[..]);
    let fused_back = fused.backward(&last(&x), &stats, &last(&dy), Some(&scale), Some(&shift));
    let apart = norm.backward(&last(&x), &stats, &leaky_relu_grad(&y, &last(&dy), 0.25), Some(&scale), Some(&shift));
    assert!(fused_back.x[..] == apart.x[..] && fused_back.scale == apart.scale && fused_back.shift == apart.shift);
    let y = first(&y);
    let row = channels / groups * voxels;
    let wide: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
    let exact = reference(&wide, row, voxels, channels, &scale, &shift, 1e-5);
    for (y, exact) in y.iter().zip(&exact) {
        assert!((f64::from(*y) - exact).abs() < 2e-6, "{y}, not {exact}");
    }
    // dx by central differences of the f64 reference
    for i in (0..len).step_by(7) {
        let moved = |by: f64| {
            let mut wide = wide.clone();
            wide[i] += by;
            let y = reference(&wide, row, voxels, channels, &scale, &shift, 1e-5);
            y.iter().zip(&dy).map(|(y, &dy)| y * f64::from(dy)).sum::<f64>()
        };
        let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((f64::from(dx[i]) - slope).abs() < 1e-5 * (1.0 + slope.abs()), "{}, not {slope}", dx[i]);
    }
    // y = normalised scale + shift
    for channel in 0..channels {
        let (mut plain, mut product) = (0.0, 0.0);
        for (i, dy) in dy.iter().enumerate().filter(|(i, _)| i / voxels % channels == channel) {
            plain += f64::from(*dy);
            product += f64::from(*dy) * (exact[i] - f64::from(shift[channel])) / f64::from(scale[channel]);
        }
        assert!((f64::from(dshift[channel]) - plain).abs() < 1e-5 * (1.0 + plain.abs()));
        assert!((f64::from(dscale[channel]) - product).abs() < 1e-5 * (1.0 + product.abs()));
    }
}

#[test]
fn statistics_of_large_volumes_keep_six_digits() {
    let voxels = 3_000_017;
    let mut sequence = Sequence(5);
    let x: Vec<f32> = sequence.values(voxels).iter().map(|v| 300.0 + v).collect();
    let stats = Norm { batch: 1, voxels, channels: 1, groups: 1, eps: 0.0, slope: 1.0 }.statistics(&x);
    let [(mean, variance)] = moments(&x, voxels)[..] else { panic!("one row") };
    assert!((f64::from(stats.mean[0]) / mean - 1.0).abs() < 1e-7);
    assert!((f64::from(stats.rstd[0]) * variance.sqrt() - 1.0).abs() < 1e-6);
}

#[test]
fn leaky_relu_and_its_gradient() {
    at_each_level(|_| {
        for times in [0, 1, 9, 5000] {
            let x = [-2.0, -0.0, 0.0, 3.0].repeat(times);
            let y = leaky_relu(&x, 0.25);
            assert_eq!(y[..], [-0.5, 0.0, 0.0, 3.0].repeat(times));
            let dy = [1.0, 2.0, 4.0, 8.0].repeat(times);
            assert_eq!(leaky_relu_grad(&y, &dy, 0.25)[..], [0.25, 0.5, 1.0, 8.0].repeat(times));
        }
    });
}
