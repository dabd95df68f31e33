//! A made-up dataset in nnU-Net's raw form: small enough for a demonstration and for tests, with an organ and lesions to find.
//!
//! Case `k` is drawn from the stream of (seed, k) alone. With `u` the voxel's position in [-1, 1] along each axis, and
//! [`Waves`] `W(u) = sqrt(2/n) sum_j cos(pi f_j.u + p_j)` of random frequencies and phases:
//!
//! - the body is the ellipsoid `|u| < 0.95`;
//! - the organ (label 1) is `|(u - m)/a| + 0.08 W(u) < 1` with its middle `m` and half axes `a` drawn;
//! - lesions (label 2) are balls of 2 to 6 voxels radius whose centres lie in the organ or at its surface, `|(c - m)/a| < 1.02`;
//! - the signal of channel `i` is `S = 30 body`, `90 + 10 i` in the organ and `150 - 20 i` in lesions, each plus `8 W(u)`;
//! - a bias field `B = exp(0.12 W(u))` of low frequency multiplies it;
//! - noise is Rician: `sqrt((S B + s n)^2 + (s n')^2)` with `n`, `n'` standard normal and `s = 8` (Gudbjartsson and Patz 1995).
//!
//! ```
//! use pipeline::phantom::{PhantomSpec, draw};
//! let case = draw(&PhantomSpec { shape: vec![20, 24, 22], ..PhantomSpec::default() }, 0);
//! assert_eq!((case.image.ndim(), case.labels.iter().max()), (4, Some(&2)));
//! ```

mod draw;
mod files;
mod model;
#[cfg(test)]
mod tests;
mod waves;

pub use draw::{PhantomCase, draw};
pub use files::write;
pub use model::{ModelSpec, write_model};
pub use waves::Waves;

use std::ops::RangeInclusive;

/// What to make.
#[derive(Clone, Debug, PartialEq)]
pub struct PhantomSpec {
    /// The dataset's folder name.
    pub dataset: String,
    /// Training cases.
    pub cases: usize,
    /// Test cases; they are drawn as the cases after the training cases.
    pub test_cases: usize,
    /// Voxels, (z, y, x) or (y, x); each axis of a case is up to two voxels longer or shorter.
    pub shape: Vec<usize>,
    /// Spacing in mm along the same axes; that of a case is up to a tenth larger or smaller.
    pub spacing: Vec<f64>,
    /// Lesions a case.
    pub lesions: RangeInclusive<usize>,
    /// Image channels.
    pub channels: usize,
    /// Regions (organ with lesions, and lesions) instead of labels.
    pub regions: bool,
    /// Only every third slice (row in 2D) of the training labels is annotated; the rest holds the ignore label 3.
    pub ignore: bool,
    /// What everything is drawn from.
    pub seed: u64,
}

impl Default for PhantomSpec {
    /// 12 training and 3 test cases of one channel, about (40, 48, 44) voxels of 1 mm.
    fn default() -> Self {
        PhantomSpec {
            dataset: "Dataset999_Phantom".into(),
            cases: 12,
            test_cases: 3,
            shape: vec![40, 48, 44],
            spacing: vec![1.0; 3],
            lesions: 1..=12,
            channels: 1,
            regions: false,
            ignore: false,
            seed: 999,
        }
    }
}

impl PhantomSpec {
    /// Images of one slice, about (96, 88) pixels of 1 mm; else as the default.
    pub fn flat() -> Self {
        PhantomSpec { shape: vec![96, 88], spacing: vec![1.0; 2], ..PhantomSpec::default() }
    }
}
