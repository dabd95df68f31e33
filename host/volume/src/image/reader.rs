//! nnU-Net's image readers, by the names that plans and `dataset.json` give them.

use super::{Geometry, Image, ImageError, ImageHeader, read_header, read_image, read_segmentation, stack};
use ndarray::{Array3, Axis};
use std::path::Path;

/// A reader and writer of nnU-Net. Which format a file has is told by its ending, so the readers differ in two things alone: whether
/// images are turned to one orientation, and what a case's properties say of the geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reader {
    /// `NaturalImage2DIO`: 2D images without a spacing.
    NaturalImage2D,
    /// `SimpleITKIO`.
    SimpleItk,
    /// `SimpleITKIOWithReorient`: turned to right, anterior, superior.
    SimpleItkReorient,
    /// `Tiff3DIO`: stacks with their spacing in `{case}.json`.
    Tiff3D,
    /// `NibabelIO`.
    Nibabel,
    /// `NibabelIOWithReorient`: turned to right, anterior, superior.
    NibabelReorient,
}

/// Names and endings in the order of trial; without endings a reader is taken by its name only.
const READERS: [(Reader, &str, &[&str]); 6] = [
    (Reader::NaturalImage2D, "NaturalImage2DIO", &[".png", ".bmp"]),
    (Reader::SimpleItk, "SimpleITKIO", &[".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".gipl", ".dcm"]),
    (Reader::Tiff3D, "Tiff3DIO", &[".tif", ".tiff"]),
    (Reader::Nibabel, "NibabelIO", &[".nii", ".nii.gz"]),
    (Reader::NibabelReorient, "NibabelIOWithReorient", &[]),
    (Reader::SimpleItkReorient, "SimpleITKIOWithReorient", &[]),
];

impl Reader {
    /// All readers' names.
    pub fn names() -> [&'static str; 6] {
        READERS.map(|(_, name, _)| name)
    }

    /// The reader of that name.
    pub fn named(name: &str) -> Option<Self> {
        READERS.iter().find(|(_, known, _)| *known == name).map(|(reader, ..)| *reader)
    }

    /// nnU-Net's name.
    pub fn name(self) -> &'static str {
        READERS.iter().find(|(reader, ..)| *reader == self).map_or("", |(_, name, _)| name)
    }

    /// The first reader for files that end in `ending`; for `.tif` it is the one of stacks, see [`Reader::of`].
    pub fn of_ending(ending: &str) -> Option<Self> {
        let ending = ending.to_lowercase();
        READERS.iter().find(|(.., endings)| endings.contains(&ending.as_str())).map(|(reader, ..)| *reader)
    }

    /// The first reader for files that end in `ending` such as `image`: a `.tif` may be 2D or a stack.
    ///
    /// # Errors
    /// The image's header cannot be read.
    pub fn of(ending: &str, image: &Path) -> Result<Option<Self>, ImageError> {
        Ok(match Self::of_ending(ending) {
            Some(Self::Tiff3D) if ending.eq_ignore_ascii_case(".tif") && read_header(image)?.geometry.flat => Some(Self::NaturalImage2D),
            other => other,
        })
    }

    /// Whether images are turned to right, anterior, superior.
    pub fn reorients(self) -> bool {
        matches!(self, Self::SimpleItkReorient | Self::NibabelReorient)
    }

    /// As [`super::read_image`].
    ///
    /// # Errors
    /// The same.
    pub fn read_image(self, path: impl AsRef<Path>) -> Result<Image, ImageError> {
        let Image { data, geometry } = read_image(path)?;
        let (_, depth, height, width) = data.dim();
        let geometry = self.turned(geometry, [depth, height, width]);
        let data = match &geometry.turned {
            Some(turned) => turned.turn(data),
            None => data,
        };
        Ok(Image { data, geometry })
    }

    /// As [`super::read_header`].
    ///
    /// # Errors
    /// The same.
    pub fn read_header(self, path: impl AsRef<Path>) -> Result<ImageHeader, ImageError> {
        let ImageHeader { channels, shape, geometry } = read_header(path)?;
        let geometry = self.turned(geometry, shape);
        let shape = geometry.turned.as_ref().map_or(shape, |turned| turned.shape(shape));
        Ok(ImageHeader { channels, shape, geometry })
    }

    /// As [`super::read_channels`].
    ///
    /// # Errors
    /// The same.
    pub fn read_channels(self, paths: &[impl AsRef<Path>]) -> Result<(Image, Vec<String>), ImageError> {
        stack(paths, |path| self.read_image(path))
    }

    /// As [`super::read_segmentation`].
    ///
    /// # Errors
    /// The same.
    pub fn read_segmentation(self, path: impl AsRef<Path>) -> Result<(Array3<i16>, Geometry), ImageError> {
        let (labels, geometry) = read_segmentation(path)?;
        let (depth, height, width) = labels.dim();
        let geometry = self.turned(geometry, [depth, height, width]);
        let labels = match &geometry.turned {
            Some(turned) => turned.turn(labels.insert_axis(Axis(0))).remove_axis(Axis(0)),
            None => labels,
        };
        Ok((labels, geometry))
    }

    fn turned(self, geometry: Geometry, shape: [usize; 3]) -> Geometry {
        if self.reorients() { geometry.to_ras(shape) } else { geometry }
    }
}
