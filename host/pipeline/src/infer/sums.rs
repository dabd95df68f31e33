//! The weighted logits of tiles, added up.

use std::ops::Range;

use ndarray::{Array4, ArrayView3, ArrayView4, Axis, Zip, s};
use rayon::prelude::*;

use super::layout::{Layout, View};
use super::window::flipped;

/// Sums over some slices and rows of an image, which move along z as slices are finished.
pub(super) struct Sums {
    /// (K, z, y, x).
    data: Array4<f32>,
    /// The first slice in the image.
    base: usize,
    rows: Range<usize>,
    /// Slices below are divided by their weight: they are logits.
    finished: usize,
}

impl Sums {
    /// Zeros for `slices` slices from the first on, and some of the rows.
    pub(super) fn new(layout: &Layout, slices: usize, rows: Range<usize>) -> Self {
        Self { data: Array4::zeros((layout.classes, slices, rows.len(), layout.shape[2])), base: 0, rows, finished: 0 }
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
        let width = self.data.dim().3;
        let own = [self.base..self.base + self.data.dim().1, self.rows.clone(), 0..width];
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
    pub(super) fn divide(&mut self, layout: &Layout, networks: usize, known: usize) {
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
    }

    /// Gives up the slices below `from` and makes room for as many new ones.
    pub(super) fn move_to(&mut self, from: usize) {
        let (_, slices, rows, width) = self.data.dim();
        let gone = (from - self.base).min(slices) * rows * width;
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
