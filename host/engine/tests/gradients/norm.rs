use crate::common::*;
use engine::Mode;
use plugin_api::{Op, prelude::*};

const SHAPES: [&[usize]; 3] = [&[2, 4, 5], &[2, 4, 3, 2], &[1, 4, 2, 2, 3]];

fn affine(shape: &[usize], channels: usize) -> Vec<Input> {
    vec![random(shape, 1, -2.0, 3.0), random(&[channels], 2, 0.5, 1.5), random(&[channels], 3, -1.0, 1.0)]
}

fn pair(t: &[Tensor]) -> Option<(&Tensor, &Tensor)> {
    t.get(1).zip(t.get(2))
}

#[test]
fn instance_and_group() {
    for shape in SHAPES {
        for with in [false, true] {
            let inputs = || affine(shape, 4).into_iter().take(if with { 3 } else { 1 }).collect();
            check(&format!("instance {shape:?} {with}"), inputs(), |t| t[0].instance_norm(pair(t), 1e-5));
            for groups in [1, 2, 4] {
                check(&format!("group {groups} {shape:?} {with}"), inputs(), move |t| t[0].group_norm(groups, pair(t), 1e-2));
            }
        }
    }
}

#[test]
fn layer() {
    for k in 1..=3 {
        let shape = [2, 3, 2, 3];
        check(&format!("layer over {k}"), vec![random(&shape, 1, -2.0, 3.0)], move |t| t[0].layer_norm(k, None, 1e-5));
        let inner = &shape[4 - k..];
        let inputs = vec![random(&shape, 1, -2.0, 3.0), random(inner, 2, 0.5, 1.5), random(inner, 3, -1.0, 1.0)];
        check(&format!("layer over {k}, affine"), inputs, move |t| t[0].layer_norm(k, pair(t), 1e-5));
    }
}

fn batch_norm(t: &[Tensor]) -> Tensor {
    Tensor::apply(Op::BatchNorm, &[&t[0], &t[1], &t[2], &t[3], &t[4]], &[], &[1e-5, 0.1])
}

fn running() -> Vec<Input> {
    vec![values(&[4], &[0.5, -0.5, 1.0, 0.0]), values(&[4], &[1.0, 2.0, 0.5, 1.5])]
}

#[test]
fn batch() {
    for shape in SHAPES {
        check_with_buffers(&format!("batch {shape:?}"), affine(shape, 4), running(), batch_norm);
    }
}

/// Mean and biased variance of channel `c`, and the number of values.
fn moments(x: &Input, c: usize) -> (f64, f64, f64) {
    let inner: usize = x.0[2..].iter().product();
    let v: Vec<f64> = x.1.iter().enumerate().filter(|(i, _)| i / inner % x.0[1] == c).map(|(_, &v)| f64::from(v)).collect();
    let n = v.len() as f64;
    let mean = v.iter().sum::<f64>() / n;
    (mean, v.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n, n)
}

#[test]
fn batch_statistics_run_in_training_and_are_used_outside() {
    let shape = [2, 4, 3, 2];
    let inputs = affine(&shape, 4);
    let rig = Rig::new(inputs.clone(), running(), batch_norm);
    let normal = |found: &[f32], mean: &[f32], variance: &[f32]| {
        let wanted: Vec<f32> = (0..found.len())
            .map(|i| {
                let c = i / 6 % 4;
                (f64::from(inputs[0].1[i] - mean[c]) / (f64::from(variance[c]) + 1e-5).sqrt()) as f32 * inputs[1].1[c] + inputs[2].1[c]
            })
            .collect();
        distance(found, &wanted)
    };
    // outside training the buffers are used and stay as they are
    assert!(normal(&rig.forward().unwrap().0, &running()[0].1, &running()[1].1) < 1e-5);
    let buffers = |rig: &Rig| rig.model.weights().unwrap().into_iter().filter(|w| !w.trainable).map(|w| w.data).collect::<Vec<_>>();
    rig.step(Mode::Validate, 1).unwrap();
    assert_eq!(buffers(&rig), [running()[0].1.clone(), running()[1].1.clone()]);
    // two steps of training: running = 0.9 running + 0.1 batch, the variance unbiased
    let (mut mean, mut variance) = (running()[0].1.clone(), running()[1].1.clone());
    for _ in 0..2 {
        rig.step(Mode::Train, 1).unwrap();
        for c in 0..4 {
            let (m, v, n) = moments(&inputs[0], c);
            mean[c] = (0.9 * f64::from(mean[c]) + 0.1 * m) as f32;
            variance[c] = (0.9 * f64::from(variance[c]) + 0.1 * v * n / (n - 1.0)) as f32;
        }
        assert!(distance(&buffers(&rig)[0], &mean) < 1e-6 && distance(&buffers(&rig)[1], &variance) < 1e-6);
    }
    assert!(normal(&rig.forward().unwrap().0, &mean, &variance) < 1e-5);
}

#[test]
fn outputs_have_mean_zero_and_variance_one() {
    let x = random(&[1, 2, 4, 4, 4], 5, 100.0, 104.0);
    let (y, shape) = Rig::new(vec![x.clone()], vec![], |t| t[0].instance_norm(None, 1e-5)).forward().unwrap();
    for c in 0..2 {
        let (mean, variance, _) = moments(&x, c);
        let wanted: Vec<f32> = x.1[c * 64..(c + 1) * 64].iter().map(|&v| ((f64::from(v) - mean) / (variance + 1e-5).sqrt()) as f32).collect();
        assert!(distance(&y[c * 64..(c + 1) * 64], &wanted) < 1e-5);
        let (mean, variance, _) = moments(&(shape.clone(), y.clone()), c);
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "{mean} {variance}");
    }
}

/// A norm and the activation behind it are one pass; that changes nothing, whoever else looks at the norm's result.
#[test]
fn activation_behind_a_norm() {
    type Function = fn(&[Tensor]) -> Tensor;
    let together: Function = |t| t[0].instance_norm(pair(t), 1e-5).leaky_relu(0.1);
    let apart: Function = |t| (t[0].instance_norm(pair(t), 1e-5) * 2.0).leaky_relu(0.1) * 0.5;
    let seen: Function = |t| {
        let y = t[0].instance_norm(pair(t), 1e-5);
        y.leaky_relu(0.1) + &y
    };
    let seen_apart: Function = |t| {
        let y = t[0].instance_norm(pair(t), 1e-5);
        (&y * 2.0).leaky_relu(0.1) * 0.5 + y
    };
    for shape in SHAPES {
        for (one, other) in [(together, apart), (seen, seen_apart)] {
            let [one, other] = [one, other].map(|f| {
                let rig = Rig::new(affine(shape, 4), vec![], f);
                (rig.forward().unwrap().0, rig.gradients())
            });
            assert!(distance(&one.0, &other.0) < 1e-6, "{shape:?}");
            for (one, other) in one.1.iter().zip(&other.1) {
                assert!(distance(one, other) < 2e-6, "{shape:?}: {one:?} and {other:?}");
            }
        }
    }
}
