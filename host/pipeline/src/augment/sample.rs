//! What transforms work on.

use super::Stream;
use ndarray::Array4;

/// A window of a preprocessed case. Voxels outside the image read 0, their label -1.
pub struct Source<'a> {
    /// (C, D, H, W) in C order.
    pub data: &'a [f32],
    /// (D, H, W) in C order each: the segmentation, then the previous stage's if there is one.
    pub seg: Vec<&'a [i16]>,
    /// D, H, W of the image.
    pub shape: [usize; 3],
    /// The window's first voxel; may lie outside the image.
    pub start: [isize; 3],
    /// The window's size in voxels.
    pub size: [usize; 3],
}

impl Source<'_> {
    /// Channels of `data`.
    pub fn channels(&self) -> usize {
        self.data.len() / self.voxels().max(1)
    }

    /// Voxels of the image.
    pub fn voxels(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A patch with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// (C, D, H, W)
    pub data: Array4<f32>,
    /// (C_seg, D, H, W): the segmentation, -1 where there is no image; then the previous stage's if there is one.
    pub seg: Array4<i16>,
}

impl Sample {
    /// D, H, W.
    pub fn spatial(&self) -> [usize; 3] {
        let (_, d, h, w) = self.data.dim();
        [d, h, w]
    }

    /// The voxels of each image channel in C order.
    pub fn channels_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let voxels = self.spatial().iter().product::<usize>().max(1);
        contiguous(&mut self.data).chunks_exact_mut(voxels)
    }
}

/// The elements of `array` in C order; the array is brought into that order first, should it have another.
pub(super) fn contiguous<T: Clone>(array: &mut Array4<T>) -> &mut [T] {
    if !array.is_standard_layout() {
        *array = array.as_standard_layout().into_owned();
    }
    array.as_slice_mut().unwrap_or_default()
}

/// One step of the augmentation.
pub trait Transform: Send + Sync {
    /// What it is called in messages and logs.
    fn name(&self) -> &'static str;

    /// Changes `sample`; whatever is random about it comes from `rng`.
    fn apply(&self, sample: &mut Sample, rng: &mut Stream);
}
