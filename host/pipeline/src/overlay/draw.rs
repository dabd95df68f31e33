//! Which slice, and its picture.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array2, Array4, ArrayView3, Zip};
use volume::image::{Geometry, write_image};

use crate::error::{Error, Result};

/// The colours (red, green, blue) of labels 1, 2, ...; they begin again after the last. They are nnU-Net's, which gives them by rank among
/// the labels of a slice: here a label has one colour in all cases.
pub const COLOURS: [[u8; 3]; 14] = [
    [0x43, 0x63, 0xd8],
    [0xf5, 0x82, 0x31],
    [0x3c, 0xb4, 0x4b],
    [0xe6, 0x19, 0x4b],
    [0x91, 0x1e, 0xb4],
    [0xff, 0xe1, 0x19],
    [0xbf, 0xef, 0x45],
    [0x42, 0xd4, 0xf4],
    [0xf0, 0x32, 0xe6],
    [0x00, 0x00, 0x75],
    [0x9a, 0x63, 0x24],
    [0x80, 0x80, 0x00],
    [0x80, 0x00, 0x00],
    [0x46, 0x99, 0x90],
];

/// The slice (first axis) with the highest mean over the labels of (voxels of the label in the slice / in the case); the first of several,
/// and the middle one where there is no label above 0.
pub fn slice_to_show(labels: &ArrayView3<'_, i16>) -> usize {
    let mut sums: BTreeMap<i16, usize> = BTreeMap::new();
    let mut slices: Vec<BTreeMap<i16, usize>> = Vec::with_capacity(labels.dim().0);
    for slice in labels.outer_iter() {
        let mut counts = BTreeMap::new();
        slice.iter().filter(|&&label| label > 0).for_each(|&label| *counts.entry(label).or_insert(0) += 1);
        counts.iter().for_each(|(&label, count)| *sums.entry(label).or_insert(0) += count);
        slices.push(counts);
    }
    let share = |counts: &BTreeMap<i16, usize>| counts.iter().map(|(label, &count)| count as f64 / sums[label] as f64).sum::<f64>();
    let mut best = (slices.len() / 2, 0.0);
    for (z, counts) in slices.iter().enumerate() {
        let share = share(counts);
        if share > best.1 {
            best = (z, share);
        }
    }
    best.0
}

/// Writes a slice (y, x) to the PNG at `path`: grey from the least to the largest value, plus `intensity` times the colour of the label,
/// the whole scaled so that the brightest value is 255.
///
/// # Errors
/// Image and labels differ in shape; the file cannot be written.
pub fn draw(path: &Path, image: &Array2<f32>, labels: &Array2<i16>, intensity: f32) -> Result<()> {
    let (height, width) = image.dim();
    if labels.dim() != image.dim() {
        return Err(Error::invalid(format!("the labels have {:?} pixels (y, x), but the image {:?}", labels.dim(), image.dim())));
    }
    let finite = || image.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    // an image of one value is black
    let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
    let mut pixels = Array4::<f32>::zeros((3, 1, height, width));
    for (channel, mut plane) in pixels.outer_iter_mut().enumerate() {
        Zip::from(plane.index_axis_mut(ndarray::Axis(0), 0)).and(image).and(labels).for_each(|pixel, &value, &label| {
            let grey = if value.is_finite() { (value - low) * scale } else { 0.0 };
            *pixel = grey + colour(label).map_or(0.0, |colour| intensity * f32::from(colour[channel]));
        });
    }
    let brightest = pixels.iter().copied().fold(0.0, f32::max);
    if brightest > 0.0 {
        pixels.mapv_inplace(|value| (value / brightest * 255.0).floor().clamp(0.0, 255.0));
    }
    Ok(write_image(path, &pixels, &Geometry::of_spacing([1.0; 3]))?)
}

/// The colour of a label above 0.
fn colour(label: i16) -> Option<[u8; 3]> {
    let index = usize::try_from(label).ok()?.checked_sub(1)?;
    COLOURS.get(index % COLOURS.len()).copied()
}
