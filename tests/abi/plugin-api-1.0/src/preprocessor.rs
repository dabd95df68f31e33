//! Preprocessors: before, after or instead of the standard steps.

use crate::{
    Error, Result, Spacing, Voxels,
    abi::{
        array::{Edited, Named, NewValues, Values, ValuesMut},
        hook::{Hook, understand},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Acts on each case, of training and of prediction alike. The standard steps are: transpose, crop to what is not zero, normalize,
/// resample. Its fields are its settings: derive `Deserialize` and `Default`.
pub trait Preprocessor: Send + Sync + 'static {
    /// Before the standard steps: intensities as they were read, axes as the image has them. Shapes stay.
    fn before(&self, case: &mut Case<'_>) -> Result<()> {
        let _ = case;
        Ok(())
    }

    /// Instead of the standard steps after the transposition, if it returns `true`: `case.image` is then what the network is to see, and
    /// `case.crop` the part of the given image that it shows.
    fn run(&self, case: &mut Case<'_>) -> Result<bool> {
        let _ = case;
        Ok(false)
    }

    /// After the standard steps, or `run`: normalized, on the plan's spacing. Shapes stay.
    fn after(&self, case: &mut Case<'_>) -> Result<()> {
        let _ = case;
        Ok(())
    }
}

/// A case in host memory.
#[derive(Debug)]
pub struct Case<'a> {
    /// (C, D, H, W)
    pub image: Voxels<'a, f32>,
    /// (1, D, H, W): labels in training, the previous stage's segmentation in a cascade's prediction, else none. After the standard
    /// steps it is -1 where the image is zero.
    pub labels: Option<Voxels<'a, i16>>,
    /// Of the voxels as they are, mm (D, H, W).
    pub spacing: Spacing,
    /// Of the plan, mm, in the same order of axes.
    pub target_spacing: Spacing,
    /// In `run`: the part (D, H, W) of the given image that the new one shows, first voxel and end of each axis; all of it unless set.
    pub crop: [[usize; 2]; 3],
    /// The plan.
    pub plan: Arc<PreprocessingPlan>,
}

/// What preprocessing goes by, as nnU-Net's files have it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PreprocessingPlan {
    /// The plans.
    pub plans: Value,
    /// The configuration, with what it inherits.
    pub configuration: Value,
    /// `dataset.json`.
    pub dataset: Value,
}

/// The question of the steps `before`, `run` and `after`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[doc(hidden)]
pub struct CaseQuestion {
    pub spacing: Spacing,
    pub target_spacing: Spacing,
}

/// The answer of step `run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[doc(hidden)]
pub struct RunAnswer {
    pub crop: [[usize; 2]; 3],
}

pub(crate) struct PreprocessorHook<T> {
    preprocessor: T,
    plan: Arc<PreprocessingPlan>,
}

impl<T> PreprocessorHook<T> {
    pub(crate) fn new(preprocessor: T, plan: PreprocessingPlan) -> Self {
        Self { preprocessor, plan: Arc::new(plan) }
    }
}

impl<T: Preprocessor> Hook for PreprocessorHook<T> {
    /// The arrays `image` and, if there are any, `labels` are changed or replaced.
    fn edit(&self, step: &str, question: &str, _: &[Named<Values<'_>>], arrays: Vec<Named<ValuesMut<'_>>>) -> Result<Option<Edited>> {
        if !["before", "run", "after"].contains(&step) {
            return Ok(None);
        }
        let q: CaseQuestion = understand(step, question)?;
        let (mut image, mut labels) = (None, None);
        for array in arrays {
            match (array.name.as_str(), array.values) {
                ("image", ValuesMut::F32(voxels)) => image = Some(Voxels::borrowed(&array.shape, voxels)?),
                ("labels", ValuesMut::I16(voxels)) => labels = Some(Voxels::borrowed(&array.shape, voxels)?),
                _ => {}
            }
        }
        let Some(image) = image else { return Err(Error::new("the host gave no image (C, D, H, W) to preprocess")) };
        let crop = image.spatial().map(|n| [0, n]);
        let (spacing, target_spacing) = (q.spacing, q.target_spacing);
        let mut case = Case { image, labels, spacing, target_spacing, crop, plan: self.plan.clone() };
        let mut answer = String::new();
        match step {
            "before" => self.preprocessor.before(&mut case)?,
            "after" => self.preprocessor.after(&mut case)?,
            _ => match self.preprocessor.run(&mut case)? {
                true => answer = serde_json::to_string(&RunAnswer { crop: case.crop })?,
                false => return Ok(None),
            },
        }
        let image = case.image.into_new().map(|(shape, v)| Named { name: "image".into(), shape, values: NewValues::F32(v) });
        let labels = case.labels.and_then(Voxels::into_new).map(|(shape, v)| Named { name: "labels".into(), shape, values: NewValues::I16(v) });
        Ok(Some(Edited { answer, arrays: image.into_iter().chain(labels).collect() }))
    }
}
