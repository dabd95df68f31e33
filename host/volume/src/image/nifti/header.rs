//! The header of a NIfTI file: version 1 as the `nifti` crate reads it, version 2 by its table of offsets.

use super::super::{ImageError, NiftiGeometry};
use nifti::{Endianness, NiftiHeader};
use std::io::Read;
use std::path::Path;

const SIZE_1: usize = 348;
const SIZE_2: usize = 540;
const MAGIC_2: &[u8; 8] = b"n+2\0\r\n\x1a\n";

/// What matters of a header.
#[derive(Debug, Clone)]
pub(super) struct Header {
    /// Lengths of the axes x, y, z, ...; two at least.
    pub dim: Vec<usize>,
    pub datatype: i16,
    /// A voxel's value is `slope * stored + inter`; slope 0 means 1.
    pub slope: f64,
    pub inter: f64,
    pub big_endian: bool,
    /// Bytes between the header and the first voxel.
    pub offset: u64,
    pub geometry: NiftiGeometry,
}

impl Header {
    /// Reads the header at the start of `content`.
    pub(super) fn read(path: &Path, content: &mut impl Read) -> Result<Self, ImageError> {
        let mut bytes = vec![0; SIZE_1];
        content.read_exact(&mut bytes).map_err(ImageError::read(path))?;
        let size = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if [i32::from_le_bytes(size), i32::from_be_bytes(size)].contains(&(SIZE_2 as i32)) {
            bytes.resize(SIZE_2, 0);
            content.read_exact(&mut bytes[SIZE_1..]).map_err(ImageError::read(path))?;
            Self::version_2(path, &bytes)
        } else {
            Self::version_1(path, &bytes)
        }
    }

    fn version_1(path: &Path, bytes: &[u8]) -> Result<Self, ImageError> {
        let raw = NiftiHeader::from_reader(bytes).map_err(|e| ImageError::malformed(path, format!("is no NIfTI file: {e}")))?;
        if &raw.magic != nifti::header::MAGIC_CODE_NIP1 {
            return Err(ImageError::malformed(path, "keeps its voxels in an .img file; convert the pair to one .nii.gz"));
        }
        let dim = dim(path, raw.dim.map(i64::from))?;
        Ok(Self {
            datatype: raw.datatype,
            slope: raw.scl_slope.into(),
            inter: raw.scl_inter.into(),
            big_endian: raw.endianness == Endianness::Big,
            offset: offset(path, raw.vox_offset.into(), SIZE_1)?,
            geometry: NiftiGeometry {
                version: 1,
                pixdim: raw.pixdim.map(f64::from),
                xyzt_units: raw.xyzt_units.into(),
                qform_code: raw.qform_code.into(),
                sform_code: raw.sform_code.into(),
                quatern: [raw.quatern_b, raw.quatern_c, raw.quatern_d].map(f64::from),
                qoffset: [raw.quatern_x, raw.quatern_y, raw.quatern_z].map(f64::from),
                srow: [raw.srow_x, raw.srow_y, raw.srow_z].map(|row| row.map(f64::from)),
            },
            dim,
        })
    }

    fn version_2(path: &Path, bytes: &[u8]) -> Result<Self, ImageError> {
        let field = Fields { bytes, big_endian: bytes[0] == 0 };
        if !bytes[4..].starts_with(MAGIC_2) {
            return Err(ImageError::malformed(path, "is no NIfTI-2 file of its own (magic is not n+2)"));
        }
        let dim = dim(path, std::array::from_fn(|i| field.i64(16 + 8 * i)))?;
        Ok(Self {
            datatype: field.i16(12),
            slope: field.f64(176),
            inter: field.f64(184),
            big_endian: field.big_endian,
            offset: offset(path, field.i64(168) as f64, SIZE_2)?,
            geometry: NiftiGeometry {
                version: 2,
                pixdim: field.f64s(104),
                xyzt_units: field.i32(500),
                qform_code: field.i32(344),
                sform_code: field.i32(348),
                quatern: field.f64s(352),
                qoffset: field.f64s(376),
                srow: [field.f64s(400), field.f64s(432), field.f64s(464)],
            },
            dim,
        })
    }

    /// Header and the four empty bytes after it; NIfTI-2 where the geometry came from there, or an axis is too long for NIfTI-1.
    pub(super) fn to_bytes(&self, path: &Path, bytes_per_voxel: usize) -> Result<Vec<u8>, ImageError> {
        let mut dim = [1; 8];
        dim[0] = self.dim.len() as i64;
        for (field, &length) in dim[1..].iter_mut().zip(&self.dim) {
            *field = i64::try_from(length).map_err(|_| ImageError::unwritable(path, format!("an axis has {length} voxels")))?;
        }
        let fits = dim.iter().all(|&length| length <= i64::from(i16::MAX));
        let bits = (8 * bytes_per_voxel) as i16;
        Ok(if self.geometry.version == 1 && fits { self.to_bytes_1(dim, bits) } else { self.to_bytes_2(dim, bits) })
    }

    fn to_bytes_1(&self, dim: [i64; 8], bits: i16) -> Vec<u8> {
        let geometry = &self.geometry;
        let mut out = vec![0; SIZE_1 + 4];
        put(&mut out, 0, [(SIZE_1 as i32).to_le_bytes()]);
        put(&mut out, 38, [*b"r"]);
        put(&mut out, 40, dim.map(|length| (length as i16).to_le_bytes()));
        put(&mut out, 70, [self.datatype, bits].map(i16::to_le_bytes));
        put(&mut out, 76, geometry.pixdim.map(f32_bytes));
        put(&mut out, 108, [(SIZE_1 + 4) as f64, self.slope, self.inter].map(f32_bytes));
        put(&mut out, 123, [[geometry.xyzt_units as u8]]);
        put(&mut out, 252, [geometry.qform_code, geometry.sform_code].map(|code| (code as i16).to_le_bytes()));
        put(&mut out, 256, geometry.quatern.map(f32_bytes));
        put(&mut out, 268, geometry.qoffset.map(f32_bytes));
        put(&mut out, 280, geometry.srow.as_flattened().iter().copied().map(f32_bytes));
        put(&mut out, 344, [*b"n+1\0"]);
        out
    }

    fn to_bytes_2(&self, dim: [i64; 8], bits: i16) -> Vec<u8> {
        let geometry = &self.geometry;
        let mut out = vec![0; SIZE_2 + 4];
        put(&mut out, 0, [(SIZE_2 as i32).to_le_bytes()]);
        put(&mut out, 4, [*MAGIC_2]);
        put(&mut out, 12, [self.datatype, bits].map(i16::to_le_bytes));
        put(&mut out, 16, dim.map(i64::to_le_bytes));
        put(&mut out, 104, geometry.pixdim.map(f64::to_le_bytes));
        put(&mut out, 168, [(SIZE_2 as i64 + 4).to_le_bytes()]);
        put(&mut out, 176, [self.slope, self.inter].map(f64::to_le_bytes));
        put(&mut out, 344, [geometry.qform_code, geometry.sform_code].map(i32::to_le_bytes));
        put(&mut out, 352, geometry.quatern.map(f64::to_le_bytes));
        put(&mut out, 376, geometry.qoffset.map(f64::to_le_bytes));
        put(&mut out, 400, geometry.srow.as_flattened().iter().copied().map(f64::to_le_bytes));
        put(&mut out, 500, [geometry.xyzt_units.to_le_bytes()]);
        out
    }
}

/// The lengths of the axes in use.
fn dim(path: &Path, raw: [i64; 8]) -> Result<Vec<usize>, ImageError> {
    let axes = usize::try_from(raw[0]).ok().and_then(|axes| raw[1..].get(..axes)).filter(|axes| axes.len() >= 2);
    let lengths: Option<Vec<usize>> = axes.map(|axes| axes.iter().filter_map(|&length| usize::try_from(length).ok().filter(|&l| l > 0)).collect());
    lengths
        .filter(|lengths| lengths.len() as i64 == raw[0])
        .ok_or_else(|| ImageError::malformed(path, format!("dim is {raw:?}; wanted 2 to 7 axes of at least 1 voxel")))
}

/// Bytes between the header and the voxels.
fn offset(path: &Path, vox_offset: f64, header: usize) -> Result<u64, ImageError> {
    // less than header and extension flag is what some writers leave at 0
    let start = vox_offset.max(header as f64 + 4.0);
    if start < 1e15 && start.fract() == 0.0 {
        Ok(start as u64 - header as u64)
    } else {
        Err(ImageError::malformed(path, format!("vox_offset is {vox_offset}; wanted a whole number of bytes")))
    }
}

fn f32_bytes(value: f64) -> [u8; 4] {
    (value as f32).to_le_bytes()
}

/// Puts fields one after the other from `at` on.
fn put<const N: usize>(out: &mut [u8], at: usize, fields: impl IntoIterator<Item = [u8; N]>) {
    for (place, field) in out[at..].chunks_exact_mut(N).zip(fields) {
        place.copy_from_slice(&field);
    }
}

/// Fields of a NIfTI-2 header by their offsets.
struct Fields<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Fields<'_> {
    /// `N` bytes, the least significant first.
    fn at<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut field: [u8; N] = std::array::from_fn(|i| self.bytes[at + i]);
        if self.big_endian {
            field.reverse();
        }
        field
    }

    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.at(at))
    }

    fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.at(at))
    }

    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.at(at))
    }

    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.at(at))
    }

    fn f64s<const N: usize>(&self, at: usize) -> [f64; N] {
        std::array::from_fn(|i| self.f64(at + 8 * i))
    }
}
