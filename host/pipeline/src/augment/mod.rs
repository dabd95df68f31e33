//! Data augmentation: what happens to a training patch between the preprocessed case and the network.
//!
//! 1. [`Source`] names a window (the *initial patch*) of a preprocessed case, which may reach beyond the image.
//! 2. [`Spatial`](spatial::Spatial) rotates, scales and crops it to the patch: a [`Sample`].
//! 3. A list of [`Transform`]s changes the sample, each with random numbers of its own; a plugin's ([`Plugged`]) before or after nnU-Net's.
//! 4. [`targets`] gives each deep-supervision head its labels.
//!
//! [`Pipeline`] does all four. Arrays are (C, D, H, W) throughout: a 2D network's samples have D = 1, and spatial axes
//! in its settings are (H, W) = (0, 1).

mod background;
mod blur;
mod brightness;
mod cascade;
mod contrast;
mod gamma;
mod local;
mod low_resolution;
mod mask;
mod median;
mod mirror;
mod noise;
mod one_of;
mod pipeline;
mod plugged;
mod rectangles;
mod regions;
mod rng;
mod rules;
mod sample;
mod separable;
mod sharpen;
mod shift;
pub mod spatial;
mod spec;
mod stats;
mod strong;
pub mod targets;
mod turn;

pub use background::Background;
pub use blur::GaussianBlur;
pub use brightness::Brightness;
pub use cascade::{PreviousStage, RandomMorphology, RemoveComponent};
pub use contrast::Contrast;
pub use gamma::Gamma;
pub use local::{BrightnessGradient, LocalGamma};
pub use low_resolution::LowResolution;
pub use mask::MaskOutside;
pub use median::MedianFilter;
pub use mirror::Mirror;
pub use noise::GaussianNoise;
pub use one_of::OneOf;
pub use pipeline::{Example, Pipeline};
pub use plugged::Plugged;
pub use rectangles::BlankRectangles;
pub use regions::Regions;
pub use rng::Stream;
pub use rules::{Rules, Wishes, initial_patch_size, rules};
pub use sample::{Sample, Source, Transform};
pub use sharpen::Sharpen;
pub use shift::Shift;
pub(crate) use spec::volume_shape;
pub use spec::{AugmentSpec, Augmentation};
pub use strong::SMALLEST_SCALE;
pub use turn::{QuarterTurn, Transpose};

/// A factor in [`low`, `high`): half the time below 1, half the time above.
fn factor(rng: &mut Stream, (low, high): (f64, f64)) -> f64 {
    if rng.chance(0.5) { rng.uniform(low, 1.0) } else { rng.uniform(1.0, high) }
}

#[cfg(test)]
mod tests;
