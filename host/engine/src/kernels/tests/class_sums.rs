//! Sums a class and their gradient against f64, at every level.

use super::{Sequence, at_each_level};
use crate::kernels::*;
use proptest::prelude::*;

/// The four sums of a class, (B, C, 4), in f64, of logits (B, voxels, C).
fn reference(x: &[f64], labels: &[i32], weights: &[f64], batch: usize, classes: usize) -> Vec<f64> {
    let mut sums = vec![0f64; batch * classes * 4];
    let voxels = labels.len() / batch;
    for (voxel, x) in x.chunks(classes).enumerate() {
        let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = x.iter().map(|x| (x - top).exp()).sum();
        for (class, x) in x.iter().enumerate() {
            let log_p = x - top - total.ln();
            let own = if labels[voxel] as usize == class { 1.0 } else { 0.0 };
            let at = (voxel / voxels * classes + class) * 4;
            for (sum, value) in sums[at..at + 4].iter_mut().zip([own * log_p.exp(), log_p.exp(), own, -own * log_p]) {
                *sum += weights[voxel] * value;
            }
        }
    }
    sums
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// Voxels that lie `gap` values further apart than they are long.
fn spaced(x: &[f32], classes: usize, gap: usize) -> Vec<f32> {
    x.chunks(classes).flat_map(|voxel| voxel.iter().copied().chain(std::iter::repeat_n(f32::NAN, gap))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn sums_of_classes_and_their_gradient_equal_the_reference(
        (batch, classes, voxels) in prop_oneof![(1usize..4, 1usize..6, 1usize..1200), (1usize..3, 250usize..300, 1usize..40)],
        gap in 0usize..3,
        weighted: bool,
        seed in 1u64..1 << 40,
    ) {
        let mut sequence = Sequence(seed);
        let x: Vec<f32> = sequence.values(batch * voxels * classes).iter().map(|v| 8.0 * v).collect();
        let labels: Vec<i32> = (0..batch * voxels).map(|_| sequence.among(0..=classes - 1) as i32).collect();
        let weights: Vec<f32> = sequence.values(labels.len()).iter().map(|v| v.abs()).collect();
        let g = sequence.values(batch * classes * 4);
        let spaced = spaced(&x, classes, gap);
        let logits = Cells { values: &spaced, step: classes + gap, channels: classes };
        let of = ClassSums { batch, logits, labels: &labels, weights: weighted.then_some(&weights) };
        let counts = if weighted { wide(&weights) } else { vec![1.0; labels.len()] };
        let wanted = reference(&wide(&x), &labels, &counts, batch, classes);
        let slope = |at: usize| {
            let moved = |by: f64| -> f64 {
                let mut x = wide(&x);
                x[at] += by;
                reference(&x, &labels, &counts, batch, classes).iter().zip(&g).map(|(sum, &g)| sum * f64::from(g)).sum()
            };
            (moved(1e-4) - moved(-1e-4)) / 2e-4
        };
        let slopes: Vec<(usize, f64)> = (0..x.len()).step_by(x.len() / 5 + 1).map(|at| (at, slope(at))).collect();
        at_each_level(|level| {
            for (sum, wanted) in of.sums().iter().zip(&wanted) {
                assert!((f64::from(*sum) - wanted).abs() <= 2e-6 * (1.0 + wanted.abs()), "{sum} at {level:?}, not {wanted}");
            }
            let dx = of.grad(&g);
            for &(at, slope) in &slopes {
                assert!((f64::from(dx[at]) - slope).abs() < 2e-6, "{} at {level:?}, not {slope}", dx[at]);
            }
        });
    }
}

#[test]
fn logits_far_apart_stay_finite() {
    let x = [1e4, -1e4, 0.0];
    let of = |label: &'static [i32; 1]| ClassSums { batch: 1, logits: Cells::whole(&x, 3), labels: label, weights: None };
    // what is as good as zero is e^-87
    let near = |found: &[f32], wanted: &[f32]| assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-37), "{found:?}, not {wanted:?}");
    near(&of(&[0]).sums(), &[1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    near(&of(&[1]).sums()[4..8], &[0.0, 0.0, 1.0, 2e4]);
    near(&of(&[1]).grad(&[1.0; 12]), &[1.0, -1.0, 0.0]);
}
