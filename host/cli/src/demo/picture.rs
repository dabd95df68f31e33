//! One slice of each case with the outlines of truth and prediction.

use ndarray::{Array3, Array4, ArrayView2, Axis};
use pipeline::error::Result;
use std::path::Path;
use volume::image::{Geometry, read_image, read_segmentation, write_image};

/// Screen pixels of a voxel.
const SCALE: usize = 10;
/// Screen pixels of an outline.
const PEN: usize = 2;
/// Between the cases.
const GAP: usize = 8;
/// Of the truth.
pub(crate) const TRUTH: [u8; 3] = [80, 220, 120];
/// Of the prediction.
pub(crate) const PREDICTION: [u8; 3] = [250, 90, 200];

/// A slice: grey values from 0 to 255, true and predicted labels, all (y, x).
struct Slice {
    grey: Vec<u8>,
    truth: Vec<i16>,
    prediction: Vec<i16>,
    height: usize,
    width: usize,
}

/// Draws the first channel of `cases` (image, truth, prediction) side by side into the PNG at `path`, each at the slice that shows
/// most of label 2.
///
/// # Errors
/// An image cannot be read, images of a case differ in shape, or the picture cannot be written.
pub(crate) fn draw(path: &Path, cases: &[[&Path; 3]]) -> Result<()> {
    let slices = cases.iter().map(read).collect::<Result<Vec<_>>>()?;
    let height = slices.iter().map(|s| s.height).max().unwrap_or(1) * SCALE;
    let width = slices.iter().map(|s| s.width * SCALE + GAP).sum::<usize>().saturating_sub(GAP).max(1);
    let mut pixels = Array4::from_elem((3, 1, height, width), 255.0);
    let mut left = 0;
    for slice in &slices {
        for y in 0..slice.height * SCALE {
            for x in 0..slice.width * SCALE {
                for (channel, value) in slice.colour(y, x).into_iter().enumerate() {
                    pixels[(channel, 0, y, left + x)] = f32::from(value);
                }
            }
        }
        left += slice.width * SCALE + GAP;
    }
    Ok(write_image(path, &pixels, &Geometry::of_spacing([1.0; 3]))?)
}

fn read(case: &[&Path; 3]) -> Result<Slice> {
    let [image, truth, prediction] = *case;
    let data = read_image(image)?.data.index_axis_move(Axis(0), 0);
    let labels = |path: &Path| -> Result<Array3<i16>> {
        let labels = read_segmentation(path)?.0;
        if labels.dim() == data.dim() {
            return Ok(labels);
        }
        let what = format!("has {:?} voxels, its image {:?}", labels.dim(), data.dim());
        Err(pipeline::error::Error::content(path, what))
    };
    let (truth, prediction) = (labels(truth)?, labels(prediction)?);
    let lesions = |z: &usize| truth.index_axis(Axis(0), *z).iter().filter(|&&v| v == 2).count();
    let z = (0..truth.dim().0).max_by_key(lesions).unwrap_or(0);
    let white = data.iter().copied().fold(1.0, f32::max);
    let (_, height, width) = data.dim();
    let plane = |a: ArrayView2<'_, i16>| a.iter().copied().collect();
    Ok(Slice {
        grey: data.index_axis(Axis(0), z).iter().map(|v| (255.0 * v / white).clamp(0.0, 255.0) as u8).collect(),
        truth: plane(truth.index_axis(Axis(0), z)),
        prediction: plane(prediction.index_axis(Axis(0), z)),
        height,
        width,
    })
}

impl Slice {
    /// The colour of a screen pixel: an outline lies on the voxel's inner edge, the prediction's inside the truth's.
    fn colour(&self, y: usize, x: usize) -> [u8; 3] {
        if self.is_edge(&self.truth, y, x, 0) {
            TRUTH
        } else if self.is_edge(&self.prediction, y, x, PEN) {
            PREDICTION
        } else {
            [self.grey[y / SCALE * self.width + x / SCALE]; 3]
        }
    }

    /// Whether the pixel is in a line that lies `depth` pixels inside an edge of its voxel where a lower label is beyond.
    fn is_edge(&self, labels: &[i16], y: usize, x: usize, depth: usize) -> bool {
        let at = |y: Option<usize>, x: Option<usize>| match (y, x) {
            (Some(y), Some(x)) if y < self.height && x < self.width => labels[y * self.width + x],
            _ => 0,
        };
        let (vy, vx) = (y / SCALE, x / SCALE);
        let own = at(Some(vy), Some(vx));
        let line = depth..depth + PEN;
        let (low, high) = (|v: usize| line.contains(&(v % SCALE)), |v: usize| line.contains(&(SCALE - 1 - v % SCALE)));
        own > 0
            && (low(y) && at(vy.checked_sub(1), Some(vx)) < own
                || high(y) && at(Some(vy + 1), Some(vx)) < own
                || low(x) && at(Some(vy), vx.checked_sub(1)) < own
                || high(x) && at(Some(vy), Some(vx + 1)) < own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlines_enclose_the_labels() {
        let mut truth = vec![0; 9];
        truth[4] = 1;
        let slice = Slice { grey: vec![7; 9], prediction: truth.clone(), truth, height: 3, width: 3 };
        assert_eq!(slice.colour(SCALE, SCALE), TRUTH);
        assert_eq!(slice.colour(SCALE + PEN, SCALE + PEN), PREDICTION);
        assert_eq!(slice.colour(SCALE + 2 * PEN, SCALE + 2 * PEN), [7; 3]);
        assert_eq!(slice.colour(SCALE - 1, SCALE), [7; 3]);
        assert_eq!(slice.colour(2 * SCALE - 1, SCALE + 5), TRUTH);
    }

    #[test]
    fn a_picture_holds_all_cases() {
        let dir = tempfile::tempdir().unwrap();
        let [image, labels, png] = ["a_0000.nii.gz", "a.nii.gz", "a.png"].map(|name| dir.path().join(name));
        write_image(&image, &Array4::ones((1, 3, 5, 4)), &Geometry::of_spacing([1.0; 3])).unwrap();
        volume::image::write_segmentation(&labels, &Array3::ones((3, 5, 4)), &Geometry::of_spacing([1.0; 3])).unwrap();
        let case = [image.as_path(), labels.as_path(), labels.as_path()];
        draw(&png, &[case, case]).unwrap();
        assert_eq!(read_image(&png).unwrap().data.dim(), (3, 1, 5 * SCALE, 8 * SCALE + GAP));
        volume::image::write_segmentation(&labels, &Array3::ones((3, 5, 5)), &Geometry::of_spacing([1.0; 3])).unwrap();
        assert!(draw(&png, &[case]).unwrap_err().to_string().contains("(3, 5, 5)"));
    }
}
