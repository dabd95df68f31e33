//! Images and segmentations in files: NIfTI-1 and NIfTI-2 (`.nii`, `.nii.gz`) and PNG.
//!
//! Axes are turned to (C, z, y, x), spacings are what SimpleITK gives, reversed to z, y, x. A segmentation is written with the
//! geometry of the image that it belongs to. Files are written whole or not at all, and equal content makes equal files.

mod error;
mod geometry;
mod nifti;
mod png;

pub use error::ImageError;
pub use geometry::{Geometry, NiftiGeometry};

use ndarray::{Array3, Array4, ArrayRef3, ArrayRef4, Axis};
use std::path::Path;

/// The endings of the formats that are read and written.
pub const ENDINGS: [&str; 3] = [".nii.gz", ".nii", ".png"];

/// An image and where it lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// (C, z, y, x) intensities.
    pub data: Array4<f32>,
    /// Spacing, position and orientation.
    pub geometry: Geometry,
}

impl Image {
    /// Distance between neighbouring voxels in mm, (z, y, x).
    pub fn spacing(&self) -> [f64; 3] {
        self.geometry.spacing
    }
}

/// What a file says of its image before a voxel is decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageHeader {
    /// Number of channels in the file.
    pub channels: usize,
    /// (z, y, x).
    pub shape: [usize; 3],
    /// Spacing, position and orientation.
    pub geometry: Geometry,
}

/// The formats.
#[derive(Debug, Clone, Copy)]
enum Format {
    Nifti,
    Png,
}

impl Format {
    fn of(path: &Path) -> Result<Self, ImageError> {
        let name = path.to_string_lossy().to_lowercase();
        match ENDINGS.into_iter().find(|ending| name.ends_with(ending)) {
            Some(".png") => Ok(Self::Png),
            Some(_) => Ok(Self::Nifti),
            None => Err(ImageError::UnknownEnding { path: path.to_owned() }),
        }
    }
}

/// Reads an image as (C, z, y, x).
///
/// A 2D image has one slice; its spacing there is 999 times the largest of the others. The fourth axis of a 4D image are
/// channels. Stored values are scaled by the header's slope and intercept.
///
/// # Errors
/// An unknown ending; a file that is missing, cut short or contradicts its format.
pub fn read_image(path: impl AsRef<Path>) -> Result<Image, ImageError> {
    let path = path.as_ref();
    match Format::of(path)? {
        Format::Nifti => nifti::read_image(path),
        Format::Png => png::read_image(path),
    }
}

/// Reads shape and geometry and decodes no voxel.
///
/// # Errors
/// As [`read_image`], as far as the header goes.
pub fn read_header(path: impl AsRef<Path>) -> Result<ImageHeader, ImageError> {
    let path = path.as_ref();
    match Format::of(path)? {
        Format::Nifti => nifti::read_header(path),
        Format::Png => png::read_header(path),
    }
}

/// Reads the channels of one case, a file each, and stacks them; the geometry is the first file's.
///
/// The strings are warnings: files that disagree on position or orientation.
///
/// # Errors
/// As [`read_image`]; no file at all; files that disagree on shape or spacing.
pub fn read_channels(paths: &[impl AsRef<Path>]) -> Result<(Image, Vec<String>), ImageError> {
    let images = paths.iter().map(read_image).collect::<Result<Vec<_>, _>>()?;
    let (Some(first), Some(first_path)) = (images.first(), paths.first()) else {
        return Err(ImageError::NoChannel);
    };
    let mut warnings = Vec::new();
    for (image, path) in images.iter().zip(paths).skip(1) {
        let (path, first_path) = (path.as_ref(), first_path.as_ref());
        let mismatch =
            |property, found, wanted| ImageError::Mismatch { first: first_path.to_owned(), path: path.to_owned(), property, found, wanted };
        let (found, wanted) = (&image.data.shape()[1..], &first.data.shape()[1..]);
        if found != wanted {
            return Err(mismatch("shape", format!("{found:?}"), format!("{wanted:?}")));
        }
        let (found, wanted) = (&image.geometry, &first.geometry);
        if !all_close(&found.spacing, &wanted.spacing) {
            return Err(mismatch("spacing", format!("{:?}", found.spacing), format!("{:?}", wanted.spacing)));
        }
        let mut warn = |property: &str, found: &[f64], wanted: &[f64]| {
            if !all_close(found, wanted) {
                let (path, first) = (path.display(), first_path.display());
                warnings.push(format!("the {property} of {path} is {found:?}, but that of {first} is {wanted:?}"));
            }
        };
        warn("origin", &found.origin, &wanted.origin);
        warn("direction", found.direction.as_flattened(), wanted.direction.as_flattened());
    }
    let geometry = first.geometry.clone();
    let mut data: Vec<Array4<f32>> = images.into_iter().map(|image| image.data).collect();
    let data = if data.len() == 1 {
        data.swap_remove(0)
    } else {
        let views: Vec<_> = data.iter().map(|channels| channels.view()).collect();
        ndarray::concatenate(Axis(0), &views).map_err(|e| ImageError::malformed(first_path.as_ref(), e.to_string()))?
    };
    Ok((Image { data, geometry }, warnings))
}

/// Equal but for rounding, as NumPy's `allclose` has it.
fn all_close(found: &[f64], wanted: &[f64]) -> bool {
    found.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= 1e-8 + 1e-5 * b.abs())
}

/// Reads labels (z, y, x) with their exact values.
///
/// # Errors
/// As [`read_image`]; more than one channel; a voxel that is no integer of 16 bits.
pub fn read_segmentation(path: impl AsRef<Path>) -> Result<(Array3<i16>, Geometry), ImageError> {
    let path = path.as_ref();
    match Format::of(path)? {
        Format::Nifti => nifti::read_segmentation(path),
        Format::Png => png::read_segmentation(path),
    }
}

/// The label that the voxel `index` of an image (z, y, x) of `shape` holds.
fn to_label(path: &Path, shape: [usize; 3], index: usize, value: f64) -> Result<i16, ImageError> {
    if value.fract() == 0.0 && (f64::from(i16::MIN)..=f64::from(i16::MAX)).contains(&value) {
        return Ok(value as i16);
    }
    let [_, height, width] = shape;
    let voxel = [index / (height * width), index / width % height, index % width];
    Err(ImageError::NoLabel { path: path.to_owned(), value, voxel })
}

/// Writes labels (z, y, x), `u8` where all are below 255 and `u16` otherwise; PNG holds `u8`.
///
/// `geometry` is that of the image which was segmented.
///
/// # Errors
/// An unknown ending; a negative label; what the format cannot hold; what the system refuses.
pub fn write_segmentation(path: impl AsRef<Path>, labels: &ArrayRef3<i16>, geometry: &Geometry) -> Result<(), ImageError> {
    let path = path.as_ref();
    match Format::of(path)? {
        Format::Nifti => nifti::write_segmentation(path, labels, geometry),
        Format::Png => png::write_segmentation(path, labels),
    }
}

/// Writes an image (C, z, y, x): NIfTI as `f32`, PNG as `u8`.
///
/// # Errors
/// An unknown ending; what the format cannot hold; what the system refuses.
pub fn write_image(path: impl AsRef<Path>, data: &ArrayRef4<f32>, geometry: &Geometry) -> Result<(), ImageError> {
    let path = path.as_ref();
    match Format::of(path)? {
        Format::Nifti => nifti::write_image(path, data, geometry),
        Format::Png => png::write_image(path, data),
    }
}
