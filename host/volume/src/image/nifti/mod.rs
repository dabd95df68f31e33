//! NIfTI-1 and NIfTI-2 in one file, plain or compressed with gzip.

mod header;
mod split;

use super::voxels::{Content, DEFLATE_LIMIT, Kind, Opened, Stored, Voxels, open_file};
use super::{Format, Geometry, ImageError, ImageHeader};
use crate::files::FileError;
use crate::files::atomic::write_atomic;
use flate2::bufread::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use header::Header;
pub(super) use split::split_channels;
use std::io::{BufRead, Read, Write};
use std::path::Path;

/// gzip level of what is written; the default of most tools.
const LEVEL: Compression = Compression::new(6);

/// `datatype` of each type of voxel.
const KINDS: [(i16, Kind); 10] = [
    (2, Kind::U8),
    (256, Kind::I8),
    (4, Kind::I16),
    (512, Kind::U16),
    (8, Kind::I32),
    (768, Kind::U32),
    (1024, Kind::I64),
    (1280, Kind::U64),
    (16, Kind::F32),
    (64, Kind::F64),
];

pub(super) struct Nifti;

/// The header, what follows it, and how many bytes that can be at most.
fn open(path: &Path) -> Result<(Header, Box<dyn Read>, u64), ImageError> {
    let (mut file, length) = open_file(path)?;
    let compressed = file.fill_buf().map_err(ImageError::read(path))?.starts_with(&[0x1f, 0x8b]);
    let (mut content, at_most): (Box<dyn Read>, u64) =
        if compressed { (Box::new(MultiGzDecoder::new(file)), length.saturating_mul(DEFLATE_LIMIT)) } else { (Box::new(file), length) };
    Ok((Header::read(path, &mut content)?, content, at_most))
}

/// The type of the voxels behind a header.
fn kind(path: &Path, header: &Header) -> Result<Kind, ImageError> {
    let known = KINDS.iter().find(|(code, _)| *code == header.datatype).map(|(_, kind)| *kind);
    known.ok_or_else(|| {
        let code = header.datatype;
        ImageError::malformed(
            path,
            format!("datatype is {code}; wanted integers of 8 to 64 bits (2, 4, 8, 256, 512, 768, 1024, 1280), f32 (16) or f64 (64)"),
        )
    })
}

impl Format for Nifti {
    fn open(&self, path: &Path) -> Result<Opened, ImageError> {
        let (header, mut content, at_most) = open(path)?;
        let (channels, shape) = shape(path, &header.dim)?;
        let kind = kind(path, &header)?;
        std::io::copy(&mut content.by_ref().take(header.offset), &mut std::io::sink()).map_err(ImageError::read(path))?;
        let scale = (header.slope, header.inter);
        Ok(Opened {
            header: ImageHeader { channels, shape, geometry: Geometry::of_nifti(header.geometry, header.dim.len() == 2) },
            voxels: Voxels::Stored(Stored { content, at_most, kind, big_endian: header.big_endian, scale, interleaved: false }),
        })
    }

    fn write(&self, path: &Path, content: Content<'_>, geometry: &Geometry) -> Result<(), ImageError> {
        let kind = content.kind();
        let datatype = KINDS.iter().find(|(_, known)| *known == kind).map_or(0, |(code, _)| *code);
        let header =
            Header { dim: content.lengths(geometry.flat), datatype, slope: 1.0, inter: 0.0, big_endian: false, offset: 0, geometry: geometry.into() };
        write(path, &header, kind.bytes(), |mut out| content.write(&mut out, false))
    }
}

/// Writes a header and, by `voxels`, what belongs behind it; compressed where the name ends in `.gz`.
fn write(path: &Path, header: &Header, bytes_per_voxel: usize, voxels: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), ImageError> {
    let header = header.to_bytes(path, bytes_per_voxel)?;
    let compressed = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
    let written = write_atomic(path, |out| {
        let write = || {
            if !compressed {
                out.write_all(&header)?;
                return voxels(out);
            }
            // no time, no name: equal images make equal files
            let mut encoder = GzBuilder::new().mtime(0).write(&mut *out, LEVEL);
            encoder.write_all(&header)?;
            voxels(&mut encoder)?;
            encoder.finish().map(drop)
        };
        write().map_err(FileError::io("write", path))
    });
    Ok(written?)
}

/// Channels and (z, y, x): x, y, or x, y, z, or x, y, z, channel; axes of length 1 may follow.
fn shape(path: &Path, dim: &[usize]) -> Result<(usize, [usize; 3]), ImageError> {
    let used = dim.iter().rposition(|&length| length != 1).map_or(0, |last| last + 1);
    match *dim {
        [x, y] => Ok((1, [1, y, x])),
        [x, y, z] => Ok((1, [z, y, x])),
        [x, y, z, channels, ..] if used <= 4 => Ok((channels, [z, y, x])),
        // a vector a voxel
        [x, y, z, 1, channels, ..] if used == 5 => Ok((channels, [z, y, x])),
        _ => Err(ImageError::malformed(path, format!("has the axes {dim:?}; wanted x, y, or x, y, z, or x, y, z, channel"))),
    }
}
