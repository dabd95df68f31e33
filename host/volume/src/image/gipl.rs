//! GIPL (Guy's Image Processing Lab): a header of 256 bytes and voxels, all with the most significant byte first.
//!
//! Spacings are `f32`, the position `f64`; there is no orientation. ITK reads and writes it so.

use super::voxels::{Content, Kind, Opened, Stored, Voxels, open_file};
use super::{Format, Geometry, ImageError, ImageHeader};
use crate::files::FileError;
use crate::files::atomic::write_atomic;
use std::io::{Read, Write};
use std::path::Path;

const SIZE: usize = 256;
const MAGIC: [u32; 2] = [0xefff_e9b0, 0x2ae3_89b8];

/// Types of voxels by their numbers.
const KINDS: [(u16, Kind); 8] =
    [(7, Kind::I8), (8, Kind::U8), (15, Kind::I16), (16, Kind::U16), (31, Kind::U32), (32, Kind::I32), (64, Kind::F32), (65, Kind::F64)];

pub(super) struct Gipl;

impl Format for Gipl {
    fn open(&self, path: &Path) -> Result<Opened, ImageError> {
        let (mut file, length) = open_file(path)?;
        let mut bytes = [0; SIZE];
        file.read_exact(&mut bytes).map_err(ImageError::read(path))?;
        let magic = u32::from_be_bytes(at(&bytes, 252));
        if !MAGIC.contains(&magic) {
            return Err(ImageError::malformed(path, format!("is no GIPL file: it has {magic:#x} at byte 252; wanted {:#x}", MAGIC[0])));
        }
        let code = u16::from_be_bytes(at(&bytes, 8));
        let kind = KINDS.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| ImageError::malformed(path, format!("image_type is {code}; wanted {:?}", KINDS.map(|(code, _)| code))))?;
        let dim: [u16; 4] = std::array::from_fn(|axis| u16::from_be_bytes(at(&bytes, 2 * axis)));
        let [width, height, depth, channels] = dim.map(|length| usize::from(length.max(1)));
        if dim[0] == 0 || dim[1] == 0 {
            return Err(ImageError::malformed(path, format!("dim is {dim:?}; wanted at least 1 voxel along x and y")));
        }
        let spacing: [f64; 3] = std::array::from_fn(|axis| f32::from_be_bytes(at(&bytes, 10 + 4 * axis)).into());
        let [x, y, z] = spacing.map(|step| if step != 0.0 && step.is_finite() { step.abs() } else { 1.0 });
        let mut geometry = Geometry::of_spacing([z, y, x]);
        geometry.origin = std::array::from_fn(|axis| f64::from_be_bytes(at(&bytes, 204 + 8 * axis)));
        if !geometry.origin.iter().all(|place| place.is_finite()) {
            return Err(ImageError::malformed(path, format!("origin is {:?}; wanted positions in mm", geometry.origin)));
        }
        Ok(Opened {
            header: ImageHeader { channels, shape: [depth, height, width], geometry },
            voxels: Voxels::Stored(Stored {
                content: Box::new(file),
                at_most: length.saturating_sub(SIZE as u64),
                kind,
                big_endian: true,
                scale: (1.0, 0.0),
                interleaved: false,
            }),
        })
    }

    fn write(&self, path: &Path, content: Content<'_>, geometry: &Geometry) -> Result<(), ImageError> {
        if !geometry.is_axial() {
            return Err(ImageError::unwritable(path, format!("the direction is {:?}; GIPL holds none, .mha any", geometry.direction)));
        }
        let (channels, [depth, height, width]) = content.shape();
        let mut header = [0; SIZE];
        for (axis, length) in [width, height, depth, channels].into_iter().enumerate() {
            let length = u16::try_from(length).map_err(|_| ImageError::unwritable(path, format!("an axis has {length} voxels; GIPL holds 65535")))?;
            put(&mut header, 2 * axis, length.to_be_bytes());
        }
        let kind = content.kind();
        let code = KINDS.iter().find(|(_, known)| *known == kind).map_or(0, |(code, _)| *code);
        put(&mut header, 8, code.to_be_bytes());
        let [z, y, x] = geometry.spacing;
        let z = if geometry.flat { 1.0 } else { z };
        for (axis, step) in [x, y, z, 1.0].into_iter().enumerate() {
            put(&mut header, 10 + 4 * axis, (step as f32).to_be_bytes());
        }
        for (axis, place) in geometry.origin.into_iter().enumerate() {
            put(&mut header, 204 + 8 * axis, place.to_be_bytes());
        }
        put(&mut header, 252, MAGIC[0].to_be_bytes());
        let written = write_atomic(path, |out| {
            let done = out.write_all(&header).and_then(|()| content.write(out, true));
            done.map_err(FileError::io("write", path))
        });
        Ok(written?)
    }
}

fn at<const N: usize>(bytes: &[u8; SIZE], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}

fn put<const N: usize>(bytes: &mut [u8; SIZE], at: usize, field: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&field);
}
