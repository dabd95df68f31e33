//! Stochastic gradient descent with momentum, as PyTorch defines it, in one pass over a parameter.

use rayon::prelude::*;

use super::buffer::Buffer;
use super::level::{Job, Level};
use super::vector::Vector;

/// Values of a task.
const TASK: usize = 1 << 14;

/// The settings of a step.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// The gradient is multiplied with this first (clipping).
    pub factor: f32,
    /// Learning rate.
    pub lr: f32,
    /// 0 for none.
    pub momentum: f32,
    /// Nesterov's form.
    pub nesterov: bool,
    /// L2.
    pub weight_decay: f32,
}

impl Sgd {
    /// The new weights and the new momentum from the weights, their gradient and the momentum so far (none before the first step).
    pub fn step(&self, w: &[f32], g: &[f32], momentum: Option<&[f32]>) -> (Buffer, Buffer) {
        assert!(w.len() == g.len() && momentum.is_none_or(|m| m.len() == w.len()), "weights, gradient and momentum differ in length");
        let (mut new_w, mut new_m) = (Buffer::take(w.len()), Buffer::take(w.len()));
        (new_w.par_chunks_mut(TASK), new_m.par_chunks_mut(TASK)).into_par_iter().enumerate().for_each(|(i, (new_w, new_m))| {
            let range = i * TASK..i * TASK + new_w.len();
            match momentum {
                Some(m) => new_m.copy_from_slice(&m[range.clone()]),
                None => new_m.fill(0.0),
            }
            Level::best().run(Step { settings: *self, first: momentum.is_none(), w: &w[range.clone()], g: &g[range], new_w, m: new_m });
        });
        (new_w, new_m)
    }
}

struct Step<'a> {
    settings: Sgd,
    first: bool,
    w: &'a [f32],
    g: &'a [f32],
    new_w: &'a mut [f32],
    m: &'a mut [f32],
}

impl Job for Step<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Sgd { factor, lr, momentum, nesterov, weight_decay } = self.settings;
        let decay = if self.first { 0.0 } else { momentum };
        // the direction is the gradient's part and the momentum's
        let (plain, carried) = if nesterov { (1.0, momentum) } else { (0.0, 1.0) };
        for (((w, g), new_w), m) in self.w.iter().zip(self.g).zip(self.new_w).zip(self.m) {
            let g = factor * g + weight_decay * w;
            *m = decay * *m + g;
            *new_w = w - lr * (plain * g + carried * *m);
        }
    }
}

/// The sum of squares, in f64.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    let part = |x: &[f32]| {
        let mut sum = 0.0;
        Level::best().run(Squares { x, sum: &mut sum });
        sum
    };
    x.par_chunks(TASK).map(part).collect::<Vec<f64>>().iter().sum()
}

struct Squares<'a> {
    x: &'a [f32],
    sum: &'a mut f64,
}

impl Job for Squares<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (whole, rest) = self.x.as_chunks::<16>();
        let mut lanes = [0f64; 16];
        for part in whole {
            for (lane, &v) in lanes.iter_mut().zip(part) {
                *lane += f64::from(v) * f64::from(v);
            }
        }
        *self.sum = lanes.iter().sum::<f64>() + rest.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
    }
}
