//! PNG: grey, RGB or RGBA of 8 or 16 bits; palettes are expanded to their colours.

use super::natural::{self, Pixels};
use super::voxels::{Content, DEFLATE_LIMIT, Opened, open_file};
use super::{Format, Geometry, ImageError, ImageHeader};
use crate::files::atomic::write_bytes;
use png::{BitDepth, ColorType, Decoder, Encoder, Limits, Reader, Transformations};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

pub(super) struct Png;

impl Format for Png {
    fn header(&self, path: &Path) -> Result<ImageHeader, ImageError> {
        header(path, &open(path)?.0)
    }

    fn open(&self, path: &Path) -> Result<Opened, ImageError> {
        let (mut reader, length) = open(path)?;
        let header = header(path, &reader)?;
        let [_, height, width] = header.shape;
        let bytes = reader
            .output_buffer_size()
            .filter(|&bytes| bytes as u64 <= length.saturating_mul(DEFLATE_LIMIT))
            .ok_or_else(|| ImageError::Truncated { path: path.to_owned(), found: 0, wanted: width * height })?;
        let mut pixels = vec![0; bytes];
        reader.next_frame(&mut pixels).map_err(|e| broken(path, &e))?;
        Ok(match reader.output_color_type().1 {
            BitDepth::Sixteen => natural::opened(header, |i| f32::from(u16::from_be_bytes([pixels[2 * i], pixels[2 * i + 1]]))),
            _ => natural::opened(header, |i| f32::from(pixels[i])),
        })
    }

    fn write(&self, path: &Path, content: Content<'_>, _: &Geometry) -> Result<(), ImageError> {
        let pixels = Pixels::of(path, content, u16::MAX)?;
        let failed = |e: png::EncodingError| ImageError::unwritable(path, e.to_string());
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, pixels.width, pixels.height);
        encoder.set_color(match pixels.channels {
            1 => ColorType::Grayscale,
            3 => ColorType::Rgb,
            _ => ColorType::Rgba,
        });
        encoder.set_depth(if pixels.wide { BitDepth::Sixteen } else { BitDepth::Eight });
        let mut writer = encoder.write_header().map_err(failed)?;
        let data = if pixels.wide { pixels.values.iter().flat_map(|value| value.to_be_bytes()).collect() } else { pixels.bytes() };
        writer.write_image_data(&data).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(write_bytes(path, &bytes)?)
    }
}

fn open(path: &Path) -> Result<(Reader<BufReader<File>>, u64), ImageError> {
    let (file, length) = open_file(path)?;
    let mut decoder = Decoder::new_with_limits(file, Limits { bytes: usize::MAX });
    decoder.set_transformations(Transformations::EXPAND);
    Ok((decoder.read_info().map_err(|e| broken(path, &e))?, length))
}

fn header(path: &Path, reader: &Reader<BufReader<File>>) -> Result<ImageHeader, ImageError> {
    let channels = match reader.output_color_type().0 {
        ColorType::Grayscale => 1,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        other => return Err(ImageError::malformed(path, format!("is a {other:?} image; wanted grey, RGB or RGBA"))),
    };
    let (width, height) = reader.info().size();
    Ok(natural::header(channels, height as usize, width as usize))
}

fn broken(path: &Path, e: &png::DecodingError) -> ImageError {
    ImageError::malformed(path, format!("is no whole PNG file: {e}"))
}
