//! Voxels as a file stores them: decoded as they stream in, and encoded as they go out.

use super::{ImageError, ImageHeader};
use ndarray::{ArrayRef3, ArrayRef4};
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::path::Path;

/// Bytes that are read or written at a time.
const CHUNK: usize = 1 << 18;
/// No deflate stream grows by more than this factor.
pub(super) const DEFLATE_LIMIT: u64 = 1032;

/// What a file says and holds.
pub(super) struct Opened {
    pub(super) header: ImageHeader,
    pub(super) voxels: Voxels,
}

pub(super) enum Voxels {
    /// Bytes in the order of the file.
    Stored(Stored),
    /// Values (C, z, y, x), decoded by a library.
    Decoded(Vec<f32>),
}

/// Voxels that have not been read yet.
pub(super) struct Stored {
    /// Stands before the first voxel.
    pub(super) content: Box<dyn Read>,
    /// More bytes than this cannot follow.
    pub(super) at_most: u64,
    pub(super) kind: Kind,
    pub(super) big_endian: bool,
    /// A voxel's value is `slope * stored + inter`; a slope of 0, or a number that is not finite, means none.
    pub(super) scale: (f64, f64),
    /// The channels of a voxel lie side by side, instead of one channel after the other.
    pub(super) interleaved: bool,
}

/// The type of a stored voxel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Kind {
    /// Bytes of a voxel.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// The number of voxels of (C, z, y, x).
pub(super) fn count(path: &Path, header: &ImageHeader) -> Result<usize, ImageError> {
    let lengths = [&[header.channels], &header.shape[..]].concat();
    let count = lengths.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
    count.ok_or_else(|| ImageError::malformed(path, format!("the shape {lengths:?} (channel, z, y, x) has too many voxels")))
}

impl Opened {
    /// All voxels as (C, z, y, x); `each` gets the index in that order and the scaled value.
    ///
    /// Memory grows with what the file holds, not with what its header promises.
    pub(super) fn read<T: Copy>(self, path: &Path, each: impl Fn(usize, f64) -> Result<T, ImageError>) -> Result<Vec<T>, ImageError> {
        let wanted = count(path, &self.header)?;
        let stored = match self.voxels {
            Voxels::Decoded(values) => return values.into_iter().enumerate().map(|(index, value)| each(index, value.into())).collect(),
            Voxels::Stored(stored) => stored,
        };
        let channels = self.header.channels;
        if !stored.interleaved || channels == 1 {
            return stored.read(path, wanted, each);
        }
        let pixels = wanted / channels;
        let values = stored.read(path, wanted, |index, value| each(index % channels * pixels + index / channels, value))?;
        Ok((0..channels).flat_map(|channel| values.iter().skip(channel).step_by(channels).copied()).collect())
    }
}

impl Stored {
    /// Slope and intercept as they count.
    fn scale(&self) -> (f64, f64) {
        match self.scale {
            (slope, inter) if slope != 0.0 && slope.is_finite() && inter.is_finite() => (slope, inter),
            _ => (1.0, 0.0),
        }
    }

    /// The values of the least and the greatest voxel that signed integers of 16 bits can store here; nothing for another type.
    pub(super) fn ends_of_i16(&self) -> Option<[f64; 2]> {
        let (slope, inter) = self.scale();
        (self.kind == Kind::I16).then(|| [i16::MIN, i16::MAX].map(|end| slope * f64::from(end) + inter))
    }

    fn read<T>(self, path: &Path, wanted: usize, each: impl Fn(usize, f64) -> Result<T, ImageError>) -> Result<Vec<T>, ImageError> {
        match self.kind {
            Kind::U8 => self.stream(path, wanted, |[byte]: [u8; 1]| f64::from(byte), each),
            Kind::I8 => self.stream(path, wanted, |[byte]: [u8; 1]| f64::from(byte as i8), each),
            Kind::U16 => self.stream(path, wanted, |bytes| f64::from(u16::from_le_bytes(bytes)), each),
            Kind::I16 => self.stream(path, wanted, |bytes| f64::from(i16::from_le_bytes(bytes)), each),
            Kind::U32 => self.stream(path, wanted, |bytes| f64::from(u32::from_le_bytes(bytes)), each),
            Kind::I32 => self.stream(path, wanted, |bytes| f64::from(i32::from_le_bytes(bytes)), each),
            Kind::U64 => self.stream(path, wanted, |bytes| u64::from_le_bytes(bytes) as f64, each),
            Kind::I64 => self.stream(path, wanted, |bytes| i64::from_le_bytes(bytes) as f64, each),
            Kind::F32 => self.stream(path, wanted, |bytes| f64::from(f32::from_le_bytes(bytes)), each),
            Kind::F64 => self.stream(path, wanted, f64::from_le_bytes, each),
        }
    }

    fn stream<T, const N: usize>(
        mut self,
        path: &Path,
        wanted: usize,
        decode: impl Fn([u8; N]) -> f64,
        each: impl Fn(usize, f64) -> Result<T, ImageError>,
    ) -> Result<Vec<T>, ImageError> {
        let (slope, inter) = self.scale();
        let possible = usize::try_from(self.at_most / N as u64).unwrap_or(usize::MAX);
        let (room, mut voxels) = (wanted.min(possible), Vec::new());
        voxels.try_reserve_exact(room).map_err(|_| no_room(path, wanted, room.saturating_mul(size_of::<T>())))?;
        let mut chunk = vec![0; CHUNK];
        while voxels.len() < wanted {
            let bytes = chunk.len().min((wanted - voxels.len()).saturating_mul(N));
            let filled = fill(&mut self.content, &mut chunk[..bytes]).map_err(ImageError::read(path))?;
            for voxel in chunk[..filled].chunks_exact(N) {
                let mut voxel: [u8; N] = std::array::from_fn(|i| voxel[i]);
                if self.big_endian {
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
        fill(&mut self.content, &mut chunk).map_err(ImageError::read(path))?;
        Ok(voxels)
    }
}

/// A header may promise what no machine holds.
fn no_room(path: &Path, voxels: usize, bytes: usize) -> ImageError {
    let gib = bytes as f64 / (1_u64 << 30) as f64;
    let what = format!(
        "the header promises {voxels} voxels, and there are no {gib:.1} GiB of memory for them; correct the header, or use a machine with more"
    );
    ImageError::read(path)(io::Error::new(ErrorKind::OutOfMemory, what))
}

/// Reads until `buffer` is full or the stream ends; the number of bytes read. A compressed stream that breaks off has ended.
fn fill(content: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
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

/// A file and its length in bytes.
pub(super) fn open_file(path: &Path) -> Result<(BufReader<File>, u64), ImageError> {
    let file = File::open(path).map_err(ImageError::read(path))?;
    let length = file.metadata().map_err(ImageError::read(path))?.len();
    Ok((BufReader::with_capacity(1 << 16, file), length))
}

/// What is to be written.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    /// (z, y, x), none negative.
    Labels(&'a ArrayRef3<i16>),
    /// (C, z, y, x).
    Image(&'a ArrayRef4<f32>),
}

impl Content<'_> {
    /// Channels and (z, y, x).
    pub(super) fn shape(&self) -> (usize, [usize; 3]) {
        let (channels, depth, height, width) = match self {
            Self::Labels(labels) => {
                let (depth, height, width) = labels.dim();
                (1, depth, height, width)
            }
            Self::Image(data) => data.dim(),
        };
        (channels, [depth, height, width])
    }

    /// Lengths of the axes x, y, z, channel as far as they are used; a `flat` image of one channel has x and y.
    pub(super) fn lengths(&self, flat: bool) -> Vec<usize> {
        let (channels, [depth, height, width]) = self.shape();
        let axes = match (channels, depth) {
            (1, 1) if flat => 2,
            (1, _) => 3,
            _ => 4,
        };
        [width, height, depth, channels][..axes].to_vec()
    }

    /// How it is stored: labels as `u8` where all are below 255 and `u16` otherwise, images as `f32`.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Labels(labels) if labels.iter().all(|&label| label < 255) => Kind::U8,
            Self::Labels(_) => Kind::U16,
            Self::Image(_) => Kind::F32,
        }
    }

    /// Writes the voxels, x fastest, one channel after the other.
    pub(super) fn write(&self, out: &mut impl Write, big_endian: bool) -> io::Result<()> {
        let turned = |mut bytes: [u8; 4]| {
            if big_endian {
                bytes.reverse();
            }
            bytes
        };
        match (self, self.kind()) {
            (Self::Image(data), _) => put(out, data.iter().flat_map(|value| turned(value.to_le_bytes()))),
            (Self::Labels(labels), Kind::U8) => put(out, labels.iter().map(|&label| label as u8)),
            (Self::Labels(labels), _) => {
                let bytes = |label: &i16| if big_endian { label.to_be_bytes() } else { label.to_le_bytes() };
                put(out, labels.iter().flat_map(bytes))
            }
        }
    }
}

fn put(out: &mut impl Write, bytes: impl Iterator<Item = u8>) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK);
    for byte in bytes {
        chunk.push(byte);
        if chunk.len() == CHUNK {
            out.write_all(&chunk)?;
            chunk.clear();
        }
    }
    out.write_all(&chunk)
}

#[cfg(test)]
mod tests {
    use super::super::Geometry;
    use super::*;

    #[test]
    fn more_voxels_than_memory_holds_are_an_error() {
        let header = ImageHeader { channels: 1, shape: [1 << 20; 3], geometry: Geometry::of_spacing([1.0; 3]) };
        let content = Box::new(io::empty());
        let stored = Stored { content, at_most: u64::MAX, kind: Kind::U8, big_endian: false, scale: (1.0, 0.0), interleaved: false };
        let opened = Opened { header, voxels: Voxels::Stored(stored) };
        let error = opened.read(Path::new("a.nii.gz"), |_, value| Ok(value as f32)).unwrap_err().to_string();
        let promised = "cannot read a.nii.gz: the header promises 1152921504606846976 voxels, and there are no 4294967296.0 GiB of memory";
        assert!(error.starts_with(promised), "{error}");
    }
}
