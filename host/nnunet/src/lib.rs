//! Trained models in programs of your own, without the command line.
//!
//! ```
//! use nnunet::{ArrayOptions, ndarray::Array4};
//!
//! # fn main() -> nnunet::Result<()> {
//! # let dir = std::env::temp_dir().join(format!("nnunet-example-{}", std::process::id()));
//! # let folder = dir.as_path();
//! # nnunet::phantom_model(folder)?;
//! // a model folder as `host train` leaves it; the folds that are trained are averaged
//! let model = nnunet::open(folder, "cpu", &[])?;
//! let (channels, spacing) = (1, [1.5, 1.5, 1.5]); // z, y, x in mm
//! let image = Array4::from_shape_fn((channels, 12, 20, 16), |(_, z, y, x)| (z * y + x) as f32);
//! let found = model.predict(image, spacing, &ArrayOptions { probabilities: true, ..ArrayOptions::default() })?;
//! assert_eq!(found.labels.dim(), (12, 20, 16));
//! assert_eq!(found.probabilities.map(|p| p.dim()), Some((2, 12, 20, 16)));
//! # std::fs::remove_dir_all(folder).ok();
//! # Ok(())
//! # }
//! ```
//!
//! Plugins are looked for in `NNUNET_PLUGINS`, beside the running program and in the user's plugin folder, under the same trust as with `host`.
//! C programs have the same in `include/nnunet.h` ([`ffi`]).

pub mod ffi;

pub use engine::Device;
pub use ndarray;
pub use pipeline::{
    error::{Error, Result},
    infer::{ArrayOptions, PredictOptions, Predicted, Segmentation, TrainedModel, trained_folds},
    progress::silent,
    train::Fold,
};

use registry::{Options, Registry};
use std::path::Path;

/// The checkpoint that a finished training leaves.
pub const CHECKPOINT: &str = "checkpoint_final.pth";

/// Opens a model folder on `device` (`cpu`, `cuda`, `cuda:N` or `auto`). The logits of `folds` are averaged; none named means each
/// one that is trained, `fold_all` apart, and that one where there is no other.
///
/// # Errors
/// A device that is not there; a folder without a trained fold; a plugin that the model needs is not installed or not trusted.
pub fn open(folder: &Path, device: &str, folds: &[Fold]) -> Result<TrainedModel> {
    let device = Device::parse(device)?;
    let registry = user_registry()?;
    let folds = if folds.is_empty() { trained(folder)? } else { folds.to_vec() };
    TrainedModel::open(&registry, folder, &folds, CHECKPOINT, &device)
}

fn user_registry() -> Result<Registry> {
    standard::link();
    Ok(Registry::open(Options::of_user(&[])?)?)
}

fn trained(folder: &Path) -> Result<Vec<Fold>> {
    let all = trained_folds(folder, CHECKPOINT)?;
    let numbered: Vec<Fold> = all.iter().filter(|fold| **fold != Fold::All).cloned().collect();
    match (numbered.is_empty(), all.is_empty()) {
        (_, true) => Err(Error::invalid(format!("{}: no fold has a {CHECKPOINT}; train one first", folder.display()))),
        (true, false) => Ok(all),
        (false, _) => Ok(numbered),
    }
}

/// A model folder with a small network that was never trained, for examples and tests: one channel, two labels, 1.5 mm.
///
/// # Errors
/// A file cannot be written.
#[doc(hidden)]
pub fn phantom_model(folder: &Path) -> Result<()> {
    pipeline::phantom::write_model(&user_registry()?, folder, &Default::default())
}
