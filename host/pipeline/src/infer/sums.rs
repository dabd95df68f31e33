//! The weighted logits of tiles, added up: in host memory, or on the device of the networks until slices are finished.

use std::ops::Range;

use engine::{Device, LogitSums, Part};
use ndarray::{Array4, ArrayView3, ArrayView4, Axis, Zip, s};
use rayon::prelude::*;

use super::layout::{Layout, View};
use super::window::{finite, flipped};
use crate::error::{Error, Result};

/// Sums over some slices and rows of an image, which move along z as slices are finished.
pub(super) struct Sums {
    /// (K, z, y, x).
    data: Array4<f32>,
    /// The same sums where the networks compute, if they are kept there; then `data` has what is finished alone.
    beside: Option<LogitSums>,
    /// The first slice in the image.
    base: usize,
    rows: Range<usize>,
    /// Slices below are divided by their weight: they are logits.
    finished: usize,
}

impl Sums {
    /// Zeros for `slices` slices from the first on, and some of the rows; on `device`, where one is named and has the memory.
    pub(super) fn new(layout: &Layout, slices: usize, rows: Range<usize>, device: Option<&Device>) -> Self {
        let shape = [layout.classes, slices, rows.len(), layout.shape[2]];
        let beside = device.and_then(|device| {
            let why = |error| tracing::warn!("logits are added up in the host's memory: {}: {error}", device.name());
            LogitSums::new(device, shape, &layout.weights, layout.tile).map_err(why).ok()
        });
        Self { data: Array4::zeros(shape), beside, base: 0, rows, finished: 0 }
    }

    /// The sums on the device of the networks, and where the parts of these views go; none if they are in host memory.
    pub(super) fn beside(&mut self, layout: &Layout, views: &[View]) -> Option<(&mut LogitSums, Vec<Part>)> {
        let own = self.extent();
        let part = |view: &View| {
            let places = layout.overlap(view, &own);
            let to = std::array::from_fn(|axis| places[axis].0.start - own[axis].start);
            Part { flip: view.flip, tile: places.map(|(_, tile)| tile), to }
        };
        Some((self.beside.as_mut()?, views.iter().map(part).collect()))
    }

    /// The box of the image that the sums are of.
    fn extent(&self) -> [Range<usize>; 3] {
        [self.base..self.base + self.data.dim().1, self.rows.clone(), 0..self.data.dim().3]
    }

    pub(super) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// The finished logits (K, z, y, x) and the place of their first voxel in the image.
    pub(super) fn logits(&self) -> (ArrayView4<'_, f32>, [usize; 3]) {
        (self.data.slice(s![.., ..self.finished - self.base, .., ..]), [self.base, self.rows.start, 0])
    }

    pub(super) fn into_logits(self) -> Array4<f32> {
        self.data
    }

    /// Adds the weighted logits (view, K, tile...) of `views`; each class by itself, its views in order.
    pub(super) fn add(&mut self, layout: &Layout, logits: &[f32], views: &[View], share: f32) {
        let voxels = layout.weights.len();
        let own = self.extent();
        self.data.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(class, mut sum)| {
            for (view, logits) in views.iter().zip(logits.chunks_exact(layout.classes * voxels)) {
                let one = &logits[class * voxels..][..voxels];
                let (Ok(one), Ok(weights)) = (ArrayView3::from_shape(layout.tile, one), ArrayView3::from_shape(layout.tile, &layout.weights)) else {
                    continue;
                };
                let [(z, tile_z), (y, tile_y), (x, tile_x)] = layout.overlap(view, &own);
                let (z, y) = (z.start - own[0].start..z.end - own[0].start, y.start - own[1].start..y.end - own[1].start);
                let part = s![tile_z, tile_y, tile_x];
                // the view is turned back, the weights are not: they belong to the image
                Zip::from(sum.slice_mut(s![z, y, x]))
                    .and(flipped(one, view.flip).slice(part))
                    .and(weights.slice(part))
                    .for_each(|sum, &logit, &weight| *sum += weight * share * logit);
            }
        });
    }

    /// Divides the slices below `known`, which no further tile touches, by the weight that each voxel got. Tiles lie on a grid, so
    /// that it is a product of sums along the axes.
    ///
    /// # Errors
    /// The device that has the sums failed, or they are not finite.
    pub(super) fn divide(&mut self, layout: &Layout, networks: usize, known: usize) -> Result<()> {
        let new = self.finished - self.base..known - self.base;
        if let Some(beside) = self.beside.as_ref().filter(|_| !new.is_empty()) {
            let sums = beside.read(new.clone())?;
            finite(&sums)?;
            let (classes, _, rows, width) = self.data.dim();
            let sums = ArrayView4::from_shape((classes, new.len(), rows, width), &sums)
                .map_err(|error| Error::invalid(format!("sums of logits that were read from the device: {error}")))?;
            self.data.slice_mut(s![.., new, .., ..]).assign(&sums);
        }
        let along = |axis: usize| {
            let (before, side) = (layout.before[axis], layout.tile[axis]);
            let mut total = vec![0.0; layout.shape[axis]];
            for &start in &layout.places[axis] {
                let extent = layout.extent(axis, start);
                let first = extent.start + before - start;
                total[extent].iter_mut().zip(&layout.axes[axis][first..side]).for_each(|(total, weight)| *total += weight);
            }
            total
        };
        let (z, y, x) = (along(0), along(1), along(2));
        let (z, y) = (&z[self.finished..known], &y[self.rows.clone()]);
        let new = s![self.finished - self.base..known - self.base, .., ..];
        self.data.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut class| {
            for (mut plane, z) in class.slice_mut(new).outer_iter_mut().zip(z) {
                for (mut row, y) in plane.outer_iter_mut().zip(y) {
                    let outer = networks as f64 * z * y;
                    row.iter_mut().zip(&x).for_each(|(logit, x)| *logit = (f64::from(*logit) / (outer * x)) as f32);
                }
            }
        });
        self.finished = known;
        Ok(())
    }

    /// Gives up the slices below `from` and makes room for as many new ones.
    pub(super) fn move_to(&mut self, from: usize) {
        let (_, slices, rows, width) = self.data.dim();
        let slices = (from - self.base).min(slices);
        if let Some(beside) = &mut self.beside {
            beside.move_on(slices);
        }
        let gone = slices * rows * width;
        self.data.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut class| {
            if let Some(voxels) = class.as_slice_mut() {
                voxels.copy_within(gone.., 0);
                let kept = voxels.len() - gone;
                voxels[kept..].fill(0.0);
            }
        });
        self.base = from;
    }
}
