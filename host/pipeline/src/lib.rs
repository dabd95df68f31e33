//! Fingerprint, plan, preprocess, train, predict, evaluate: the way from raw images to scores.

pub mod augment;
pub mod checkpoint;
pub mod dataset;
pub mod error;
pub mod evaluate;
pub mod fingerprint;
pub mod infer;
pub mod json;
pub mod loader;
pub mod paths;
pub mod phantom;
pub mod plan;
pub mod preprocess;
pub mod progress;
pub mod splits;
pub mod train;
