//! What the formats of natural 2D images share: pixels whose channels lie side by side, and no spacing.

use super::voxels::{Content, Kind, Opened, Voxels};
use super::{Geometry, ImageError, ImageHeader};
use std::path::Path;

/// A grey image, RGB or RGBA.
pub(super) struct Pixels {
    pub(super) width: u32,
    pub(super) height: u32,
    /// 1, 3 or 4.
    pub(super) channels: usize,
    /// Whether a value may be above 255.
    pub(super) wide: bool,
    /// Row by row.
    pub(super) values: Vec<u16>,
}

/// The header of an image without a spacing.
pub(super) fn header(channels: usize, height: usize, width: usize) -> ImageHeader {
    ImageHeader { channels, shape: [1, height, width], geometry: Geometry::of_pixels([1.0, 1.0]) }
}

/// An image of which `value` gives the values row by row, the channels of a pixel side by side.
pub(super) fn opened(header: ImageHeader, value: impl Fn(usize) -> f32) -> Opened {
    let ([_, height, width], channels) = (header.shape, header.channels);
    let pixels = height * width;
    let values = (0..channels).flat_map(|channel| (0..pixels).map(move |pixel| pixel * channels + channel)).map(value).collect();
    Opened { header, voxels: Voxels::Decoded(values) }
}

impl Pixels {
    /// The pixels of one slice.
    ///
    /// # Errors
    /// More than one slice; a number of channels that is not 1, 3 or 4; a value that is no integer from 0 to `highest`.
    pub(super) fn of(path: &Path, content: Content<'_>, highest: u16) -> Result<Self, ImageError> {
        let (channels, [depth, height, width]) = content.shape();
        if depth != 1 {
            return Err(ImageError::unwritable(path, format!("{depth} slices; a 2D format holds 1, .nii.gz any number")));
        }
        if !matches!(channels, 1 | 3 | 4) {
            return Err(ImageError::unwritable(path, format!("{channels} channels; a 2D format holds 1, 3 or 4")));
        }
        let length = |length: usize| u32::try_from(length).map_err(|_| ImageError::unwritable(path, format!("an axis of {length} pixels")));
        let integer = |value: f32| {
            let fits = (0.0..=f32::from(highest)).contains(&value) && value.fract() == 0.0;
            fits.then_some(value as u16).ok_or_else(|| ImageError::unwritable(path, format!("value {value} is no integer from 0 to {highest}")))
        };
        let values: Result<Vec<u16>, _> = match content {
            Content::Labels(labels) => labels.iter().map(|&label| integer(f32::from(label))).collect(),
            Content::Image(data) => data.view().permuted_axes([1, 2, 3, 0]).iter().map(|&value| integer(value)).collect(),
        };
        let values = values?;
        let wide = match content {
            Content::Labels(_) => content.kind() != Kind::U8,
            Content::Image(_) => values.iter().any(|&value| value > 255),
        };
        Ok(Self { width: length(width)?, height: length(height)?, channels, wide, values })
    }

    /// The values in one byte each; those above 255 must have been refused.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.values.iter().map(|&value| value as u8).collect()
    }
}
