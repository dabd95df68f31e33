//! The voxels of a NIfTI file, decoded as they stream in.

use super::super::ImageError;
use super::Opened;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 18;

/// Reads all voxels in the order of the file; `each` gets a voxel's index and its scaled value.
///
/// Memory grows with what the file holds, not with what its header promises.
pub(super) fn read<T>(path: &Path, opened: Opened, each: impl Fn(usize, f64) -> Result<T, ImageError>) -> Result<Vec<T>, ImageError> {
    match opened.header.datatype {
        2 => stream(path, opened, |[byte]: [u8; 1]| f64::from(byte), each),
        256 => stream(path, opened, |[byte]: [u8; 1]| f64::from(byte as i8), each),
        4 => stream(path, opened, |bytes| f64::from(i16::from_le_bytes(bytes)), each),
        512 => stream(path, opened, |bytes| f64::from(u16::from_le_bytes(bytes)), each),
        8 => stream(path, opened, |bytes| f64::from(i32::from_le_bytes(bytes)), each),
        768 => stream(path, opened, |bytes| f64::from(u32::from_le_bytes(bytes)), each),
        1024 => stream(path, opened, |bytes| i64::from_le_bytes(bytes) as f64, each),
        1280 => stream(path, opened, |bytes| u64::from_le_bytes(bytes) as f64, each),
        16 => stream(path, opened, |bytes| f64::from(f32::from_le_bytes(bytes)), each),
        64 => stream(path, opened, f64::from_le_bytes, each),
        other => Err(ImageError::malformed(
            path,
            format!("datatype is {other}; wanted integers of 8 to 64 bits (2, 4, 8, 256, 512, 768, 1024, 1280), f32 (16) or f64 (64)"),
        )),
    }
}

fn stream<T, const N: usize>(
    path: &Path,
    mut opened: Opened,
    decode: impl Fn([u8; N]) -> f64,
    each: impl Fn(usize, f64) -> Result<T, ImageError>,
) -> Result<Vec<T>, ImageError> {
    let header = &opened.header;
    let wanted = header
        .dim
        .iter()
        .try_fold(1usize, |product, &length| product.checked_mul(length))
        .ok_or_else(|| ImageError::malformed(path, format!("dim {:?} has too many voxels", header.dim)))?;
    let (slope, inter) = scaling(header.slope, header.inter);
    let possible = usize::try_from(opened.bytes_at_most / N as u64).unwrap_or(usize::MAX);

    std::io::copy(&mut opened.content.by_ref().take(header.offset), &mut std::io::sink()).map_err(ImageError::read(path))?;
    let mut voxels = Vec::with_capacity(wanted.min(possible));
    let mut chunk = vec![0; CHUNK];
    while voxels.len() < wanted {
        let bytes = chunk.len().min((wanted - voxels.len()).saturating_mul(N));
        let filled = fill(&mut opened.content, &mut chunk[..bytes]).map_err(ImageError::read(path))?;
        for voxel in chunk[..filled].chunks_exact(N) {
            let mut voxel: [u8; N] = std::array::from_fn(|i| voxel[i]);
            if header.big_endian {
                voxel.reverse();
            }
            let value = decode(voxel);
            let value = if slope == 1.0 && inter == 0.0 { value } else { slope * value + inter };
            voxels.push(each(voxels.len(), value)?);
        }
        if filled < bytes {
            return Err(ImageError::Truncated { path: path.to_owned(), found: voxels.len(), wanted });
        }
    }
    // on to the end of the stream, where gzip keeps its checksum
    fill(&mut opened.content, &mut chunk).map_err(ImageError::read(path))?;
    Ok(voxels)
}

/// Slope and intercept as they apply: a slope of 0, or a number that is not finite, means none.
fn scaling(slope: f64, inter: f64) -> (f64, f64) {
    if slope != 0.0 && slope.is_finite() && inter.is_finite() { (slope, inter) } else { (1.0, 0.0) }
}

/// Reads until `buffer` is full or the stream ends; the number of bytes read. A compressed stream that breaks off has ended.
fn fill(content: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match content.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
