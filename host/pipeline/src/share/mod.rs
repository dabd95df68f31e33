//! Trained models as zip files: made, installed, fetched. Paths inside are relative to `nnUNet_results`, as nnU-Net has them.

mod download;
mod export;
mod install;
#[cfg(test)]
mod tests;

pub use download::download;
pub use export::{Export, export};
pub use install::{Limits, install};
