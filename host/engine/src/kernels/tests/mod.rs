//! Every kernel against plain loops in f64, its gradient against the definition of the adjoint.

mod class_sums;
mod conv;
mod mixed;
mod norm;
mod pool;
mod resize;
mod softmax;
mod threads;

use crate::kernels::level::Level;
use std::cell::Cell;

thread_local! {
    /// The level that a test wants of this thread.
    static ASKED: Cell<Option<Level>> = const { Cell::new(None) };
}

pub(super) fn asked() -> Option<Level> {
    ASKED.get()
}

/// Runs a test at each level that this processor has, in threads that work at it.
fn at_each_level(test: impl Fn(Level) + Sync) {
    for level in Level::available() {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(2).start_handler(move |_| ASKED.set(Some(level)));
        threads.build().unwrap().install(|| test(level));
    }
}

/// A fixed sequence of numbers, uniform in 0..2^32 (xorshift, Marsaglia 2003).
pub(super) struct Sequence(pub(super) u64);

impl Sequence {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16 & 0xffff_ffff
    }
    pub(super) fn among(&mut self, range: std::ops::RangeInclusive<usize>) -> usize {
        range.start() + self.next() as usize % (range.end() - range.start() + 1)
    }
    pub(super) fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| (self.next() as f64 / 2f64.powi(31) - 1.0) as f32).collect()
    }
}

/// The sum of products, in f64.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Checks `<f(x), dy> = <x, gradient(dy)>`, which a linear `f` and its adjoint hold to.
fn assert_adjoint(what: &str, x: &[f32], y: &[f32], dx: &[f32], dy: &[f32]) {
    let (forward, back) = (dot(y, dy), dot(x, dx));
    let size = (dot(y, y) * dot(dy, dy)).sqrt();
    assert!((forward - back).abs() <= 1e-6 * size, "{what}: {forward} and {back}");
}
