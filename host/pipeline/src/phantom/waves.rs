//! Smooth random functions.

use engine::Random;
use std::f64::consts::{PI, TAU};

/// A sum of cosines of random frequencies and phases: mean 0, variance about 1.
#[derive(Clone, Debug)]
pub struct Waves {
    /// frequencies along z, y, x and phase
    terms: Vec<([f64; 3], f64)>,
}

const TERMS: usize = 6;

impl Waves {
    /// Frequencies are at most `highest` half waves along an axis.
    pub fn new(random: &mut Random, highest: f64) -> Self {
        let mut term = || ([(); 3].map(|()| highest * (2.0 * random.uniform() - 1.0)), TAU * random.uniform());
        Waves { terms: (0..TERMS).map(|_| term()).collect() }
    }

    /// The value at `u`, (z, y, x) in [-1, 1].
    pub fn at(&self, u: [f64; 3]) -> f64 {
        let wave = |(f, phase): &([f64; 3], f64)| (PI * (f[0] * u[0] + f[1] * u[1] + f[2] * u[2]) + phase).cos();
        (2.0 / TERMS as f64).sqrt() * self.terms.iter().map(wave).sum::<f64>()
    }
}
