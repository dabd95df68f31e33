//! The channels of a 4D file, a file each.

use super::super::ImageError;
use super::header::Header;
use super::{kind, open, shape, write};
use std::io::{Read, copy, sink};
use std::path::{Path, PathBuf};

/// Writes channel `i` of the image at `path` to `name(i)`; the number of channels.
pub(crate) fn split_channels(path: &Path, name: impl Fn(usize) -> PathBuf) -> Result<usize, ImageError> {
    let (header, mut content, _) = open(path)?;
    let (channels, [depth, height, width]) = shape(path, &header.dim)?;
    let (size, content) = (kind(path, &header)?.bytes(), &mut content);
    let voxels = depth.checked_mul(height).and_then(|n| n.checked_mul(width)).filter(|n| n.checked_mul(size).is_some());
    let voxels = voxels.ok_or_else(|| ImageError::malformed(path, format!("dim {:?} has too many voxels", header.dim)))?;

    copy(&mut content.take(header.offset), &mut sink()).map_err(ImageError::read(path))?;
    for channel in 0..channels {
        let mut bytes = Vec::new();
        content.take((voxels * size) as u64).read_to_end(&mut bytes).map_err(ImageError::read(path))?;
        if bytes.len() < voxels * size {
            let (found, wanted) = (channel * voxels + bytes.len() / size, channels * voxels);
            return Err(ImageError::Truncated { path: path.to_owned(), found, wanted });
        }
        if header.big_endian {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        let dim = header.dim.iter().copied().take(3).collect();
        let header = Header { dim, big_endian: false, offset: 0, ..header.clone() };
        write(&name(channel), &header, size, |out| out.write_all(&bytes))?;
    }
    // on to the end of the stream, where gzip keeps its checksum
    copy(content, &mut sink()).map_err(ImageError::read(path))?;
    Ok(channels)
}
