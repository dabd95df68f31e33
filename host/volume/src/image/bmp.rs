//! BMP: grey, RGB or RGBA of 8 bits; palettes are expanded to their colours, or to grey where all of them are.

use super::natural::{self, Pixels};
use super::voxels::{Content, Opened, open_file};
use super::{Format, Geometry, ImageError, ImageHeader};
use crate::files::atomic::write_bytes;
use image::codecs::bmp::{BmpDecoder, BmpEncoder};
use image::{ColorType, ExtendedColorType, ImageDecoder};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Run lengths do not make an image larger than the file by more than this factor.
const LIMIT: u64 = 256;

pub(super) struct Bmp;

impl Format for Bmp {
    fn header(&self, path: &Path) -> Result<ImageHeader, ImageError> {
        Ok(open(path)?.1)
    }

    fn open(&self, path: &Path) -> Result<Opened, ImageError> {
        let (decoder, header, length) = open(path)?;
        let (bytes, stored) = (decoder.total_bytes(), usize::from(decoder.color_type().channel_count()));
        let [_, height, width] = header.shape;
        if bytes > length.saturating_mul(LIMIT) {
            return Err(ImageError::Truncated { path: path.to_owned(), found: 0, wanted: width.saturating_mul(height) });
        }
        let mut pixels = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        decoder.read_image(&mut pixels).map_err(|e| broken(path, &e))?;
        // a grey palette is expanded to three equal colours
        let step = stored / header.channels;
        Ok(natural::opened(header, |i| f32::from(pixels[step * i])))
    }

    fn write(&self, path: &Path, content: Content<'_>, _: &Geometry) -> Result<(), ImageError> {
        let pixels = Pixels::of(path, content, 255)?;
        let colour = match pixels.channels {
            1 => ExtendedColorType::L8,
            3 => ExtendedColorType::Rgb8,
            _ => ExtendedColorType::Rgba8,
        };
        let mut bytes = Vec::new();
        let encoded = BmpEncoder::new(&mut bytes).encode(&pixels.bytes(), pixels.width, pixels.height, colour);
        encoded.map_err(|e| ImageError::unwritable(path, e.to_string()))?;
        Ok(write_bytes(path, &bytes)?)
    }
}

/// A file with its header and its length in bytes.
fn open(path: &Path) -> Result<(BmpDecoder<BufReader<File>>, ImageHeader, u64), ImageError> {
    let (file, length) = open_file(path)?;
    let decoder = BmpDecoder::new(file).map_err(|e| broken(path, &e))?;
    let is_grey = |palette: &[[u8; 3]]| palette.iter().all(|[r, g, b]| r == g && g == b);
    let channels = match decoder.color_type() {
        ColorType::L8 => 1,
        ColorType::Rgb8 if decoder.get_palette().is_some_and(is_grey) => 1,
        ColorType::Rgb8 => 3,
        ColorType::Rgba8 => 4,
        other => return Err(ImageError::malformed(path, format!("is a {other:?} image; wanted 8 bits of grey, RGB or RGBA"))),
    };
    let (width, height) = decoder.dimensions();
    Ok((decoder, natural::header(channels, height as usize, width as usize), length))
}

fn broken(path: &Path, e: &image::ImageError) -> ImageError {
    ImageError::malformed(path, format!("is no whole BMP file: {e}"))
}
