//! Augmentation of a training sample.

use crate::{
    Error, Result, Rng, Voxels,
    abi::{
        array::{Edited, Named, Values, ValuesMut},
        hook::{Hook, understand},
    },
};
use serde::{Deserialize, Serialize};

/// Changes training samples, in the loader's threads. Its fields are its settings: derive `Deserialize` and `Default`.
pub trait Augmentation: Send + Sync + 'static {
    /// Where in the sample's way it happens.
    fn place(&self) -> Place {
        Place::After
    }

    /// Changes a sample in place; its shape stays. What is random about it comes from `rng` alone, so that a run can be repeated.
    fn apply(&self, sample: &mut Sample<'_>, rng: &mut Rng) -> Result<()>;
}

/// Where an augmentation happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// On the rotated, scaled and cropped patch, before the standard noise, blur, contrast and so on.
    Before,
    /// After the standard steps, mirroring included.
    After,
}

/// A training patch with its labels. A 2D network's has D = 1.
#[derive(Debug)]
pub struct Sample<'a> {
    /// (C, D, H, W), normalized.
    pub image: Voxels<'a, f32>,
    /// (1, D, H, W), -1 outside the image; (2, D, H, W) in a cascade, the previous stage's second.
    pub labels: Voxels<'a, i16>,
}

/// The question of step `apply`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[doc(hidden)]
pub struct ApplyQuestion {
    pub seed: u64,
}

pub(crate) struct AugmentationHook<T>(pub(crate) T);

impl<T: Augmentation> Hook for AugmentationHook<T> {
    /// Step `place`: `before` or `after`.
    fn ask(&self, step: &str, _: &str) -> Result<Option<String>> {
        if step != "place" {
            return Ok(None);
        }
        Ok(Some(serde_json::to_string(&self.0.place())?))
    }

    /// Step `apply`: `image` and `labels` are changed.
    fn edit(&self, step: &str, question: &str, _: &[Named<Values<'_>>], arrays: Vec<Named<ValuesMut<'_>>>) -> Result<Option<Edited>> {
        if step != "apply" {
            return Ok(None);
        }
        let q: ApplyQuestion = understand(step, question)?;
        let (mut image, mut labels) = (None, None);
        for array in arrays {
            match (array.name.as_str(), array.values) {
                ("image", ValuesMut::F32(voxels)) => image = Some(Voxels::borrowed(&array.shape, voxels)?),
                ("labels", ValuesMut::I16(voxels)) => labels = Some(Voxels::borrowed(&array.shape, voxels)?),
                _ => {}
            }
        }
        let (Some(image), Some(labels)) = (image, labels) else { return Err(Error::new("the host gave no image with labels")) };
        let mut sample = Sample { image, labels };
        self.0.apply(&mut sample, &mut Rng::new(q.seed))?;
        if sample.image.into_new().is_some() || sample.labels.into_new().is_some() {
            return Err(Error::new("an augmentation changes voxels in place; it cannot give the sample another shape"));
        }
        Ok(Some(Edited::default()))
    }
}
