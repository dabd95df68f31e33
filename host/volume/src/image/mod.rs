//! Images and segmentations in files, a module a format; [`ENDINGS`] lists them. A folder is a DICOM series.
//!
//! Axes are turned to (C, z, y, x), spacings are what SimpleITK gives, reversed to z, y, x. A segmentation is written with the
//! geometry of the image that it belongs to. Files are written whole or not at all, and equal content makes equal files.

mod bmp;
mod dicom;
mod error;
mod geometry;
mod gipl;
mod meta_image;
mod natural;
mod nifti;
mod nrrd;
mod orientation;
mod png;
mod reader;
mod text;
mod tiff;
mod voxels;

pub use error::ImageError;
pub use geometry::{Difference, Geometry, NiftiGeometry};
pub use orientation::Turned;
pub use reader::Reader;

use ndarray::{Array3, Array4, ArrayRef3, ArrayRef4, Axis};
use std::path::{Path, PathBuf};
use voxels::{Content, Opened, Voxels};

/// A format of files.
trait Format: Sync {
    /// What the file says before a voxel is decoded.
    fn header(&self, path: &Path) -> Result<ImageHeader, ImageError> {
        Ok(self.open(path)?.header)
    }

    /// The header and the voxels behind it.
    fn open(&self, path: &Path) -> Result<Opened, ImageError>;

    /// All files that make up the image: `path`, and what belongs to it.
    fn files(&self, path: &Path) -> Result<Vec<PathBuf>, ImageError> {
        Ok(vec![path.to_owned()])
    }

    fn write(&self, path: &Path, content: Content<'_>, geometry: &Geometry) -> Result<(), ImageError>;
}

/// Which format an ending means.
const FORMATS: [(&str, &dyn Format); 12] = [
    (".nii.gz", &nifti::Nifti),
    (".nii", &nifti::Nifti),
    (".nrrd", &nrrd::Nrrd),
    (".nhdr", &nrrd::Nrrd),
    (".mha", &meta_image::MetaImage),
    (".mhd", &meta_image::MetaImage),
    (".gipl", &gipl::Gipl),
    (".png", &png::Png),
    (".bmp", &bmp::Bmp),
    (".tif", &tiff::Tiff),
    (".tiff", &tiff::Tiff),
    (".dcm", &dicom::Dicom),
];

/// The endings of the formats that are read and, but for DICOM's, written.
pub const ENDINGS: [&str; FORMATS.len()] = {
    let mut endings = [""; FORMATS.len()];
    let mut i = 0;
    while i < endings.len() {
        endings[i] = FORMATS[i].0;
        i += 1;
    }
    endings
};

fn format(path: &Path) -> Result<&'static dyn Format, ImageError> {
    if path.is_dir() {
        return Ok(&dicom::Dicom);
    }
    let name = path.to_string_lossy().to_lowercase();
    let found = FORMATS.into_iter().find(|(ending, _)| name.ends_with(ending));
    found.map(|(_, format)| format).ok_or_else(|| ImageError::UnknownEnding { path: path.to_owned() })
}

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

impl ImageHeader {
    /// Voxels of a channel.
    pub fn voxels(&self) -> u64 {
        self.shape.iter().fold(1, |voxels: u64, &length| voxels.saturating_mul(length as u64))
    }

    /// Bytes of all channels where a voxel takes `each`.
    pub fn bytes(&self, each: u64) -> u64 {
        self.voxels().saturating_mul(self.channels as u64).saturating_mul(each)
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
    let opened = format(path)?.open(path)?;
    let ImageHeader { channels, shape: [depth, height, width], geometry } = opened.header.clone();
    let voxels = opened.read(path, |_, value| Ok(value as f32))?;
    let data = Array4::from_shape_vec((channels, depth, height, width), voxels).map_err(|e| ImageError::malformed(path, e.to_string()))?;
    Ok(Image { data, geometry })
}

/// Reads shape and geometry and decodes no voxel.
///
/// # Errors
/// As [`read_image`], as far as the header goes.
pub fn read_header(path: impl AsRef<Path>) -> Result<ImageHeader, ImageError> {
    let path = path.as_ref();
    format(path)?.header(path)
}

/// Where the voxels of `path` are stored as signed integers of 16 bits: the least and the greatest value that they can have, scaled as the
/// header says. Nothing for voxels of another type, and for formats that a library decodes.
///
/// # Errors
/// As [`read_header`].
pub fn ends_of_i16(path: impl AsRef<Path>) -> Result<Option<[f64; 2]>, ImageError> {
    let path = path.as_ref();
    Ok(match format(path)?.open(path)?.voxels {
        Voxels::Stored(stored) => stored.ends_of_i16(),
        Voxels::Decoded(_) => None,
    })
}

/// Writes each channel of the NIfTI image at `path` to a file of its own, which `name` gives for its number, and returns how many
/// there are. Voxels keep type, scaling and value to the bit; one channel at a time is in memory.
///
/// # Errors
/// As [`read_image`]; no NIfTI; what the system refuses.
pub fn split_channels(path: impl AsRef<Path>, name: impl Fn(usize) -> PathBuf) -> Result<usize, ImageError> {
    let path = path.as_ref();
    let text = path.to_string_lossy().to_lowercase();
    if [".nii", ".nii.gz"].iter().any(|ending| text.ends_with(ending)) {
        nifti::split_channels(path, name)
    } else {
        Err(ImageError::malformed(path, "is no NIfTI image; only those are split"))
    }
}

/// Reads the channels of one case, a file each, and stacks them; the geometry is the first file's.
///
/// The strings are warnings: files that disagree on position or orientation.
///
/// # Errors
/// As [`read_image`]; no file at all; files that disagree on shape or spacing.
pub fn read_channels(paths: &[impl AsRef<Path>]) -> Result<(Image, Vec<String>), ImageError> {
    stack(paths, |path| read_image(path))
}

fn stack<P: AsRef<Path>>(paths: &[P], read: impl Fn(&Path) -> Result<Image, ImageError>) -> Result<(Image, Vec<String>), ImageError> {
    let mut images = paths.iter().map(|path| read(path.as_ref())).collect::<Result<Vec<_>, _>>()?;
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
        for Difference { property, found, wanted } in image.geometry.differences(&first.geometry) {
            if property == "spacing" {
                return Err(mismatch(property, found, wanted));
            }
            warnings.push(format!("the {property} of {} is {found}, but that of {} is {wanted}", path.display(), first_path.display()));
        }
    }
    let geometry = first.geometry.clone();
    if images.len() == 1 {
        return Ok((images.swap_remove(0), warnings));
    }
    let views: Vec<_> = images.iter().map(|image| image.data.view()).collect();
    let data = ndarray::concatenate(Axis(0), &views).map_err(|e| ImageError::malformed(first_path.as_ref(), e.to_string()))?;
    Ok((Image { data, geometry }, warnings))
}

/// Reads labels (z, y, x) with their exact values.
///
/// # Errors
/// As [`read_image`]; more than one channel; a voxel that is no integer of 16 bits.
pub fn read_segmentation(path: impl AsRef<Path>) -> Result<(Array3<i16>, Geometry), ImageError> {
    let path = path.as_ref();
    let opened = format(path)?.open(path)?;
    let ImageHeader { channels, shape, geometry } = opened.header.clone();
    if channels != 1 {
        return Err(ImageError::malformed(path, format!("has {channels} channels; a segmentation has 1")));
    }
    let labels = opened.read(path, |index, value| to_label(path, shape, index, value))?;
    let labels = Array3::from_shape_vec(shape, labels).map_err(|e| ImageError::malformed(path, e.to_string()))?;
    Ok((labels, geometry))
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

/// All files that make up the image at `path`: a header's file of voxels, a stack's file with the spacing, the slices of a series.
///
/// # Errors
/// An unknown ending; a header that cannot be read.
pub fn files(path: impl AsRef<Path>) -> Result<Vec<PathBuf>, ImageError> {
    let path = path.as_ref();
    format(path)?.files(path)
}

/// Writes labels (z, y, x), `u8` where all are below 255 and `u16` otherwise.
///
/// `geometry` is that of the image which was segmented; a grid that a reader turned is turned back.
///
/// # Errors
/// An unknown ending; a negative label; what the format cannot hold; what the system refuses.
pub fn write_segmentation(path: impl AsRef<Path>, labels: &ArrayRef3<i16>, geometry: &Geometry) -> Result<(), ImageError> {
    let path = path.as_ref();
    if let Some(negative) = labels.iter().find(|&&label| label < 0) {
        return Err(ImageError::unwritable(path, format!("label {negative} is negative")));
    }
    match &geometry.turned {
        Some(turned) => format(path)?.write(path, Content::Labels(&turned.labels_back(labels)), &turned.original),
        None => format(path)?.write(path, Content::Labels(labels), geometry),
    }
}

/// Writes an image (C, z, y, x): natural 2D images as integers, all others as `f32`.
///
/// # Errors
/// An unknown ending; what the format cannot hold; what the system refuses.
pub fn write_image(path: impl AsRef<Path>, data: &ArrayRef4<f32>, geometry: &Geometry) -> Result<(), ImageError> {
    let path = path.as_ref();
    match &geometry.turned {
        Some(turned) => format(path)?.write(path, Content::Image(&turned.back(data.to_owned())), &turned.original),
        None => format(path)?.write(path, Content::Image(data), geometry),
    }
}
