//! Fingerprint, plan, preprocess, train, predict, evaluate: the way from raw images to scores.

pub mod augment;
pub mod checkpoint;
pub mod claim;
pub mod convert;
pub mod crossval;
pub mod dataset;
pub mod diagram;
pub mod doctor;
pub mod ensemble;
pub mod error;
pub mod evaluate;
pub mod fingerprint;
pub mod infer;
pub mod json;
pub mod loader;
pub mod lock;
pub mod memory;
pub mod onnx;
pub mod overlay;
mod own;
pub mod parity;
pub mod paths;
pub mod phantom;
pub mod plan;
pub mod postprocess;
pub mod preprocess;
pub mod progress;
pub mod report;
pub mod select;
pub mod selftest;
pub mod share;
pub mod splits;
mod staging;
pub mod status;
pub mod switch;
#[cfg(test)]
mod test_data;
pub mod train;

/// What a training and a prediction ask for when they begin.
pub const CITATION: &str = "please cite nnU-Net when you publish: Isensee et al., \"nnU-Net: a self-configuring method for deep learning-based \
                            biomedical image segmentation\", Nature Methods 18, 203-211 (2021)";
