//! From raw images to what a network is trained on: transposed, cropped, normalised, resampled.
//!
//! A dataset's cases go to `{preprocessed}/{dataset}/{data_identifier}`: `{case}.npz` with `data` (C, z, y, x) f32 and `seg`
//! (1, z, y, x) i16, and `{case}.pkl` with their properties. A manifest beside the folder says what they were made of.

mod case;
mod ground_truth;
mod locations;
mod manifest;
mod normalize;
mod plugins;
mod run;

pub(crate) use case::{PREPROCESSOR, resampled_shape};
pub use case::{PreprocessedCase, preprocess_case, preprocess_with};
pub use manifest::check;
#[cfg(test)]
pub(crate) use normalize::SCHEMES;
pub use plugins::Plugins;
pub use run::{Options, default_processes, run};

#[cfg(test)]
mod plugin_tests;
#[cfg(test)]
mod tests;
