//! The optimizers against plain f64 arithmetic.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use engine::{Mode, Optimizer, OptimizerSpec};

/// PyTorch's update of one number, in f64.
#[derive(Clone, Default)]
struct Plain {
    slots: [f64; 4],
    steps: i32,
}

impl Plain {
    fn step(&mut self, spec: &OptimizerSpec, w: f64, mut g: f64, lr: f64) -> f64 {
        self.steps += 1;
        match *spec {
            OptimizerSpec::Sgd { momentum, nesterov, weight_decay } => {
                g += weight_decay * w;
                self.slots[0] = if self.steps == 1 { g } else { momentum * self.slots[0] + g };
                w - lr * if nesterov { g + momentum * self.slots[0] } else { self.slots[0] }
            }
            OptimizerSpec::Adam { betas: (b1, b2), eps, weight_decay, decoupled, amsgrad } => {
                let w = if decoupled { w - lr * weight_decay * w } else { w };
                if !decoupled {
                    g += weight_decay * w;
                }
                let [m, v, top, _] = &mut self.slots;
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                *top = if amsgrad { top.max(*v) } else { *v };
                let (c1, c2) = (1.0 - b1.powi(self.steps), 1.0 - b2.powi(self.steps));
                w - lr / c1 * *m / ((*top / c2).sqrt() + eps)
            }
            // algorithm 1 of the paper, with each average divided by the sum of its weights
            OptimizerSpec::Adan { betas: (b1, b2, b3), eps, weight_decay } => {
                let [m, v, n, last] = &mut self.slots;
                let change = if self.steps == 1 { 0.0 } else { g - *last };
                *m = (1.0 - b1) * *m + b1 * g;
                *v = (1.0 - b2) * *v + b2 * change;
                *n = (1.0 - b3) * *n + b3 * (g + (1.0 - b2) * change).powi(2);
                *last = g;
                let sum = |b: f64| 1.0 - (1.0 - b).powi(self.steps);
                let step = lr / ((*n / sum(b3)).sqrt() + eps);
                (w - step * (*m / sum(b1) + (1.0 - b2) * *v / sum(b2))) / (1.0 + lr * weight_decay)
            }
        }
    }
}

/// The weighted sum of cubes, whose gradient is `3 w x^2`; its size falls, so that amsgrad differs from Adam.
fn rig() -> Rig {
    Rig::new(vec![random(&[3, 4], 1, -1.0, 1.0), random(&[5], 2, 0.2, 1.0)], vec![], |t| {
        plugin_api::Tensor::concat(&[&t[0].reshape(&[-1]), &t[1]], 0).powf(3.0)
    })
}

fn values(rig: &Rig) -> Vec<f32> {
    rig.model.weights().unwrap().into_iter().flat_map(|w| w.data).collect()
}

fn gradient(x: &[f64]) -> Vec<f64> {
    x.iter().zip(output_weights(x.len())).map(|(x, w)| 3.0 * f64::from(w) * x * x).collect()
}

/// Five steps; returns the largest distance from f64.
fn compare(spec: OptimizerSpec, lr: f64, clip: Option<f64>) -> f64 {
    let mut rig = rig();
    let mut x: Vec<f64> = values(&rig).iter().map(|&v| f64::from(v)).collect();
    let mut plain = vec![Plain::default(); x.len()];
    let mut optimizer = Optimizer::new(spec.clone());
    let mut worst = 0f64;
    for k in 0..5 {
        let g = gradient(&x);
        let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
        let factor = clip.map_or(1.0, |c| (c / (norm + 1e-6)).min(1.0));
        let lr = lr / f64::from(k + 1);
        for ((x, g), p) in x.iter_mut().zip(g).zip(&mut plain) {
            *x = p.step(&spec, *x, g * factor, lr);
        }
        let step = rig.step(Mode::Train, 0).unwrap();
        let found = optimizer.step(&mut rig.model, step.gradients.unwrap(), lr, clip).unwrap();
        assert!((found - norm).abs() < 1e-5 * norm, "norm {found}, wanted {norm}");
        let wanted: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        worst = worst.max(distance(&values(&rig), &wanted));
    }
    worst
}

fn adam(weight_decay: f64, decoupled: bool, amsgrad: bool) -> OptimizerSpec {
    OptimizerSpec::Adam { betas: (0.9, 0.99), eps: 1e-8, weight_decay, decoupled, amsgrad }
}

#[test]
fn five_steps() {
    let sgd = |momentum: f64, nesterov: bool, weight_decay: f64| OptimizerSpec::Sgd { momentum, nesterov, weight_decay };
    let cases = [
        ("sgd", sgd(0.0, false, 0.0)),
        ("sgd with momentum", sgd(0.9, false, 1e-2)),
        ("nesterov", sgd(0.99, true, 3e-5)),
        ("adam", adam(0.0, false, false)),
        ("adam with L2", adam(1e-2, false, false)),
        ("adamw", adam(1e-1, true, false)),
        ("amsgrad", adam(1e-2, false, true)),
        ("adamw, amsgrad", adam(1e-1, true, true)),
        ("adan", OptimizerSpec::Adan { betas: (0.02, 0.08, 0.01), eps: 1e-8, weight_decay: 0.0 }),
        ("adan with decay", OptimizerSpec::Adan { betas: (0.2, 0.3, 0.1), eps: 1e-8, weight_decay: 1e-1 }),
    ];
    for (name, spec) in cases {
        for clip in [None, Some(0.5), Some(1e3)] {
            let off = compare(spec.clone(), 0.05, clip);
            println!("{name}, clip {clip:?}: {off:.1e}");
            assert!(off < 2e-6, "{name}, clip {clip:?}: off by {off:.1e}");
        }
    }
}

#[test]
fn amsgrad_is_not_adam() {
    let run = |amsgrad: bool| {
        let mut rig = rig();
        let mut optimizer = Optimizer::new(adam(0.0, false, amsgrad));
        for lr in [0.3, 0.1, 0.1] {
            let step = rig.step(Mode::Train, 0).unwrap();
            optimizer.step(&mut rig.model, step.gradients.unwrap(), lr, None).unwrap();
        }
        values(&rig)
    };
    assert!(distance(&run(true), &run(false)) > 1e-4);
}

#[test]
fn a_restored_state_goes_on_alike() {
    for spec in [OptimizerSpec::default(), adam(1e-2, true, true)] {
        let (mut a, mut b) = (rig(), rig());
        let mut first = Optimizer::new(spec.clone());
        let advance = |rig: &mut Rig, optimizer: &mut Optimizer| {
            let step = rig.step(Mode::Train, 0).unwrap();
            optimizer.step(&mut rig.model, step.gradients.unwrap(), 0.05, None).unwrap();
        };
        advance(&mut a, &mut first);
        advance(&mut a, &mut first);
        let (steps, state) = first.state().unwrap();
        assert_eq!(steps, 2);
        let weights: Vec<_> = a.model.weights().unwrap().into_iter().map(|w| (w.name, w.shape, w.data)).collect();
        b.model.load(&weights).unwrap();
        let mut second = Optimizer::new(spec);
        second.restore(&b.model, steps, state.clone()).unwrap();
        advance(&mut a, &mut first);
        advance(&mut b, &mut second);
        assert_eq!(values(&a), values(&b));
        let mut short = state.clone();
        short[0][0].pop();
        let error = second.restore(&b.model, steps, short).unwrap_err().to_string();
        assert!(error.contains("state of p0 has 11 values, the parameter 12"), "{error}");
        let long = [state.clone(), state].concat();
        assert!(second.restore(&b.model, steps, long).unwrap_err().to_string().contains("2 parameters"));
    }
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    let mut rig = Rig::new(vec![common::values(&[2], &[-1.0, 1.0])], vec![], |t| t[0].log());
    let before = values(&rig);
    let mut optimizer = Optimizer::new(OptimizerSpec::default());
    let good = rig.step(Mode::Train, 0).unwrap();
    assert!(good.loss.is_nan());
    // log's gradient is finite; a root's is not
    let mut root = Rig::new(vec![common::values(&[2], &[-1.0, 1.0])], vec![], |t| t[0].sqrt());
    let step = root.step(Mode::Train, 0).unwrap();
    let error = optimizer.step(&mut root.model, step.gradients.unwrap(), 0.01, Some(12.0)).unwrap_err().to_string();
    assert!(error.contains("gradient is not finite (norm NaN)"), "{error}");
    assert_eq!(values(&root), before);
    assert_eq!(optimizer.state().unwrap().0, 0);
    let infinite = Rig::new(vec![common::values(&[1], &[0.0])], vec![], |t| t[0].sqrt());
    let step = infinite.step(Mode::Train, 0).unwrap();
    assert!(optimizer.step(&mut rig.model, step.gradients.unwrap(), 0.01, None).is_err());
}

#[test]
fn a_parameter_without_a_gradient_stays() {
    let mut rig = Rig::new(vec![common::values(&[1], &[2.0]), common::values(&[1], &[3.0])], vec![], |t| t[0].sin());
    let step = rig.step(Mode::Train, 0).unwrap();
    let mut optimizer = Optimizer::new(adam(0.5, true, false));
    optimizer.step(&mut rig.model, step.gradients.unwrap(), 0.01, None).unwrap();
    let after = values(&rig);
    assert!(after[0] != 2.0 && after[1] == 3.0, "{after:?}");
    assert_eq!(optimizer.state().unwrap().1[1], Vec::<Vec<f32>>::new());
}
