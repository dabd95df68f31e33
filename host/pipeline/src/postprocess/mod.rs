//! Postprocessing: where a segmentation may only be one piece, the largest component is kept (Isensee et al. 2021,
//! doi 10.1038/s41592-020-01008-z, supplementary note 2).
//!
//! 1. [`determine`] finds out with predictions whose truth is known which steps raise Dice, and writes `postprocessing.pkl`.
//! 2. [`apply`] does these steps on any folder of predictions.

mod apply;
mod determine;
mod file;
mod record;
mod steps;
#[cfg(test)]
mod tests;

pub use apply::apply;
pub use determine::{Determined, Options, Trial, determine};
pub use steps::{KeepLargest, Postprocessing};
