//! MetaImage: a header of `key = value` lines with the voxels behind it (`.mha`) or in a file of their own (`.mhd`).
//!
//! `TransformMatrix` holds the direction of one axis after the other; a fourth axis are channels, and so are
//! `ElementNumberOfChannels`, whose values lie side by side.

use super::text::{Lines, TextNumbers, beside, lengths, numbers};
use super::voxels::{Content, DEFLATE_LIMIT, Kind, Opened, Stored, Voxels, count, open_file};
use super::{Format, Geometry, ImageError, ImageHeader};
use crate::files::FileError;
use crate::files::atomic::{write_atomic, write_bytes};
use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const KINDS: [(&str, Kind); 12] = [
    ("MET_UCHAR", Kind::U8),
    ("MET_CHAR", Kind::I8),
    ("MET_USHORT", Kind::U16),
    ("MET_SHORT", Kind::I16),
    ("MET_UINT", Kind::U32),
    ("MET_INT", Kind::I32),
    ("MET_ULONG", Kind::U32),
    ("MET_LONG", Kind::I32),
    ("MET_ULONG_LONG", Kind::U64),
    ("MET_LONG_LONG", Kind::I64),
    ("MET_FLOAT", Kind::F32),
    ("MET_DOUBLE", Kind::F64),
];

pub(super) struct MetaImage;

/// What the lines say.
struct Header {
    image: ImageHeader,
    kind: Kind,
    interleaved: bool,
    big_endian: bool,
    binary: bool,
    compressed: bool,
    /// Bytes of the compressed voxels, where they are said.
    compressed_size: Option<u64>,
    /// Bytes before the voxels in a file of their own; negative: the voxels end with the file.
    skip: i64,
    /// The file of the voxels; none: they follow the header.
    data: Option<PathBuf>,
}

impl Format for MetaImage {
    fn open(&self, path: &Path) -> Result<Opened, ImageError> {
        let (mut file, mut length) = open_file(path)?;
        let header = Header::read(path, &mut file)?;
        let mut start = file.stream_position().map_err(ImageError::read(path))?;
        let data_path = header.data.as_deref().unwrap_or(path);
        if header.data.is_some() {
            (file, length) = open_file(data_path)?;
            start = u64::try_from(header.skip).unwrap_or(0);
        }
        if header.skip < 0 {
            let bytes = (count(path, &header.image)? as u64).saturating_mul(header.kind.bytes() as u64);
            start = start.max(length.saturating_sub(bytes));
        }
        file.seek(SeekFrom::Start(start)).map_err(ImageError::read(data_path))?;
        Ok(Opened { voxels: Voxels::Stored(header.stored(file, length.saturating_sub(start))), header: header.image })
    }

    fn files(&self, path: &Path) -> Result<Vec<PathBuf>, ImageError> {
        let (mut file, _) = open_file(path)?;
        let data = Header::read(path, &mut file)?.data;
        Ok(std::iter::once(path.to_owned()).chain(data).collect())
    }

    fn write(&self, path: &Path, content: Content<'_>, geometry: &Geometry) -> Result<(), ImageError> {
        let failed = |e: std::io::Error| ImageError::unwritable(path, e.to_string());
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        content.write(&mut encoder, false).map_err(failed)?;
        let voxels = encoder.finish().map_err(failed)?;
        let apart = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mhd"));
        let data = path.with_extension("zraw");
        let name = data.file_name().unwrap_or_default().to_string_lossy();
        let header = header_text(&content, geometry, voxels.len(), if apart { &name } else { "LOCAL" });
        if apart {
            write_bytes(&data, &voxels)?;
            return Ok(write_bytes(path, header.as_bytes())?);
        }
        let written = write_atomic(path, |out| {
            let done = out.write_all(header.as_bytes()).and_then(|()| out.write_all(&voxels));
            done.map_err(FileError::io("write", path))
        });
        Ok(written?)
    }
}

impl Header {
    fn read(path: &Path, file: &mut BufReader<File>) -> Result<Self, ImageError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut lines = Lines::new(path, file);
        while fields.last().is_none_or(|(key, _)| key != "ElementDataFile") {
            let line = lines.next()?.ok_or_else(|| ImageError::malformed(path, "is no MetaImage: the header has no `ElementDataFile`"))?;
            if let Some((key, value)) = line.split_once('=') {
                fields.push((key.trim().to_owned(), value.trim().to_owned()));
            } else if !line.trim().is_empty() {
                return Err(ImageError::malformed(path, format!("is no MetaImage: a line of the header is {line:?}; wanted `key = value`")));
            }
        }
        Fields { path, fields }.header()
    }

    /// The voxels, of which `length` bytes are in `file` from here on.
    fn stored(&self, file: BufReader<File>, length: u64) -> Stored {
        let (content, at_most): (Box<dyn Read>, u64) = match (self.binary, self.compressed) {
            (false, _) => (Box::new(TextNumbers::new(file)), TextNumbers::<BufReader<File>>::bytes_at_most(length)),
            (true, true) => {
                let length = self.compressed_size.map_or(length, |size| size.min(length));
                (Box::new(ZlibDecoder::new(file.take(length))), length.saturating_mul(DEFLATE_LIMIT))
            }
            (true, false) => (Box::new(file), length),
        };
        let (kind, big_endian) = if self.binary { (self.kind, self.big_endian) } else { (Kind::F64, false) };
        Stored { content, at_most, kind, big_endian, scale: (1.0, 0.0), interleaved: self.interleaved }
    }
}

struct Fields<'a> {
    path: &'a Path,
    fields: Vec<(String, String)>,
}

impl Fields<'_> {
    /// The value of the first of `keys` that is there.
    fn get(&self, keys: &[&'static str]) -> Option<(&'static str, &str)> {
        let value = |key: &&'static str| self.fields.iter().find(|(known, _)| known == key).map(|(_, value)| (*key, value.as_str()));
        keys.iter().find_map(value)
    }

    fn is_true(&self, keys: &[&'static str], otherwise: bool) -> bool {
        self.get(keys).map_or(otherwise, |(_, value)| value.to_lowercase().starts_with(['t', '1']))
    }

    /// `wanted` numbers, none where no such key is there.
    fn floats(&self, keys: &[&'static str], wanted: usize) -> Result<Option<Vec<f64>>, ImageError> {
        let Some((key, value)) = self.get(keys) else { return Ok(None) };
        let found: Vec<f64> = numbers(self.path, key, value)?;
        if found.len() != wanted || !found.iter().all(|number| number.is_finite()) {
            return Err(self.wrong(key, value, &format!("{wanted} numbers")));
        }
        Ok(Some(found))
    }

    fn integer(&self, key: &'static str) -> Result<Option<i64>, ImageError> {
        let Some((key, value)) = self.get(&[key]) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| self.wrong(key, value, "an integer"))
    }

    fn wrong(&self, key: &str, found: &str, wanted: &str) -> ImageError {
        ImageError::malformed(self.path, format!("`{key}` is {found:?}; wanted {wanted}"))
    }

    fn header(&self) -> Result<Header, ImageError> {
        let missing = |key: &str| ImageError::malformed(self.path, format!("is no MetaImage: the header has no `{key}`"));
        let (key, dims) = self.get(&["DimSize"]).ok_or_else(|| missing("DimSize"))?;
        let dim = lengths(self.path, key, dims)?;
        let axes = self.integer("NDims")?.ok_or_else(|| missing("NDims"))?;
        if !(2..=4).contains(&dim.len()) || dim.len() as i64 != axes {
            return Err(self.wrong(key, dims, &format!("2 to 4 axes, as many as `NDims`, which is {axes}")));
        }
        let side_by_side = match self.integer("ElementNumberOfChannels")? {
            None => 1,
            Some(channels) => usize::try_from(channels)
                .ok()
                .filter(|&c| c > 0)
                .ok_or_else(|| self.wrong("ElementNumberOfChannels", &channels.to_string(), "at least 1"))?,
        };
        let fourth = dim.get(3).copied().unwrap_or(1);
        if side_by_side > 1 && fourth > 1 {
            return Err(self.wrong(key, dims, "3 axes where each voxel has several channels"));
        }
        let (_, kind) = self.get(&["ElementType"]).ok_or_else(|| missing("ElementType"))?;
        let kind = KINDS.iter().find(|(name, _)| *name == kind).map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| {
            let (key, found) = self.get(&["ElementType"]).unwrap_or_default();
            self.wrong(key, found, &format!("one of {}", KINDS.map(|(name, _)| name).join(", ")))
        })?;
        let data = match self.get(&["ElementDataFile"]) {
            None | Some((_, "LOCAL" | "Local" | "local")) => None,
            Some((key, list)) if list.starts_with("LIST") || list.contains('%') => return Err(self.wrong(key, list, "one file, or LOCAL")),
            Some((_, name)) => Some(beside(self.path, name)?),
        };
        Ok(Header {
            image: ImageHeader {
                channels: side_by_side * fourth,
                shape: [dim.get(2).copied().unwrap_or(1), dim[1], dim[0]],
                geometry: self.geometry(dim.len())?,
            },
            kind,
            interleaved: side_by_side > 1,
            big_endian: self.is_true(&["BinaryDataByteOrderMSB", "ElementByteOrderMSB"], false),
            binary: self.is_true(&["BinaryData"], true),
            compressed: self.is_true(&["CompressedData"], false),
            compressed_size: self.integer("CompressedDataSize")?.and_then(|size| u64::try_from(size).ok()).filter(|&size| size > 0),
            skip: self.integer("HeaderSize")?.unwrap_or(0),
            data,
        })
    }

    fn geometry(&self, axes: usize) -> Result<Geometry, ImageError> {
        let spacing = self.floats(&["ElementSpacing", "ElementSize"], axes)?.unwrap_or_else(|| vec![1.0; axes]);
        if spacing.contains(&0.0) {
            return Err(self.wrong("ElementSpacing", &format!("{spacing:?}"), "lengths in mm, none 0"));
        }
        let origin = self.floats(&["Offset", "Position", "Origin"], axes)?.unwrap_or_else(|| vec![0.0; axes]);
        let matrix = self.floats(&["TransformMatrix", "Rotation", "Orientation"], axes * axes)?;
        let identity = || (0..axes * axes).map(|i| f64::from(u8::from(i % (axes + 1) == 0))).collect();
        let matrix: Vec<f64> = matrix.unwrap_or_else(identity);
        let spacing: Vec<f64> = spacing.into_iter().map(f64::abs).collect();
        Ok(Geometry::of_axes(&spacing, &origin, &matrix.chunks(axes).collect::<Vec<_>>()))
    }
}

fn header_text(content: &Content<'_>, geometry: &Geometry, bytes: usize, data: &str) -> String {
    let dim = content.lengths(geometry.flat);
    let axes = dim.len();
    let [z, y, x] = geometry.spacing;
    // a fourth axis, the channels, has the neutral geometry
    let along = |row: usize, column: usize| match (row, column) {
        (row @ 0..3, column @ 0..3) => geometry.direction[row][column],
        (row, column) => f64::from(u8::from(row == column)),
    };
    let matrix = (0..axes).flat_map(|axis| (0..axes).map(move |row| along(row, axis)));
    let list = |numbers: &mut dyn Iterator<Item = f64>| numbers.take(axes * axes).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    let origin = geometry.origin.into_iter().chain([0.0]).take(axes);
    let kind = content.kind();
    let kind = KINDS.iter().find(|(_, known)| *known == kind).map_or("", |(name, _)| name);
    format!(
        "ObjectType = Image\nNDims = {axes}\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = True\n\
         CompressedDataSize = {bytes}\nTransformMatrix = {}\nOffset = {}\nCenterOfRotation = {}\nElementSpacing = {}\nDimSize = {}\n\
         ElementType = {kind}\nElementDataFile = {data}\n",
        list(&mut matrix.into_iter()),
        list(&mut origin.into_iter()),
        list(&mut std::iter::repeat_n(0.0, axes)),
        list(&mut [x, y, z, 1.0].into_iter().take(axes)),
        dim.iter().map(usize::to_string).collect::<Vec<_>>().join(" "),
    )
}
