//! NIfTI-1 and NIfTI-2 in one file, plain or compressed with gzip.

mod header;
mod voxels;

use super::{Geometry, Image, ImageError, ImageHeader, NiftiGeometry};
use flate2::bufread::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use header::Header;
use ndarray::{Array3, Array4, ArrayRef3, ArrayRef4};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

/// gzip level of what is written; the default of most tools.
const LEVEL: Compression = Compression::new(6);
/// No deflate stream grows by more than this factor.
const DEFLATE_LIMIT: u64 = 1032;

/// A file whose header has been read.
struct Opened {
    header: Header,
    content: Box<dyn Read>,
    /// More bytes than this cannot follow.
    bytes_at_most: u64,
}

fn open(path: &Path) -> Result<Opened, ImageError> {
    let file = File::open(path).map_err(ImageError::read(path))?;
    let length = file.metadata().map_err(ImageError::read(path))?.len();
    let mut file = BufReader::with_capacity(1 << 16, file);
    let compressed = file.fill_buf().map_err(ImageError::read(path))?.starts_with(&[0x1f, 0x8b]);
    let (mut content, bytes_at_most): (Box<dyn Read>, u64) =
        if compressed { (Box::new(MultiGzDecoder::new(file)), length.saturating_mul(DEFLATE_LIMIT)) } else { (Box::new(file), length) };
    let header = Header::read(path, &mut content)?;
    Ok(Opened { header, content, bytes_at_most })
}

/// Channels and (z, y, x) of a header: x, y, or x, y, z, or x, y, z, channel; axes of length 1 may follow.
fn shape(path: &Path, header: &Header) -> Result<(usize, [usize; 3]), ImageError> {
    let used = header.dim.iter().rposition(|&length| length != 1).map_or(0, |last| last + 1);
    match header.dim[..] {
        [x, y] => Ok((1, [1, y, x])),
        [x, y, z] => Ok((1, [z, y, x])),
        [x, y, z, channels, ..] if used <= 4 => Ok((channels, [z, y, x])),
        _ => Err(ImageError::malformed(path, format!("has the axes {:?}; wanted x, y, or x, y, z, or x, y, z, channel", header.dim))),
    }
}

pub(super) fn read_header(path: &Path) -> Result<ImageHeader, ImageError> {
    let header = open(path)?.header;
    let (channels, shape) = shape(path, &header)?;
    Ok(ImageHeader { channels, shape, geometry: header.geometry.into() })
}

pub(super) fn read_image(path: &Path) -> Result<Image, ImageError> {
    let opened = open(path)?;
    let (channels, [depth, height, width]) = shape(path, &opened.header)?;
    let geometry = opened.header.geometry.clone().into();
    let voxels = voxels::read(path, opened, |_, value| Ok(value as f32))?;
    let data = Array4::from_shape_vec((channels, depth, height, width), voxels).map_err(|e| ImageError::malformed(path, e.to_string()))?;
    Ok(Image { data, geometry })
}

pub(super) fn read_segmentation(path: &Path) -> Result<(Array3<i16>, Geometry), ImageError> {
    let opened = open(path)?;
    let (channels, shape) = shape(path, &opened.header)?;
    if channels != 1 {
        return Err(ImageError::malformed(path, format!("has {channels} channels; a segmentation has 1")));
    }
    let geometry = opened.header.geometry.clone().into();
    let labels = voxels::read(path, opened, |index, value| super::to_label(path, shape, index, value))?;
    let labels = Array3::from_shape_vec(shape, labels).map_err(|e| ImageError::malformed(path, e.to_string()))?;
    Ok((labels, geometry))
}

pub(super) fn write_segmentation(path: &Path, labels: &ArrayRef3<i16>, geometry: &Geometry) -> Result<(), ImageError> {
    let (depth, height, width) = labels.dim();
    if let Some(negative) = labels.iter().find(|&&label| label < 0) {
        return Err(ImageError::unwritable(path, format!("label {negative} is negative")));
    }
    let small = labels.iter().all(|&label| label < 255);
    let (datatype, bytes): (_, Vec<u8>) = if small {
        (header::U8, labels.iter().map(|&label| label as u8).collect())
    } else {
        (header::U16, labels.iter().flat_map(|label| label.to_le_bytes()).collect())
    };
    write(path, &[width, height, depth], datatype, &bytes, geometry.into())
}

pub(super) fn write_image(path: &Path, data: &ArrayRef4<f32>, geometry: &Geometry) -> Result<(), ImageError> {
    let (channels, depth, height, width) = data.dim();
    let dim = [width, height, depth, channels];
    let dim = if channels == 1 { &dim[..3] } else { &dim[..] };
    let bytes: Vec<u8> = data.iter().flat_map(|voxel| voxel.to_le_bytes()).collect();
    write(path, dim, header::F32, &bytes, geometry.into())
}

/// Writes voxels, x fastest; compressed where the name ends in `.gz`.
fn write(path: &Path, dim: &[usize], datatype: i16, voxels: &[u8], geometry: NiftiGeometry) -> Result<(), ImageError> {
    let dim = if geometry.flat && dim.len() == 3 && dim[2] == 1 { &dim[..2] } else { dim };
    let header = Header { dim: dim.to_vec(), datatype, slope: 1.0, inter: 0.0, big_endian: false, offset: 0, geometry };
    let header = header.to_bytes(path)?;
    let compressed = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
    let bytes = if compressed {
        // no time, no name: equal images make equal files
        let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), LEVEL);
        let failed = |e: std::io::Error| ImageError::unwritable(path, e.to_string());
        encoder.write_all(&header).and_then(|()| encoder.write_all(voxels)).map_err(failed)?;
        encoder.finish().map_err(failed)?
    } else {
        [&header, voxels].concat()
    };
    Ok(crate::files::atomic::write_bytes(path, &bytes)?)
}
