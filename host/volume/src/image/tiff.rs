//! TIFF: one page is a natural 2D image, several grey ones are a stack (z, y, x).
//!
//! A stack has its spacing in a JSON file beside it, `{case}.json` with `{"spacing": [z, y, x]}`; without one it is 1 mm.

use super::natural::{self, Pixels};
use super::voxels::{Content, DEFLATE_LIMIT, Kind, Opened, Voxels, open_file};
use super::{Format, Geometry, ImageError, ImageHeader};
use crate::files::FileError;
use crate::files::atomic::{write_atomic, write_bytes};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::encoder::colortype::{self, ColorType as Colour};
use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard, TiffValue};
use tiff::tags::Tag;

/// Above this many bytes of voxels a file is written as BigTIFF.
const BIG: u64 = 3 << 30;
/// No LZW stream grows by more than this factor.
const LZW_LIMIT: u64 = 4096;

pub(super) struct Tiff;

impl Format for Tiff {
    fn header(&self, path: &Path) -> Result<ImageHeader, ImageError> {
        Ok(Pages::open(path)?.read(|_, _| Ok(()))?.0)
    }

    fn open(&self, path: &Path) -> Result<Opened, ImageError> {
        let mut values = Vec::new();
        let (header, first) = Pages::open(path)?.read(|pages, page| pages.decode(page, &mut values))?;
        // also where a file beside it says that the page is a slice
        if first.channels > 1 {
            return Ok(natural::opened(header, |i| values[i]));
        }
        Ok(Opened { header, voxels: Voxels::Decoded(values) })
    }

    fn files(&self, path: &Path) -> Result<Vec<PathBuf>, ImageError> {
        let sidecar = sidecars(path).into_iter().find(|file| file.exists());
        Ok(std::iter::once(path.to_owned()).chain(sidecar).collect())
    }

    fn write(&self, path: &Path, content: Content<'_>, geometry: &Geometry) -> Result<(), ImageError> {
        let (channels, [depth, height, width]) = content.shape();
        let length = |length: usize| u32::try_from(length).map_err(|_| ImageError::unwritable(path, format!("an axis of {length} pixels")));
        let size = (length(width)?, length(height)?);
        let written = if channels > 1 {
            let pixels = Pixels::of(path, content, 255)?;
            let bytes = pixels.bytes();
            match pixels.channels {
                3 => write::<colortype::RGB8>(path, size, &[bytes], None),
                _ => write::<colortype::RGBA8>(path, size, &[bytes], None),
            }
        } else {
            // as Python's tifffile says that one page is a stack
            let shape = (!geometry.flat).then(|| format!("{{\"shape\": [{depth}, {height}, {width}]}}"));
            if !geometry.flat {
                let spacing = serde_json::json!({ "spacing": geometry.spacing });
                write_bytes(&sidecar_to_write(path, content), format!("{spacing:#}").as_bytes())?;
            }
            let (pages, shape) = (height * width, shape.as_deref());
            match content {
                Content::Image(data) => write::<colortype::Gray32Float>(path, size, &split(data.iter().copied(), pages), shape),
                Content::Labels(labels) if content.kind() == Kind::U8 => {
                    write::<colortype::Gray8>(path, size, &split(labels.iter().map(|&label| label as u8), pages), shape)
                }
                Content::Labels(labels) => write::<colortype::Gray16>(path, size, &split(labels.iter().map(|&label| label as u16), pages), shape),
            }
        };
        written.map_err(|error| match error {
            Failed::File(error) => error.into(),
            Failed::Tiff(error) => ImageError::unwritable(path, error.to_string()),
        })
    }
}

/// The pages of a file, one after the other.
struct Pages<'a> {
    path: &'a Path,
    decoder: Decoder<BufReader<File>>,
    /// Bytes of the file.
    length: u64,
    /// Bytes of pixels so far.
    promised: u64,
}

/// What must be the same for all pages.
#[derive(Debug, PartialEq)]
struct Page {
    width: usize,
    height: usize,
    channels: usize,
    bits: u8,
}

impl<'a> Pages<'a> {
    fn open(path: &'a Path) -> Result<Self, ImageError> {
        let (file, length) = open_file(path)?;
        let limit = usize::try_from(length.saturating_mul(LZW_LIMIT)).unwrap_or(usize::MAX);
        let mut limits = Limits::default();
        (limits.decoding_buffer_size, limits.intermediate_buffer_size) = (limit, limit);
        limits.ifd_value_size = usize::try_from(length).unwrap_or(usize::MAX);
        let decoder = Decoder::new(file).map_err(|e| broken(path, &e))?.with_limits(limits);
        Ok(Self { path, decoder, length, promised: 0 })
    }

    /// Goes through the pages and calls `each` at every one.
    fn read(mut self, mut each: impl FnMut(&mut Self, &Page) -> Result<(), ImageError>) -> Result<(ImageHeader, Page), ImageError> {
        let first = self.page()?;
        let promised = self.images_of_imagej();
        each(&mut self, &first)?;
        let mut depth = 1;
        while self.decoder.more_images() {
            self.decoder.next_image().map_err(|e| broken(self.path, &e))?;
            depth += 1;
            let page = self.page()?;
            if page != first {
                return Err(ImageError::malformed(self.path, format!("page {depth} is {page:?}, but page 1 is {first:?}; wanted equal pages")));
            }
            each(&mut self, &first)?;
        }
        if let Some(promised) = promised.filter(|&promised| promised > depth) {
            let what = format!("holds a stack of {promised} images behind {depth} page(s), as ImageJ writes large ones; save it as a plain TIFF");
            return Err(ImageError::malformed(self.path, what));
        }
        if depth > 1 && first.channels > 1 {
            return Err(ImageError::malformed(self.path, format!("has {depth} pages of {} channels; wanted grey pages", first.channels)));
        }
        let geometry = match spacing(self.path)? {
            Some(spacing) => Geometry::of_spacing(spacing),
            None if depth > 1 => Geometry::of_spacing([1.0; 3]),
            None => Geometry::of_pixels([1.0, 1.0]),
        };
        Ok((ImageHeader { channels: first.channels, shape: [depth, first.height, first.width], geometry }, first))
    }

    /// The page that the decoder stands at.
    fn page(&mut self) -> Result<Page, ImageError> {
        let path = self.path;
        let (width, height) = self.decoder.dimensions().map_err(|e| broken(path, &e))?;
        let colour = self.decoder.colortype().map_err(|e| broken(path, &e))?;
        let channels = match colour {
            ColorType::Gray(_) => 1,
            ColorType::RGB(8 | 16) => 3,
            ColorType::RGBA(8 | 16) => 4,
            other => return Err(ImageError::malformed(path, format!("has pixels of type {other:?}; wanted grey, RGB or RGBA"))),
        };
        let mut tag = |tag: Tag| self.decoder.find_tag_unsigned::<u32>(tag).map_err(|e| broken(path, &e));
        if channels > 1 && tag(Tag::PlanarConfiguration)?.is_some_and(|layout| layout != 1) {
            return Err(ImageError::malformed(path, "keeps its colours in separate planes; save it with the colours side by side"));
        }
        let growth = match tag(Tag::Compression)? {
            None | Some(1) => 1,
            Some(8 | 32946) => DEFLATE_LIMIT,
            _ => LZW_LIMIT,
        };
        let bits = u64::from(colour.bit_depth()) * channels as u64;
        let bytes = (u64::from(width).saturating_mul(bits).div_ceil(8)).saturating_mul(height.into());
        self.promised = self.promised.saturating_add(bytes);
        if self.promised > self.length.saturating_mul(growth) || bytes == 0 {
            let (found, wanted) = (0, (u64::from(width) * u64::from(height)) as usize);
            return Err(ImageError::Truncated { path: path.to_owned(), found, wanted });
        }
        Ok(Page { width: width as usize, height: height as usize, channels, bits: colour.bit_depth() })
    }

    /// The number of images that ImageJ says are in the file.
    fn images_of_imagej(&mut self) -> Option<usize> {
        let about = self.decoder.get_tag_ascii_string(Tag::ImageDescription).ok()?;
        about.strip_prefix("ImageJ=")?.lines().find_map(|line| line.strip_prefix("images=")?.trim().parse().ok())
    }

    /// Appends the pixels of this page.
    fn decode(&mut self, page: &Page, values: &mut Vec<f32>) -> Result<(), ImageError> {
        let white_is_zero = self.decoder.find_tag_unsigned::<u32>(Tag::PhotometricInterpretation).ok().flatten() == Some(0);
        let decoded = self.decoder.read_image().map_err(|e| broken(self.path, &e))?;
        let before = values.len();
        // values are as stored, also where 0 is to be shown white, which the decoder has turned round
        macro_rules! integers {
            ($pixels:expr) => {
                values.extend($pixels.into_iter().map(|value| (if white_is_zero { !value } else { value }) as f32))
            };
        }
        match decoded {
            DecodingResult::U8(bytes) if page.bits < 8 => {
                let bytes = if white_is_zero { bytes.into_iter().map(|byte| !byte).collect() } else { bytes };
                unpack(&bytes, page, values);
            }
            DecodingResult::U8(pixels) => integers!(pixels),
            DecodingResult::U16(pixels) => integers!(pixels),
            DecodingResult::U32(pixels) => integers!(pixels),
            DecodingResult::U64(pixels) => integers!(pixels),
            DecodingResult::I8(pixels) => values.extend(pixels.into_iter().map(f32::from)),
            DecodingResult::I16(pixels) => values.extend(pixels.into_iter().map(f32::from)),
            DecodingResult::I32(pixels) => values.extend(pixels.into_iter().map(|value| value as f32)),
            DecodingResult::I64(pixels) => values.extend(pixels.into_iter().map(|value| value as f32)),
            _ if white_is_zero => return Err(ImageError::malformed(self.path, "has fractions of which 0 is white; save it with 0 as black")),
            DecodingResult::F16(pixels) => values.extend(pixels.into_iter().map(f32::from)),
            DecodingResult::F32(pixels) => values.extend(pixels),
            DecodingResult::F64(pixels) => values.extend(pixels.into_iter().map(|value| value as f32)),
        }
        let (found, wanted) = (values.len() - before, page.width * page.height * page.channels);
        if found == wanted { Ok(()) } else { Err(ImageError::Truncated { path: self.path.to_owned(), found, wanted }) }
    }
}

/// Pixels of less than 8 bits; each row starts at a byte.
fn unpack(bytes: &[u8], page: &Page, values: &mut Vec<f32>) {
    let bits = usize::from(page.bits);
    let mask = (1u16 << bits) - 1;
    for row in bytes.chunks((page.width * bits).div_ceil(8)) {
        let pixel = |x: usize| {
            let at = x * bits;
            // two bytes, as a pixel may lie across a border
            let pair = u16::from_be_bytes([row[at / 8], row.get(at / 8 + 1).copied().unwrap_or(0)]);
            f32::from(pair >> (16 - at % 8 - bits) & mask)
        };
        values.extend((0..page.width).map(pixel));
    }
}

/// The files that may hold the spacing of `path`: `x.json` for `x.tif`, and `case.json` for `case_0000.tif`.
fn sidecars(path: &Path) -> Vec<PathBuf> {
    let own = path.with_extension("json");
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let case = stem.rsplit_once('_').filter(|(_, channel)| channel.len() == 4 && channel.chars().all(|digit| digit.is_ascii_digit()));
    let of_case = case.map(|(case, _)| path.with_file_name(format!("{case}.json")));
    std::iter::once(own).chain(of_case).collect()
}

/// Images of a case share one, labels have their own.
fn sidecar_to_write(path: &Path, content: Content<'_>) -> PathBuf {
    let mut sidecars = sidecars(path);
    match content {
        Content::Image(_) => sidecars.pop().unwrap_or_default(),
        Content::Labels(_) => sidecars.swap_remove(0),
    }
}

/// mm (z, y, x), where there is a file that says it.
fn spacing(path: &Path) -> Result<Option<[f64; 3]>, ImageError> {
    let Some(file) = sidecars(path).into_iter().find(|file| file.is_file()) else { return Ok(None) };
    let text = std::fs::read_to_string(&file).map_err(ImageError::read(&file))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| ImageError::malformed(&file, e.to_string()))?;
    let numbers = json["spacing"].as_array().and_then(|steps| steps.iter().map(serde_json::Value::as_f64).collect::<Option<Vec<f64>>>());
    match numbers.as_deref() {
        Some(&[z, y, x]) if [z, y, x].iter().all(|step| *step > 0.0 && step.is_finite()) => Ok(Some([z, y, x])),
        _ => Err(ImageError::malformed(&file, format!("`spacing` is {}; wanted three lengths in mm, [z, y, x]", json["spacing"]))),
    }
}

/// Cuts voxels into pages of `size`.
fn split<T>(mut voxels: impl Iterator<Item = T>, size: usize) -> Vec<Vec<T>> {
    let mut pages = Vec::new();
    loop {
        let page: Vec<T> = voxels.by_ref().take(size).collect();
        if page.is_empty() {
            return pages;
        }
        pages.push(page);
    }
}

enum Failed {
    File(FileError),
    Tiff(tiff::TiffError),
}

impl From<FileError> for Failed {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// Writes equal pages; `about` is the description of the first.
fn write<C: Colour>(path: &Path, size: (u32, u32), pages: &[Vec<C::Inner>], about: Option<&str>) -> Result<(), Failed>
where
    [C::Inner]: TiffValue,
{
    let bytes: u64 = pages.iter().map(|page| size_of_val(page.as_slice()) as u64).sum();
    write_atomic(path, |out| {
        let written =
            if bytes > BIG { encode::<C, TiffKindBig>(out, size, pages, about) } else { encode::<C, TiffKindStandard>(out, size, pages, about) };
        written.map_err(Failed::Tiff)
    })
}

fn encode<C: Colour, K: TiffKind>(
    out: &mut BufWriter<File>,
    (width, height): (u32, u32),
    pages: &[Vec<C::Inner>],
    about: Option<&str>,
) -> tiff::TiffResult<()>
where
    [C::Inner]: TiffValue,
{
    let mut encoder = TiffEncoder::<_, K>::new_generic(out)?.with_compression(Compression::Deflate(DeflateLevel::default()));
    let mut about = about;
    for page in pages {
        let mut image = encoder.new_image::<C>(width, height)?;
        if let Some(about) = about.take() {
            image.encoder().write_tag(Tag::ImageDescription, about)?;
        }
        image.write_data(page)?;
    }
    Ok(())
}

fn broken(path: &Path, e: &tiff::TiffError) -> ImageError {
    ImageError::malformed(path, format!("is no whole TIFF file: {e}"))
}
