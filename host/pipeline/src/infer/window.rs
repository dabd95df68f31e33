//! Logits of an image of any size from a network that sees a tile.

use ndarray::{Array4, ArrayBase, ArrayRef4, ArrayView3, ArrayViewMut3, Axis, Ix3, RawData, Zip, s};
use rayon::prelude::*;

use super::Predictor;
use super::gaussian::{bell, product};
use super::steps::positions;
use crate::error::{Error, Result};

/// Voxels that go through the network at once, at most, unless a single tile has more: small tiles are cheaper together.
const BATCH_VOXELS: usize = 1 << 18;

/// How an image is covered.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The network's patch: (D, H, W), or (H, W) of one that sees slices.
    pub patch: Vec<usize>,
    /// Distance between tiles as a share of the patch, above 0 and at most 1.
    pub step_size: f64,
    /// The centre of a tile counts more than its border.
    pub gaussian: bool,
    /// Views mirrored along every combination of a network's axes are averaged.
    pub mirroring: bool,
}

impl Window {
    /// nnU-Net's: half a patch apart, weighted, mirrored.
    pub fn new(patch: &[usize]) -> Self {
        Self { patch: patch.to_vec(), step_size: 0.5, gaussian: true, mirroring: true }
    }

    /// The tile in a volume (z, y, x); a slice is a tile of one voxel along z.
    fn tile(&self) -> Result<[usize; 3]> {
        if !(self.step_size > 0.0 && self.step_size <= 1.0) {
            return Err(Error::invalid(format!("the step size is {}; it is a share of the patch, above 0 and at most 1", self.step_size)));
        }
        match *self.patch.as_slice() {
            [d, h, w] if d * h * w > 0 => Ok([d, h, w]),
            [h, w] if h * w > 0 => Ok([1, h, w]),
            ref other => Err(Error::invalid(format!("the patch is {other:?}; it needs two or three axes above 0"))),
        }
    }
}

/// One tile, seen one way.
#[derive(Debug, Clone, Copy)]
struct View {
    /// Its first voxel in the padded image.
    start: [usize; 3],
    /// Whether each of z, y, x runs backwards.
    flip: [bool; 3],
}

/// The mean logits (K, z, y, x) of `predictors` for `image` (C, z, y, x); `classes` is K.
///
/// An image that is smaller than the tile is padded with 0 on both sides, and the padding is cut off again. The result depends
/// neither on the number of threads nor on how many tiles go through the network at once.
///
/// # Errors
/// No predictor, a step size or patch that cannot be used, a network that fails, or logits that are of another shape than the tile or
/// not finite.
pub fn sliding_window(predictors: &[&dyn Predictor], image: &ArrayRef4<f32>, classes: usize, window: &Window) -> Result<Array4<f32>> {
    let tile = window.tile()?;
    if predictors.is_empty() || image.is_empty() || classes == 0 {
        return Err(Error::invalid(format!("{} networks, an image of {:?} and {classes} classes give no logits", predictors.len(), image.shape())));
    }
    let (channels, depth, height, width) = image.dim();
    let shape = [depth, height, width];
    let missing: [usize; 3] = std::array::from_fn(|axis| tile[axis].saturating_sub(shape[axis]));
    let before = missing.map(|voxels| voxels / 2);
    let padded: [usize; 3] = std::array::from_fn(|axis| shape[axis] + missing[axis]);
    let whole = s![.., before[0]..before[0] + depth, before[1]..before[1] + height, before[2]..before[2] + width];
    let mut input = Array4::zeros((channels, padded[0], padded[1], padded[2]));
    input.slice_mut(whole).assign(image);

    let places = positions(padded, tile, window.step_size);
    let axes = tile.map(|side| if window.gaussian { bell(side) } else { vec![1.0; side] });
    let weights = product(&axes);
    let batch = (BATCH_VOXELS / weights.len()).max(1);
    let mut sum = Array4::zeros((classes, padded[0], padded[1], padded[2]));
    for predictor in predictors {
        let flips = flips(&predictor.mirror_axes(), window)?;
        // a power of two, so the weights stay what they are but for their exponent
        let share = 1.0 / (flips.len() as f32);
        let mut views = Vec::new();
        for &z in &places[0] {
            for &y in &places[1] {
                for &x in &places[2] {
                    views.extend(flips.iter().map(|&flip| View { start: [z, y, x], flip }));
                }
            }
        }
        for views in views.chunks(batch) {
            let x = gather(&input, views, tile);
            let mut network_shape = vec![views.len(), channels];
            network_shape.extend(&window.patch);
            let (logits, found) = predictor.logits(&x, &network_shape)?;
            network_shape[1] = classes;
            check(&logits, &found, &network_shape)?;
            add(&mut sum, &logits, views, tile, &weights, share);
        }
    }
    divide(&mut sum, &places, &axes, predictors.len());
    Ok(if missing == [0; 3] { sum } else { sum.slice(whole).to_owned() })
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
fn flipped<D: RawData>(mut array: ArrayBase<D, Ix3>, flip: [bool; 3]) -> ArrayBase<D, Ix3> {
    (0..3).filter(|&axis| flip[axis]).for_each(|axis| array.invert_axis(Axis(axis)));
    array
}

/// The voxels of `views` (view, C, tile...), last axis fastest.
fn gather(input: &Array4<f32>, views: &[View], tile: [usize; 3]) -> Vec<f32> {
    let (channels, voxels) = (input.dim().0, tile.iter().product::<usize>());
    let mut x = vec![0.0; views.len() * channels * voxels];
    x.par_chunks_mut(voxels).enumerate().for_each(|(i, plane)| {
        let view = views[i / channels];
        let [z, y, x] = std::array::from_fn(|axis| view.start[axis]..view.start[axis] + tile[axis]);
        if let Ok(plane) = ArrayViewMut3::from_shape(tile, plane) {
            flipped(plane, view.flip).assign(&input.slice(s![i % channels, z, y, x]));
        }
    });
    x
}

fn check(logits: &[f32], found: &[usize], wanted: &[usize]) -> Result<()> {
    if found != wanted || logits.len() != wanted.iter().product::<usize>() {
        return Err(Error::invalid(format!("the network's logits are {found:?}, wanted {wanted:?} (batch, classes, patch)")));
    }
    match logits.par_iter().find_any(|logit| !logit.is_finite()) {
        Some(_) => Err(Error::invalid(
            "the network's logits hold numbers that are infinite or none; look at the image for such voxels, or train again: the weights may have run away",
        )),
        None => Ok(()),
    }
}

/// Adds the weighted logits (view, K, tile...) of `views` to `sum` (K, z, y, x); each class by itself, its views in order.
fn add(sum: &mut Array4<f32>, logits: &[f32], views: &[View], tile: [usize; 3], weights: &[f32], share: f32) {
    let (classes, voxels) = (sum.dim().0, weights.len());
    sum.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(class, mut sum)| {
        for (view, logits) in views.iter().zip(logits.chunks_exact(classes * voxels)) {
            let [z, y, x] = std::array::from_fn(|axis| view.start[axis]..view.start[axis] + tile[axis]);
            let (own, weights) = (&logits[class * voxels..][..voxels], ArrayView3::from_shape(tile, weights));
            if let (Ok(own), Ok(weights)) = (ArrayView3::from_shape(tile, own), weights) {
                // the view is turned back, the weights are not: they belong to the image
                Zip::from(sum.slice_mut(s![z, y, x]))
                    .and(flipped(own, view.flip))
                    .and(weights)
                    .for_each(|sum, &logit, &weight| *sum += weight * share * logit);
            }
        }
    });
}

/// Divides by the weight that each voxel got. Tiles lie on a grid, so that it is a product of sums along the axes.
fn divide(sum: &mut Array4<f32>, places: &[Vec<usize>; 3], axes: &[Vec<f64>; 3], networks: usize) {
    let along = |axis: usize, length: usize| {
        let mut total = vec![0.0; length];
        for &start in &places[axis] {
            total[start..].iter_mut().zip(&axes[axis]).for_each(|(total, weight)| *total += weight);
        }
        total
    };
    let (_, depth, height, width) = sum.dim();
    let (z, y, x) = (along(0, depth), along(1, height), along(2, width));
    sum.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut class| {
        for (mut plane, z) in class.outer_iter_mut().zip(&z) {
            for (mut row, y) in plane.outer_iter_mut().zip(&y) {
                let outer = networks as f64 * z * y;
                row.iter_mut().zip(&x).for_each(|(logit, x)| *logit = (f64::from(*logit) / (outer * x)) as f32);
            }
        }
    });
}
