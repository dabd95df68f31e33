//! From logits on the network's grid to a segmentation on the image's.

use ndarray::{Array3, ArrayRef3, ArrayRef4, ArrayViewMut3, Axis, Zip, s};
use volume::crop::BoundingBox;
use volume::files::CaseProperties;
use volume::resample::Regrid;

use super::LoadedModel;
use super::decode::decode;
use crate::dataset::LabelManager;
use crate::error::{Error, Result};
use crate::plan::{Configuration, Resampling};

/// How a model's logits (K, z, y, x) become segmentations: resampled, decoded, put where the crop was, turned back.
pub struct Export<'a> {
    configuration: &'a Configuration,
    forward: [usize; 3],
    labels: LabelManager,
}

/// A grid and its spacing in mm; axes are those after the transposition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grid {
    pub(super) shape: [usize; 3],
    pub(super) spacing: [f64; 3],
}

/// Where a case was in its image; axes are those after the transposition.
#[derive(Debug, Clone)]
pub(super) struct Place {
    whole: [usize; 3],
    bbox: BoundingBox,
    pub(super) cropped: Grid,
}

impl Place {
    /// Voxels of the whole image.
    pub(super) fn voxels(&self) -> u64 {
        self.whole.iter().map(|&n| n as u64).product()
    }

    /// Of an image (z, y, x; mm) of which nothing is cropped.
    pub(super) fn uncropped(shape: [usize; 3], spacing: [f64; 3], forward: [usize; 3]) -> Self {
        let whole = forward.map(|axis| shape[axis]);
        Self { whole, bbox: whole.map(|length| [0, length]), cropped: Grid { shape: whole, spacing: forward.map(|axis| spacing[axis]) } }
    }
}

impl<'a> Export<'a> {
    /// The way back of `model`.
    ///
    /// # Errors
    /// Its labels do not make sense together.
    pub fn new(model: &LoadedModel<'a>) -> Result<Self> {
        Ok(Self { configuration: model.configuration, forward: model.plans.transpose_forward, labels: model.dataset.label_manager()? })
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
        let place = self.place(properties)?;
        let mut segmentation = self.blank(&place, 0);
        let regrid = self.regrid_of(logits, &place)?;
        decode(&self.labels, &regrid, (logits.view(), [0; 3]), &regrid.whole(), self.cropped_in(&place, &mut segmentation));
        Ok(segmentation)
    }

    /// Calls `with` the probabilities (z, y, x) of each class or region, in the image's own axes and shape. Outside the crop the background
    /// has probability 1, and regions have 0.
    ///
    /// Classes are resampled anew for each step of the softmax (the largest logit, the sum, the quotients), so that it takes the
    /// memory of a few, however many there are.
    ///
    /// # Errors
    /// As [`Export::segmentation`], and those of `with`.
    pub fn probabilities(
        &self,
        logits: &ArrayRef4<f32>,
        properties: &CaseProperties,
        mut with: impl FnMut(&ArrayRef3<f32>) -> Result<()>,
    ) -> Result<()> {
        let place = self.place(properties)?;
        let regrid = self.regrid_of(logits, &place)?;
        let regions = self.labels.has_regions();
        let resampled = |class: usize| regrid.resample(&logits.index_axis(Axis(0), class), [0; 3], &regrid.whole());
        let classes = 0..self.labels.num_outputs();
        let shape = if regions { [0; 3] } else { place.cropped.shape };
        let (mut highest, mut sum) = (Array3::from_elem(shape, f32::NEG_INFINITY), Array3::<f32>::zeros(shape));
        if !regions {
            for class in classes.clone() {
                Zip::from(&mut highest).and(&resampled(class)).par_for_each(|highest, &logit| *highest = highest.max(logit));
            }
            for class in classes.clone() {
                Zip::from(&mut sum).and(&highest).and(&resampled(class)).par_for_each(|sum, highest, logit| *sum += (logit - highest).exp());
            }
        }
        for class in classes {
            let mut own = resampled(class);
            if regions {
                own.par_mapv_inplace(|logit| 1.0 / (1.0 + (-logit).exp()));
            } else {
                Zip::from(&mut own).and(&highest).and(&sum).par_for_each(|p, highest, sum| *p = (*p - highest).exp() / sum);
            }
            let mut image = self.blank(&place, if class == 0 && !regions { 1.0 } else { 0.0 });
            self.cropped_in(&place, &mut image).assign(&own);
            drop(own);
            with(&image)?;
        }
        Ok(())
    }

    /// Where the case was.
    ///
    /// # Errors
    /// Properties that contradict themselves.
    pub(super) fn place(&self, properties: &CaseProperties) -> Result<Place> {
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
        let cropped = Grid { shape: bbox.map(|[low, high]| high - low), spacing: self.forward.map(|axis| spacing[axis]) };
        Ok(Place { whole, bbox, cropped })
    }

    /// From the network's grid of the shape `network` to `grid`; `image` is the spacing of the case's image, mm.
    ///
    /// # Errors
    /// Resampling settings that cannot be used; grids that differ where the plans do not resample.
    pub(super) fn regrid(&self, network: [usize; 3], image: [f64; 3], grid: &Grid) -> Result<Regrid> {
        let options = self.configuration.resampling(Resampling::Probabilities)?;
        let Grid { shape, spacing } = *grid;
        if network.contains(&0) || (options.is_none() && network != shape) {
            return Err(Error::invalid(format!("the logits are {network:?} voxels and wanted {shape:?}, but the plans do not resample")));
        }
        Ok(Regrid::new(network, shape, self.configuration.target_spacing(image), spacing, options.as_ref()))
    }

    /// From the grid of logits (K, z, y, x) to the crop.
    fn regrid_of(&self, logits: &ArrayRef4<f32>, place: &Place) -> Result<Regrid> {
        let (found, depth, height, width) = logits.dim();
        let wanted = self.labels.num_outputs();
        if found != wanted {
            return Err(Error::invalid(format!("there are logits of {found} classes, but the dataset has {wanted}")));
        }
        self.regrid([depth, height, width], place.cropped.spacing, &place.cropped)
    }

    /// The image's own shape.
    fn image_shape(&self, place: &Place) -> [usize; 3] {
        let mut shape = [0; 3];
        self.forward.iter().zip(place.whole).for_each(|(&axis, length)| shape[axis] = length);
        shape
    }

    /// An image of one value, in its own axes.
    pub(super) fn blank<T: Clone>(&self, place: &Place, value: T) -> Array3<T> {
        Array3::from_elem(self.image_shape(place), value)
    }

    /// The crop in an image, its axes those after the transposition.
    pub(super) fn cropped_in<'i, T>(&self, place: &Place, image: &'i mut Array3<T>) -> ArrayViewMut3<'i, T> {
        let [z, y, x] = place.bbox.map(|[low, high]| low..high);
        image.view_mut().permuted_axes(self.forward).slice_move(s![z, y, x])
    }
}
