//! Natural 2D images: PNG.

use super::{Geometry, Image, ImageError, ImageHeader};
use ndarray::{Array3, Array4, ArrayRef3, ArrayRef4};
use png::{BitDepth, ColorType, Decoder, Encoder, Limits, Reader, Transformations};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// nnU-Net's spacing of an image without one, (z, y, x).
const SPACING: [f64; 3] = [999.0, 1.0, 1.0];
/// No deflate stream grows by more than this factor.
const DEFLATE_LIMIT: u64 = 1032;

fn open(path: &Path) -> Result<(Reader<BufReader<File>>, u64), ImageError> {
    let file = File::open(path).map_err(ImageError::read(path))?;
    let length = file.metadata().map_err(ImageError::read(path))?.len();
    let limits = Limits { bytes: usize::MAX };
    let mut decoder = Decoder::new_with_limits(BufReader::new(file), limits);
    decoder.set_transformations(Transformations::EXPAND);
    Ok((decoder.read_info().map_err(|e| broken(path, &e))?, length))
}

/// Channels after palettes are expanded.
fn channels(path: &Path, reader: &Reader<BufReader<File>>) -> Result<usize, ImageError> {
    match reader.output_color_type().0 {
        ColorType::Grayscale => Ok(1),
        ColorType::Rgb => Ok(3),
        ColorType::Rgba => Ok(4),
        other => Err(ImageError::malformed(path, format!("is a {other:?} image; wanted grey, RGB or RGBA"))),
    }
}

fn broken(path: &Path, e: &png::DecodingError) -> ImageError {
    ImageError::malformed(path, format!("is no whole PNG file: {e}"))
}

pub(super) fn read_header(path: &Path) -> Result<ImageHeader, ImageError> {
    let (reader, _) = open(path)?;
    let (width, height) = reader.info().size();
    Ok(ImageHeader { channels: channels(path, &reader)?, shape: [1, height as usize, width as usize], geometry: Geometry::of_spacing(SPACING) })
}

/// (C, 1, H, W); a palette is expanded to its colours.
pub(super) fn read_image(path: &Path) -> Result<Image, ImageError> {
    let (mut reader, length) = open(path)?;
    let channels = channels(path, &reader)?;
    let (width, height) = reader.info().size();
    let (width, height) = (width as usize, height as usize);
    let bytes = reader
        .output_buffer_size()
        .filter(|&bytes| bytes as u64 <= length.saturating_mul(DEFLATE_LIMIT))
        .ok_or_else(|| ImageError::Truncated { path: path.to_owned(), found: 0, wanted: width * height })?;
    let mut pixels = vec![0; bytes];
    reader.next_frame(&mut pixels).map_err(|e| broken(path, &e))?;
    let value: &dyn Fn(usize) -> f32 = match reader.output_color_type().1 {
        BitDepth::Sixteen => &|i| f32::from(u16::from_be_bytes([pixels[2 * i], pixels[2 * i + 1]])),
        _ => &|i| f32::from(pixels[i]),
    };
    let data = Array4::from_shape_fn((channels, 1, height, width), |(c, _, y, x)| value((y * width + x) * channels + c));
    Ok(Image { data, geometry: Geometry::of_spacing(SPACING) })
}

pub(super) fn read_segmentation(path: &Path) -> Result<(Array3<i16>, Geometry), ImageError> {
    let Image { data, geometry } = read_image(path)?;
    let (channels, _, height, width) = data.dim();
    if channels != 1 {
        return Err(ImageError::malformed(path, format!("has {channels} channels; a segmentation has 1 (grey)")));
    }
    let labels: Result<Vec<i16>, _> =
        data.iter().enumerate().map(|(index, &value)| super::to_label(path, [1, height, width], index, value.into())).collect();
    let labels = Array3::from_shape_vec((1, height, width), labels?).map_err(|e| ImageError::malformed(path, e.to_string()))?;
    Ok((labels, geometry))
}

pub(super) fn write_segmentation(path: &Path, labels: &ArrayRef3<i16>) -> Result<(), ImageError> {
    let (depth, height, width) = labels.dim();
    let pixels: Result<Vec<u8>, _> =
        labels.iter().map(|&label| u8::try_from(label).map_err(|_| ImageError::unwritable(path, format!("label {label} is not 0 to 255")))).collect();
    write(path, depth, height, width, ColorType::Grayscale, &pixels?)
}

pub(super) fn write_image(path: &Path, data: &ArrayRef4<f32>) -> Result<(), ImageError> {
    let (channels, depth, height, width) = data.dim();
    let colour = match channels {
        1 => ColorType::Grayscale,
        3 => ColorType::Rgb,
        4 => ColorType::Rgba,
        _ => return Err(ImageError::unwritable(path, format!("{channels} channels; PNG holds 1, 3 or 4"))),
    };
    let byte = |&value: &f32| {
        let fits = (0.0..=255.0).contains(&value) && value.fract() == 0.0;
        fits.then_some(value as u8).ok_or_else(|| ImageError::unwritable(path, format!("value {value} is no integer from 0 to 255")))
    };
    let pixels: Result<Vec<u8>, _> = data.view().permuted_axes([1, 2, 3, 0]).iter().map(byte).collect();
    write(path, depth, height, width, colour, &pixels?)
}

fn write(path: &Path, depth: usize, height: usize, width: usize, colour: ColorType, pixels: &[u8]) -> Result<(), ImageError> {
    if depth != 1 {
        return Err(ImageError::unwritable(path, format!("{depth} slices; PNG holds 1, .nii.gz any number")));
    }
    let failed = |e: png::EncodingError| ImageError::unwritable(path, e.to_string());
    let length = |length: usize| u32::try_from(length).map_err(|_| ImageError::unwritable(path, format!("an axis of {length} pixels")));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, length(width)?, length(height)?);
    encoder.set_color(colour);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(crate::files::atomic::write_bytes(path, &bytes)?)
}
