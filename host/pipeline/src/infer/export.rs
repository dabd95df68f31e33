//! From logits on the network's grid to a segmentation on the image's.

use ndarray::{Array, Array3, Array4, ArrayRef, ArrayRef3, ArrayRef4, Dimension, Zip, s};
use volume::crop::BoundingBox;
use volume::files::CaseProperties;
use volume::resample::resample_channel;

use super::LoadedModel;
use crate::dataset::LabelManager;
use crate::error::{Error, Result};
use crate::plan::{Configuration, Plans, Resampling};

/// How a model's logits (K, z, y, x) become segmentations: resampled, decoded, put where the crop was, turned back.
pub struct Export<'a> {
    plans: &'a Plans,
    configuration: &'a Configuration,
    labels: LabelManager,
}

/// Where a case was in its image; axes are those after the transposition.
struct Place {
    spacing: [f64; 3],
    whole: [usize; 3],
    bbox: BoundingBox,
    cropped: [usize; 3],
}

impl Place {
    fn of(properties: &CaseProperties, forward: [usize; 3]) -> Result<Self> {
        fn three<T: Copy>(what: &str, of: &[T]) -> Result<[T; 3]> {
            of.try_into().map_err(|_| Error::invalid(format!("the properties' `{what}` has {} axes, not 3", of.len())))
        }
        let spacing = three("spacing", &properties.spacing)?;
        let whole = three("shape_before_cropping", &properties.shape_before_cropping)?;
        let bbox = three("bbox_used_for_cropping", &properties.bbox_used_for_cropping)?;
        if let Some(axis) = (0..3).find(|&axis| bbox[axis][0] >= bbox[axis][1] || bbox[axis][1] > whole[axis]) {
            let (side, length) = (bbox[axis], whole[axis]);
            return Err(Error::invalid(format!("the properties' crop {side:?} of axis {axis} does not lie in an image of {length} voxels")));
        }
        if let Some(axis) = (0..3).find(|&axis| !(spacing[axis] > 0.0 && spacing[axis].is_finite())) {
            return Err(Error::invalid(format!("the properties' spacing {spacing:?} mm has no length along axis {axis}")));
        }
        Ok(Self { spacing: forward.map(|axis| spacing[axis]), whole, bbox, cropped: bbox.map(|[low, high]| high - low) })
    }
}

impl<'a> Export<'a> {
    /// The way back of `model`.
    ///
    /// # Errors
    /// Its labels do not make sense together.
    pub fn new(model: &LoadedModel<'a>) -> Result<Self> {
        Ok(Self { plans: model.plans, configuration: model.configuration, labels: model.dataset.label_manager()? })
    }

    /// The labels behind the logits.
    pub fn labels(&self) -> &LabelManager {
        &self.labels
    }

    /// The segmentation (z, y, x) in the image's own axes and shape; background outside the crop.
    ///
    /// Classes are resampled one after the other, so that it takes the memory of a few, however many there are.
    ///
    /// # Errors
    /// Properties that contradict themselves; resampling settings that cannot be used; a number of channels that is not the labels'.
    pub fn segmentation(&self, logits: &ArrayRef4<f32>, properties: &CaseProperties) -> Result<Array3<i16>> {
        let place = Place::of(properties, self.plans.transpose_forward)?;
        let from = self.configuration.target_spacing(place.spacing);
        let labels = self.decode_at(logits, place.cropped, from, place.spacing)?;
        Ok(self.turned_back(&labels, &place))
    }

    /// The segmentation and the probabilities (K, z, y, x) behind it, both in the image's own axes and shape. Outside the crop the
    /// background has probability 1, and regions have 0.
    ///
    /// # Errors
    /// As [`Export::segmentation`].
    pub fn with_probabilities(&self, logits: &ArrayRef4<f32>, properties: &CaseProperties) -> Result<(Array3<i16>, Array4<f32>)> {
        let place = Place::of(properties, self.plans.transpose_forward)?;
        let from = self.configuration.target_spacing(place.spacing);
        let [depth, height, width] = place.cropped;
        let mut cropped = Array4::zeros((self.labels.num_outputs(), depth, height, width));
        self.each_class(logits, place.cropped, from, place.spacing, |class, resampled| {
            cropped.slice_mut(s![class, .., .., ..]).assign(&resampled);
        })?;
        let segmentation = self.turned_back(&self.labels.decode_logits(&cropped), &place);
        self.labels.to_probabilities(&mut cropped);

        let ([depth, height, width], [z, y, x]) = (place.whole, place.bbox.map(|[low, high]| low..high));
        let mut whole = Array4::zeros((self.labels.num_outputs(), depth, height, width));
        if !self.labels.has_regions() {
            whole.slice_mut(s![0, .., .., ..]).fill(1.0);
        }
        whole.slice_mut(s![.., z, y, x]).assign(&cropped);
        let [a, b, c] = self.plans.transpose_backward;
        Ok((segmentation, in_order(&whole.permuted_axes([0, a + 1, b + 1, c + 1]))))
    }

    /// The labels (z, y, x) that the logits stand for on another grid; spacings are mm, axes those after the transposition.
    ///
    /// # Errors
    /// As [`Export::segmentation`].
    pub fn decode_at(&self, logits: &ArrayRef4<f32>, shape: [usize; 3], from: [f64; 3], to: [f64; 3]) -> Result<Array3<i16>> {
        let mut segmentation = Array3::zeros(shape);
        if self.labels.has_regions() {
            let order = self.labels.regions_class_order();
            self.each_class(logits, shape, from, to, |class, logits| {
                Zip::from(&mut segmentation).and(&logits).par_for_each(|label, &logit| {
                    if 1.0 / (1.0 + (-logit).exp()) > 0.5 {
                        *label = order[class];
                    }
                });
            })?;
        } else {
            let (values, mut best) = (self.labels.labels(), Array3::from_elem(shape, f32::NEG_INFINITY));
            self.each_class(logits, shape, from, to, |class, logits| {
                Zip::from(&mut segmentation).and(&mut best).and(&logits).par_for_each(|label, best, &logit| {
                    if logit > *best {
                        (*label, *best) = (values[class], logit);
                    }
                });
            })?;
        }
        Ok(segmentation)
    }

    /// Calls `with` the number and the resampled logits of each class.
    fn each_class(
        &self,
        logits: &ArrayRef4<f32>,
        shape: [usize; 3],
        from: [f64; 3],
        to: [f64; 3],
        mut with: impl FnMut(usize, Array3<f32>),
    ) -> Result<()> {
        let (found, wanted) = (logits.dim().0, self.labels.num_outputs());
        if found != wanted {
            return Err(Error::invalid(format!("there are logits of {found} classes, but the dataset has {wanted}")));
        }
        let options = self.configuration.resampling(Resampling::Probabilities)?;
        for (class, logits) in logits.outer_iter().enumerate() {
            let resampled = match &options {
                Some(options) => resample_channel(&logits, shape, from, to, options),
                None if logits.shape() == shape => logits.to_owned(),
                None => {
                    let found = logits.shape();
                    return Err(Error::invalid(format!("the logits are {found:?} voxels and wanted {shape:?}, but the plans do not resample")));
                }
            };
            with(class, resampled);
        }
        Ok(())
    }

    /// Puts the crop into the whole image and gives that its own axes.
    fn turned_back(&self, cropped: &ArrayRef3<i16>, place: &Place) -> Array3<i16> {
        let mut whole = Array3::zeros(place.whole);
        let [z, y, x] = place.bbox.map(|[low, high]| low..high);
        whole.slice_mut(s![z, y, x]).assign(cropped);
        in_order(&whole.permuted_axes(self.plans.transpose_backward))
    }
}

/// With the last axis fastest in memory.
fn in_order<T: Clone, D: Dimension>(array: &ArrayRef<T, D>) -> Array<T, D> {
    array.as_standard_layout().into_owned()
}
