//! Normalization schemes: intensities of a channel made comparable.

use crate::{
    Channel, Error, Result,
    abi::{
        array::{Edited, Named, Values, ValuesMut},
        hook::{Hook, understand},
    },
};
use serde::{Deserialize, Serialize};

/// Normalizes a channel after cropping and before resampling. Its fields are its settings: derive `Deserialize` and `Default`.
pub trait Normalization: Send + Sync + 'static {
    /// Changes `channel` (D, H, W) in place. With a mask (the plan's `use_mask_for_norm`) only voxels in it are to be changed; those
    /// outside are zero.
    fn normalize(&self, channel: &mut Channel<'_, f32>, mask: Option<Mask<'_>>, facts: &ChannelFacts) -> Result<()>;
}

/// The part of an image that is not zero.
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a>(&'a [i16]);

impl<'a> Mask<'a> {
    /// From labels, which are negative outside.
    pub fn new(labels: &'a [i16]) -> Self {
        Mask(labels)
    }

    /// Whether voxel `index` is inside.
    pub fn contains(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(|&label| label >= 0)
    }

    /// Each voxel in order: is it inside?
    pub fn iter(&self) -> impl Iterator<Item = bool> + 'a {
        self.0.iter().map(|&label| label >= 0)
    }
}

/// What is known of a channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelFacts {
    /// Counted from 0.
    pub index: usize,
    /// As `dataset.json` names it, e.g. `CT`.
    pub name: String,
    /// Of the foreground in all training images, if the plan has them.
    pub intensities: Option<Intensities>,
}

/// Intensities of a channel in the foreground of all training images, as plans have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Intensities {
    pub max: f64,
    pub mean: f64,
    pub median: f64,
    pub min: f64,
    pub percentile_00_5: f64,
    pub percentile_99_5: f64,
    pub std: f64,
}

pub(crate) struct NormalizationHook<T>(pub(crate) T);

impl<T: Normalization> Hook for NormalizationHook<T> {
    /// Step `normalize`: the array `channel` is changed; the input `mask`, if any, is negative outside.
    fn edit(&self, step: &str, question: &str, inputs: &[Named<Values<'_>>], arrays: Vec<Named<ValuesMut<'_>>>) -> Result<Option<Edited>> {
        if step != "normalize" {
            return Ok(None);
        }
        let facts: ChannelFacts = understand(step, question)?;
        let mask = inputs.iter().find_map(|input| match (input.name.as_str(), input.values) {
            ("mask", Values::I16(labels)) => Some(Mask(labels)),
            _ => None,
        });
        for array in arrays {
            if let (ValuesMut::F32(voxels), Ok(shape)) = (array.values, array.shape.as_slice().try_into()) {
                self.0.normalize(&mut Channel { shape, voxels }, mask, &facts)?;
                return Ok(Some(Edited::default()));
            }
        }
        Err(Error::new("the host gave no channel (D, H, W) to normalize"))
    }
}
