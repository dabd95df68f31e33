//! Cropping to the part of an image that is not zero.

use crate::components::fill_holes;
use ndarray::{Array3, Array4, ArrayRef3, ArrayRef4, Axis, Zip, s};

/// Half-open bounds `[low, high)` of each axis z, y, x.
pub type BoundingBox = [[usize; 2]; 3];

/// What labels say outside the part of an image that is not zero.
pub const OUTSIDE: i16 = -1;

/// An image cropped to the part that is not zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Cropped {
    /// (C, z, y, x).
    pub data: Array4<f32>,
    /// (z, y, x) labels; without labels 0. [`OUTSIDE`] replaces 0 outside the mask.
    pub seg: Array3<i16>,
    /// Where the crop lies in the whole image.
    pub bbox: BoundingBox,
}

/// Crops `data` (C, z, y, x) and `seg` (z, y, x, the same shape) to the box of [`nonzero_mask`].
///
/// An image that is zero everywhere keeps its full box. Nothing is copied where the box is the whole image.
///
/// # Panics
/// Where the shapes of `data` and `seg` differ.
pub fn crop_to_nonzero(data: Array4<f32>, seg: Option<Array3<i16>>) -> Cropped {
    let mask = nonzero_mask(&data);
    let (depth, height, width) = mask.dim();
    let whole = [[0, depth], [0, height], [0, width]];
    let bbox = bounding_box(&mask).unwrap_or(whole);
    let [z, y, x] = bbox.map(|[low, high]| low..high);
    let (data, seg) = if bbox == whole {
        (data, seg)
    } else {
        let seg = seg.map(|seg| seg.slice(s![z.clone(), y.clone(), x.clone()]).to_owned());
        (data.slice(s![.., z.clone(), y.clone(), x.clone()]).to_owned(), seg)
    };
    let mask = mask.slice(s![z, y, x]);
    let mut seg = seg.unwrap_or_else(|| Array3::zeros(mask.raw_dim()));
    Zip::from(&mut seg).and(mask).for_each(|label, &inside| {
        if *label == 0 && !inside {
            *label = OUTSIDE;
        }
    });
    Cropped { data, seg, bbox }
}

/// Where any channel of `data` (C, z, y, x) is not zero, with the holes filled.
///
/// The background is what reaches the border over faces, so nothing is filled in an image of a single slice.
pub fn nonzero_mask(data: &ArrayRef4<f32>) -> Array3<bool> {
    let (_, depth, height, width) = data.dim();
    let mut mask = Array3::from_elem((depth, height, width), false);
    for channel in data.outer_iter() {
        Zip::from(&mut mask).and(channel).for_each(|inside, &value| *inside |= value != 0.0);
    }
    fill_holes(&mut mask);
    mask
}

/// The smallest box around `mask` (z, y, x); `None` where it is empty.
pub fn bounding_box(mask: &ArrayRef3<bool>) -> Option<BoundingBox> {
    let mut bbox = [[0; 2]; 3];
    for (axis, bounds) in bbox.iter_mut().enumerate() {
        let mut hit = mask.axis_iter(Axis(axis)).map(|slice| slice.iter().any(|&inside| inside));
        let low = hit.position(|hit| hit)?;
        let after = mask.len_of(Axis(axis)) - hit.len();
        *bounds = [low, hit.rposition(|hit| hit).map_or(after, |last| after + last + 1)];
    }
    Some(bbox)
}
