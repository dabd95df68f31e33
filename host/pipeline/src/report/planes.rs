//! A case in three planes: all slices of a plane below one another in one PNG, of which the page shows one.

use super::gather::Case;
use crate::{
    dataset::{DatasetJson, read_labels},
    error::{Error, Result},
};
use ndarray::{Array3, Axis};
use volume::image::{Reader, read_segmentation};

/// Longest edge of a slice on the page, pixels.
const EDGE: usize = 224;
/// Slices of a plane, at most; of more, evenly chosen ones are shown.
const SLICES: usize = 48;
/// Palette: greys, then the three outlines.
const GREYS: u8 = 200;
const TRUTH: u8 = GREYS;
const PREDICTION: u8 = GREYS + 1;
const BOTH: u8 = GREYS + 2;
/// Red, green and blue of truth, prediction, and of where both outlines are.
pub(super) const COLOURS: [[u8; 3]; 3] = [[80, 220, 120], [250, 90, 200], [255, 225, 80]];

/// The planes of a case: axial, coronal, sagittal.
pub(super) struct Views {
    pub(super) planes: Vec<Plane>,
    /// Whether the image was found; without it the outlines are on black.
    pub(super) with_image: bool,
}

/// All slices of a plane.
pub(super) struct Plane {
    pub(super) name: &'static str,
    /// Pixels of a slice.
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) slices: usize,
    /// The slice with most foreground.
    pub(super) first: usize,
    pub(super) png: Vec<u8>,
}

/// The volumes of a case, (z, y, x).
struct Volumes {
    image: Option<Array3<f32>>,
    truth: Array3<i16>,
    prediction: Array3<i16>,
    spacing: [f64; 3],
    /// Values that are black and white.
    window: (f32, f32),
}

pub(super) fn draw(case: &Case, dataset: Option<&DatasetJson>) -> Result<Views> {
    let labels = |path: &std::path::Path| match dataset {
        Some(dataset) => read_labels(path, dataset),
        None => Ok(read_segmentation(path)?),
    };
    let ((truth, geometry), (prediction, _)) = (labels(&case.reference)?, labels(&case.prediction)?);
    if truth.dim() != prediction.dim() {
        return Err(Error::content(&case.prediction, format!("has {:?} voxels (z, y, x), its reference {:?}", prediction.dim(), truth.dim())));
    }
    // without a dataset no image is turned
    let reader = dataset.map_or(Ok(Reader::SimpleItk), DatasetJson::reader)?;
    let image = match &case.image {
        Some(path) => Some(reader.read_image(path)?.data.index_axis_move(Axis(0), 0)).filter(|image| image.dim() == truth.dim()),
        None => None,
    };
    let window = image.as_ref().map_or((0.0, 1.0), window);
    let volumes = Volumes { image, truth, prediction, spacing: geometry.spacing, window };
    let planes = [("axial", 0), ("coronal", 1), ("sagittal", 2)].into_iter().filter(|&(_, axis)| volumes.is_worth_a_view(axis));
    let planes = planes.map(|(name, axis)| volumes.plane(name, axis)).collect::<Result<_>>()?;
    Ok(Views { planes, with_image: volumes.image.is_some() })
}

/// The 1st and 99th percentile of the voxels.
fn window(image: &Array3<f32>) -> (f32, f32) {
    let mut values: Vec<f32> = image.iter().copied().filter(|v| v.is_finite()).step_by((image.len() / 100_000).max(1)).collect();
    values.sort_by(f32::total_cmp);
    let at = |share: f64| values.get(((values.len().saturating_sub(1)) as f64 * share) as usize).copied().unwrap_or(0.0);
    let (low, high) = (at(0.01), at(0.99));
    if high > low { (low, high) } else { (low, low + 1.0) }
}

impl Volumes {
    /// A slice image has one plane only.
    fn is_worth_a_view(&self, axis: usize) -> bool {
        axis == 0 || self.truth.len_of(Axis(0)) > 1
    }

    fn plane(&self, name: &'static str, axis: usize) -> Result<Plane> {
        let (down, right) = [(1, 2), (0, 2), (0, 1)][axis];
        let length = |axis: usize| self.truth.len_of(Axis(axis));
        let mm = |axis: usize| length(axis) as f64 * self.spacing[axis];
        let scale = EDGE as f64 / mm(down).max(mm(right)).max(1e-9);
        let pixels = |axis: usize| ((mm(axis) * scale).round() as usize).clamp(1, EDGE);
        let (height, width) = (pixels(down), pixels(right));
        let all = length(axis);
        let slices = all.min(SLICES);
        let index = |slice: usize| if slices == 1 { all / 2 } else { slice * (all - 1) / (slices - 1) };
        let mut out = Vec::with_capacity(height * width * slices);
        for slice in 0..slices {
            self.slice(axis, index(slice), (down, right), (height, width), &mut out);
        }
        let foreground = |slice: &usize| self.truth.index_axis(Axis(axis), index(*slice)).iter().filter(|&&v| v > 0).count();
        let first = (0..slices).max_by_key(foreground).unwrap_or(0);
        Ok(Plane { name, width, height, slices, first, png: png(&out, width, height * slices)? })
    }

    /// Pixels of one slice, the first row that of the highest index along `down` where that is z (head up).
    fn slice(&self, axis: usize, at: usize, (down, right): (usize, usize), (height, width): (usize, usize), out: &mut Vec<u8>) {
        let voxel = |y: usize, x: usize| {
            let rows = self.truth.len_of(Axis(down));
            let row = (y * rows / height).min(rows - 1);
            let row = if down == 0 { rows - 1 - row } else { row };
            let columns = self.truth.len_of(Axis(right));
            let mut index = [0; 3];
            (index[axis], index[down], index[right]) = (at, row, (x * columns / width).min(columns - 1));
            index
        };
        for y in 0..height {
            for x in 0..width {
                let here = voxel(y, x);
                let next = [voxel((y + 1).min(height - 1), x), voxel(y, (x + 1).min(width - 1))];
                let edge = |labels: &Array3<i16>| next.iter().any(|&there| labels[there] != labels[here]);
                out.push(match (edge(&self.truth), edge(&self.prediction)) {
                    (true, true) => BOTH,
                    (true, false) => TRUTH,
                    (false, true) => PREDICTION,
                    (false, false) => self.grey(here),
                });
            }
        }
    }

    fn grey(&self, at: [usize; 3]) -> u8 {
        let (low, high) = self.window;
        let value = self.image.as_ref().map_or(low, |image| image[at]);
        let share = if value.is_finite() { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
        (share * f32::from(GREYS - 1)) as u8
    }
}

fn png(pixels: &[u8], width: usize, height: usize) -> Result<Vec<u8>> {
    let greys = (0..GREYS).flat_map(|i| [(u16::from(i) * 255 / u16::from(GREYS - 1)) as u8; 3]);
    let palette: Vec<u8> = greys.chain(COLOURS.into_iter().flatten()).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels));
    written.map_err(|error| Error::invalid(format!("a picture of {width} x {height} pixels cannot be written: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset::tests::in_files,
        test_data::{dataset, write_labels},
    };
    use ndarray::Array4;
    use serde_json::{Value, json};
    use std::path::Path;
    use volume::image::{Geometry, write_image};

    /// A case in `folder`, whose files run the other way along x and y if they are `mirrored`.
    fn case(folder: &Path, mirrored: bool) -> Case {
        let at = |y: usize, x: usize| if mirrored { (3 - y, 4 - x) } else { (y, x) };
        let labels = Array3::from_shape_fn((3, 4, 5), |(z, y, x)| {
            let (y, x) = at(y, x);
            i16::from(z > 0 && y > 1 && x > 2)
        });
        let image = Array4::from_shape_fn((1, 3, 4, 5), |(_, z, y, x)| {
            let (y, x) = at(y, x);
            (z * 20 + y * 5 + x) as f32
        });
        let [file, channel] = ["a.nii.gz", "a_0000.nii.gz"].map(|name| folder.join(name));
        write_labels(&file, &labels);
        write_image(&channel, &image, &Geometry::of_spacing([1.0; 3])).unwrap();
        Case { name: "a".into(), fold: String::new(), dice: vec![], mean: 1.0, prediction: file.clone(), reference: file, image: Some(channel) }
    }

    #[test]
    fn image_and_outlines_are_turned_together() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dataset(json!({"background": 0, "a": 1}), Value::Null);
        let turned = in_files(&plain, ".nii.gz", "SimpleITKIOWithReorient");
        let pictures = |case: &Case, dataset: &DatasetJson| {
            let planes = draw(case, Some(dataset)).unwrap().planes;
            planes.into_iter().map(|plane| plane.png).collect::<Vec<_>>()
        };
        let wanted = pictures(&case(&dir.path().join("plain"), false), &plain);
        assert_eq!(wanted.len(), 3);
        assert!(wanted == pictures(&case(&dir.path().join("turned"), true), &turned));
    }
}
