//! NumPy's numbers, bit by bit: its legacy random generator and its float32 statistics.

mod kfold;
mod random;
mod select;
mod stats;

pub use kfold::kfold;
pub use random::RandomState;
pub use stats::{mean_f32, percentile_linear, std_f32, sum_f32};

#[cfg(test)]
mod reference_tests;
