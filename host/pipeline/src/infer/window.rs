//! Logits of an image of any size from a network that sees a tile.

use std::ops::Range;

use engine::{Device, Model};
use ndarray::{Array4, ArrayBase, ArrayRef4, ArrayViewMut3, Axis, CowArray, Ix3, Ix4, RawData, s};
use rayon::prelude::*;

use super::Predictor;
use super::layout::{Layout, View, Window};
use super::sums::Sums;
use crate::error::{Error, Result};

/// The mean logits (K, z, y, x) of `predictors` for `image` (C, z, y, x); `classes` is K.
///
/// An image that is smaller than the tile is padded with 0 on both sides, and the padding is cut off again. The result depends
/// neither on the number of threads nor on how many tiles go through the network at once.
///
/// # Errors
/// No predictor, a step size or patch that cannot be used, a network that fails, or logits that are of another shape than the tile or
/// not finite.
pub fn sliding_window(predictors: &[&dyn Predictor], image: &ArrayRef4<f32>, classes: usize, window: &Window) -> Result<Array4<f32>> {
    let tiles = Tiles::new(predictors, image, classes, window)?;
    let [depth, height, _] = tiles.layout.shape;
    let mut sums = tiles.sums(depth, 0..height);
    tiles.layout.layers.iter().try_for_each(|layer| tiles.add_layer(layer, &mut sums))?;
    tiles.finish(depth, &mut sums)?;
    Ok(sums.into_logits())
}

/// An image cut into tiles, and the networks that see them.
pub(super) struct Tiles<'a> {
    predictors: &'a [&'a dyn Predictor],
    /// Every way that each network sees a tile.
    flips: Vec<Vec<[bool; 3]>>,
    /// The image, padded to a tile where it is smaller.
    image: CowArray<'a, f32, Ix4>,
    pub(super) layout: Layout,
    window: &'a Window,
}

impl<'a> Tiles<'a> {
    pub(super) fn new(predictors: &'a [&'a dyn Predictor], image: &'a ArrayRef4<f32>, classes: usize, window: &'a Window) -> Result<Self> {
        if predictors.is_empty() || image.is_empty() || classes == 0 {
            let (networks, shape) = (predictors.len(), image.shape());
            return Err(Error::invalid(format!("{networks} networks, an image of {shape:?} and {classes} classes give no logits")));
        }
        let (channels, depth, height, width) = image.dim();
        let layout = Layout::new([depth, height, width], classes, window)?;
        Ok(Self {
            predictors,
            flips: predictors.iter().map(|predictor| flips(&predictor.mirror_axes(), window)).collect::<Result<_>>()?,
            image: if layout.is_padded() {
                let [d, h, w] = layout.padded;
                let mut larger = Array4::zeros((channels, d, h, w));
                let [z, y, x] = std::array::from_fn(|axis| layout.before[axis]..layout.before[axis] + layout.shape[axis]);
                larger.slice_mut(s![.., z, y, x]).assign(image);
                larger.into()
            } else {
                image.view().into()
            },
            layout,
            window,
        })
    }

    /// Room for the sums of some rows, on the device of the networks where all are on one.
    pub(super) fn sums(&self, slices: usize, rows: Range<usize>) -> Sums {
        let devices: Option<Vec<&Device>> = self.predictors.iter().map(|predictor| predictor.on_device().map(Model::device)).collect();
        let first = devices.as_deref().and_then(<[_]>::first).copied().filter(|_| self.window.on_device);
        let shared = first.filter(|first| devices.iter().flatten().all(|device| device.name() == first.name()));
        Sums::new(&self.layout, slices, rows, shared)
    }

    /// Makes logits of the sums below the slice `known`, which no further tile touches.
    ///
    /// # Errors
    /// A network's device failed, or its logits are not finite.
    pub(super) fn finish(&self, known: usize, sums: &mut Sums) -> Result<()> {
        sums.divide(&self.layout, self.predictors.len(), known)
    }

    /// Adds the weighted logits of a layer's tiles to `sums`, those alone that touch its rows.
    ///
    /// # Errors
    /// A network fails, or its logits are of another shape than the tile or not finite.
    pub(super) fn add_layer(&self, layer: &Range<usize>, sums: &mut Sums) -> Result<()> {
        let rows = sums.rows();
        let touches = |&&y: &&usize| {
            let own = self.layout.extent(1, y);
            own.start < rows.end && rows.start < own.end
        };
        for (predictor, flips) in self.predictors.iter().zip(&self.flips) {
            let mut views = Vec::new();
            for &z in &self.layout.places[0][layer.clone()] {
                for &y in self.layout.places[1].iter().filter(touches) {
                    for &x in &self.layout.places[2] {
                        views.extend(flips.iter().map(|&flip| View { start: [z, y, x], flip }));
                    }
                }
            }
            // a power of two, so the weights stay what they are but for their exponent
            let share = 1.0 / (flips.len() as f32);
            for views in views.chunks(self.layout.batch() * predictor.devices()) {
                let mut shape = vec![views.len(), self.image.dim().0];
                shape.extend(&self.window.patch);
                let images = gather(&self.image, &self.layout, views);
                let mut wanted = shape.clone();
                wanted[1] = self.layout.classes;
                if let (Some(model), Some((sums, parts))) = (predictor.on_device(), sums.beside(&self.layout, views)) {
                    let found = model.predict_into(&images, &shape, &wanted, sums, &parts, share)?;
                    fits(&found, found.iter().product(), &wanted)?;
                    continue;
                }
                let (logits, found) = predictor.logits(&images, &shape)?;
                fits(&found, logits.len(), &wanted)?;
                finite(&logits)?;
                sums.add(&self.layout, &logits, views, share);
            }
        }
        Ok(())
    }
}

/// The voxels of `views` (view, C, tile...), last axis fastest.
fn gather(image: &ArrayRef4<f32>, layout: &Layout, views: &[View]) -> Vec<f32> {
    let (channels, voxels, tile) = (image.dim().0, layout.weights.len(), layout.tile);
    let mut x = vec![0.0; views.len() * channels * voxels];
    x.par_chunks_mut(voxels).enumerate().for_each(|(i, plane)| {
        let view = views[i / channels];
        let [z, y, x] = std::array::from_fn(|axis| view.start[axis]..view.start[axis] + tile[axis]);
        if let Ok(plane) = ArrayViewMut3::from_shape(tile, plane) {
            flipped(plane, view.flip).assign(&image.slice(s![i % channels, z, y, x]));
        }
    });
    x
}

/// Every combination of the axes that a network may be mirrored along, none first.
fn flips(axes: &[usize], window: &Window) -> Result<Vec<[bool; 3]>> {
    let mut flips = vec![[false; 3]];
    for &axis in axes.iter().filter(|_| window.mirroring) {
        if axis >= window.patch.len() || flips.iter().any(|flip| flip[axis + 3 - window.patch.len()]) {
            return Err(Error::invalid(format!("the network is mirrored along the axes {axes:?}; the patch {:?} has not all of them", window.patch)));
        }
        let mirrored: Vec<[bool; 3]> = flips.clone();
        flips.extend(mirrored.into_iter().map(|mut flip| {
            flip[axis + 3 - window.patch.len()] = true;
            flip
        }));
    }
    Ok(flips)
}

/// `array` with the axes of `flip` running backwards.
pub(super) fn flipped<D: RawData>(mut array: ArrayBase<D, Ix3>, flip: [bool; 3]) -> ArrayBase<D, Ix3> {
    (0..3).filter(|&axis| flip[axis]).for_each(|axis| array.invert_axis(Axis(axis)));
    array
}

/// `values` is how many logits there are.
fn fits(found: &[usize], values: usize, wanted: &[usize]) -> Result<()> {
    match found == wanted && values == wanted.iter().product::<usize>() {
        true => Ok(()),
        false => Err(Error::invalid(format!("the network's logits are {found:?}, wanted {wanted:?} (batch, classes, patch)"))),
    }
}

pub(super) fn finite(logits: &[f32]) -> Result<()> {
    match logits.par_iter().find_any(|logit| !logit.is_finite()) {
        Some(_) => Err(Error::invalid(
            "the network's logits hold numbers that are infinite or none; look at the image for such voxels, or train again: the weights may have run away",
        )),
        None => Ok(()),
    }
}
