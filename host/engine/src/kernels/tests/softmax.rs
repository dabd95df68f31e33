//! Softmax and its logarithm against f64; what is picked and put back; a step of SGD.

use super::{Sequence, at_each_level};
use crate::kernels::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn softmax_and_its_gradient_equal_the_reference(
        (outer, n, inner) in prop_oneof![(0usize..4, 1usize..6, 0usize..1100), (1usize..4, 30usize..50, 1usize..3)],
        seed in 1u64..1 << 40,
    ) {
        let mut sequence = Sequence(seed);
        let middle = Middle { outer, n, inner };
        let x: Vec<f32> = sequence.values(outer * n * inner).iter().map(|v| 30.0 * v).collect();
        let dy = sequence.values(x.len());
        at_each_level(|_| softmax_equals_the_reference(&middle, &x, &dy));
    }
}

fn softmax_equals_the_reference(middle: &Middle, x: &[f32], dy: &[f32]) {
    let Middle { outer, n, inner } = *middle;
    let (y, log) = (middle.softmax(x, false), middle.softmax(x, true));
    let (dx, dx_log) = (middle.softmax_grad(&y, dy, false), middle.softmax_grad(&log, dy, true));
    for o in 0..outer {
        for p in 0..inner {
            let at = |i: usize| (o * n + i) * inner + p;
            let wide = |v: &[f32], i: usize| f64::from(v[at(i)]);
            let sum: f64 = (0..n).map(|i| wide(x, i).exp()).sum();
            let of = |i: usize| wide(x, i).exp() / sum;
            let (product, plain): (f64, f64) = ((0..n).map(|i| wide(dy, i) * of(i)).sum(), (0..n).map(|i| wide(dy, i)).sum());
            for i in 0..n {
                assert!((wide(&y, i) - of(i)).abs() < 1e-6, "{}, not {}", y[at(i)], of(i));
                assert!((wide(&log, i) - of(i).ln()).abs() < 1e-5, "{}, not {}", log[at(i)], of(i).ln());
                assert!((wide(&dx, i) - of(i) * (wide(dy, i) - product)).abs() < 2e-6);
                assert!((wide(&dx_log, i) - (wide(dy, i) - of(i) * plain)).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn logits_far_apart_stay_finite() {
    let middle = Middle { outer: 1, n: 3, inner: 1 };
    let x = [1e4, -1e4, 0.0];
    assert_eq!(middle.softmax(&x, true)[..], [0.0, -2e4, -1e4]);
    assert_eq!(middle.softmax(&x, false)[0], 1.0);
    assert_eq!(middle.softmax_grad(&middle.softmax(&x, true), &[0.0; 3], true)[..], [0.0; 3]);
}

#[test]
fn picked_and_put_back() {
    let around = Middle::of(&[2, 3, 5000], 1);
    let x = Sequence(7).values(30_000);
    let index: Vec<i32> = (0..20_000).map(|i| i * 7 % 3).collect();
    let (y, back) = (around.pick(&x, &index), around.put(Some(&x), &Sequence(8).values(20_000), &index));
    let mut wanted = x.clone();
    for (i, from) in Sequence(8).values(20_000).into_iter().enumerate() {
        let (o, p) = (i / 10_000, i % 5000);
        let at = (o * 3 + index[i] as usize) * 5000 + p;
        assert_eq!(y[i], x[at]);
        wanted[at] += from;
    }
    assert_eq!(back[..], wanted[..]);
    assert_eq!(around.put(None, &y, &index).iter().filter(|v| **v != 0.0).count(), index.len() - twice(&index));
    assert!(Middle::of(&[2, 3, 0], 1).pick(&[], &[]).is_empty() && Middle::of(&[0, 3, 4], 1).put(None, &[], &[]).is_empty());
}

/// Places that both rows of an index name.
fn twice(index: &[i32]) -> usize {
    index.chunks(10_000).map(|both| (0..5000).filter(|&p| both[p] == both[5000 + p]).count()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn squares_and_steps(len in prop_oneof![0usize..40, 60_000usize..70_000], nesterov: bool, first: bool, seed in 1u64..1 << 40) {
        let mut sequence = Sequence(seed);
        let [w, g, m] = [(); 3].map(|()| sequence.values(len));
        let sgd = Sgd { factor: 0.5, lr: 0.1, momentum: 0.9, nesterov, weight_decay: 0.01 };
        let squares: f64 = g.iter().map(|&g| f64::from(g).powi(2)).sum();
        at_each_level(|level| {
            assert!((sum_of_squares(&g) - squares).abs() <= 1e-6 * squares, "at {level:?}");
            let (new_w, new_m) = sgd.step(&w, &g, (!first).then_some(&m));
            for i in 0..len {
                let [w, g, m] = [w[i], g[i], m[i]].map(f64::from);
                let g = 0.5 * g + 0.01 * w;
                let m = if first { g } else { 0.9 * m + g };
                let wanted = w - 0.1 * if nesterov { g + 0.9 * m } else { m };
                assert!((f64::from(new_m[i]) - m).abs() < 1e-6 && (f64::from(new_w[i]) - wanted).abs() < 1e-6, "value {i} at {level:?}");
            }
        });
    }
}
