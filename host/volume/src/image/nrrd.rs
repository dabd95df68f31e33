//! NRRD: a header of `field: value` lines with the voxels behind it (`.nrrd`) or in a file of their own (`.nhdr`).
//!
//! Spacing and orientation are one vector an axis (`space directions`), so a spacing along an oblique axis is exact to the last bit
//! but one. A first axis without a direction, or a last one, are channels.

use super::text::{Lines, TextNumbers, beside, lengths, numbers};
use super::voxels::{Content, DEFLATE_LIMIT, Kind, Opened, Stored, Voxels, count, open_file};
use super::{Format, Geometry, ImageError, ImageHeader};
use crate::files::FileError;
use crate::files::atomic::{write_atomic, write_bytes};
use flate2::bufread::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Types of voxels by all their names; the first one is written.
const KINDS: [(Kind, &[&str]); 10] = [
    (Kind::U8, &["unsigned char", "uchar", "uint8", "uint8_t"]),
    (Kind::I8, &["signed char", "int8", "int8_t"]),
    (Kind::U16, &["unsigned short", "ushort", "unsigned short int", "uint16", "uint16_t"]),
    (Kind::I16, &["short", "short int", "signed short", "signed short int", "int16", "int16_t"]),
    (Kind::U32, &["unsigned int", "uint", "uint32", "uint32_t"]),
    (Kind::I32, &["int", "signed int", "int32", "int32_t"]),
    (Kind::U64, &["unsigned long long", "ulonglong", "unsigned long long int", "uint64", "uint64_t"]),
    (Kind::I64, &["long long", "longlong", "long long int", "signed long long", "signed long long int", "int64", "int64_t"]),
    (Kind::F32, &["float"]),
    (Kind::F64, &["double"]),
];

pub(super) struct Nrrd;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Raw,
    Text,
    Gzip,
}

/// What the lines say.
struct Header {
    image: ImageHeader,
    kind: Kind,
    interleaved: bool,
    big_endian: bool,
    encoding: Encoding,
    /// Lines, then bytes, to leave out before the voxels; -1 bytes: the voxels end with the file.
    skip: (usize, i64),
    /// The file of the voxels; none: they follow the header.
    data: Option<PathBuf>,
}

impl Format for Nrrd {
    fn open(&self, path: &Path) -> Result<Opened, ImageError> {
        let (mut file, mut length) = open_file(path)?;
        let header = Fields::read(path, &mut file)?.header()?;
        let data_path = header.data.as_deref().unwrap_or(path);
        if header.data.is_some() {
            (file, length) = open_file(data_path)?;
        }
        let stored = header.stored(path, file, length).map_err(|error| match error {
            Failed::Read(source) => ImageError::read(data_path)(source),
            Failed::Image(error) => error,
        })?;
        Ok(Opened { header: header.image, voxels: Voxels::Stored(stored) })
    }

    fn files(&self, path: &Path) -> Result<Vec<PathBuf>, ImageError> {
        let (mut file, _) = open_file(path)?;
        let data = Fields::read(path, &mut file)?.header()?.data;
        Ok(std::iter::once(path.to_owned()).chain(data).collect())
    }

    fn write(&self, path: &Path, content: Content<'_>, geometry: &Geometry) -> Result<(), ImageError> {
        let apart = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("nhdr"));
        let data = path.with_extension("raw.gz");
        let name = data.file_name().unwrap_or_default().to_string_lossy();
        let header = header_text(&content, geometry, apart.then_some(&name));
        // no time, no name: equal images make equal files
        let pack = |out: &mut BufWriter<File>| {
            let mut encoder = GzBuilder::new().mtime(0).write(out, Compression::default());
            content.write(&mut encoder, false)?;
            encoder.finish().map(drop)
        };
        if apart {
            write_atomic(&data, |out| pack(out).map_err(FileError::io("write", &data)))?;
            return Ok(write_bytes(path, header.as_bytes())?);
        }
        let written = write_atomic(path, |out| out.write_all(header.as_bytes()).and_then(|()| pack(out)).map_err(FileError::io("write", path)));
        Ok(written?)
    }
}

enum Failed {
    Read(std::io::Error),
    Image(ImageError),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

impl Header {
    fn stored(&self, path: &Path, mut file: BufReader<File>, length: u64) -> Result<Stored, Failed> {
        let (lines, bytes) = self.skip;
        for _ in 0..lines {
            if file.skip_until(b'\n')? == 0 {
                break;
            }
        }
        let mut left = length.saturating_sub(file.stream_position()?);
        let skip = match u64::try_from(bytes) {
            Ok(bytes) => bytes,
            Err(_) => {
                let voxels = count(path, &self.image).map_err(Failed::Image)? as u64;
                left.saturating_sub(voxels.saturating_mul(self.kind.bytes() as u64))
            }
        };
        let (content, at_most): (Box<dyn Read>, u64) = match self.encoding {
            Encoding::Gzip => {
                let mut content = MultiGzDecoder::new(file);
                // bytes are left out of what was packed
                std::io::copy(&mut content.by_ref().take(skip), &mut std::io::sink())?;
                (Box::new(content), left.saturating_mul(DEFLATE_LIMIT))
            }
            encoding => {
                file.seek(SeekFrom::Current(i64::try_from(skip).unwrap_or(i64::MAX)))?;
                left = left.saturating_sub(skip);
                match encoding {
                    Encoding::Text => (Box::new(TextNumbers::new(file)), TextNumbers::<BufReader<File>>::bytes_at_most(left)),
                    _ => (Box::new(file), left),
                }
            }
        };
        let (kind, big_endian) = if self.encoding == Encoding::Text { (Kind::F64, false) } else { (self.kind, self.big_endian) };
        Ok(Stored { content, at_most, kind, big_endian, scale: (1.0, 0.0), interleaved: self.interleaved })
    }
}

struct Fields<'a> {
    path: &'a Path,
    fields: Vec<(String, String)>,
}

/// The axes of the array, x fastest.
struct Axes {
    /// Those in space: two or three.
    space: std::ops::Range<usize>,
    /// The channels' axis.
    channels: Option<usize>,
}

impl<'a> Fields<'a> {
    fn read(path: &'a Path, file: &mut BufReader<File>) -> Result<Self, ImageError> {
        let mut lines = Lines::new(path, file);
        let magic = lines.next()?.unwrap_or_default();
        if !magic.starts_with("NRRD000") {
            return Err(ImageError::malformed(path, "is no NRRD file: its first line is not NRRD000 and a version"));
        }
        let mut fields = Vec::new();
        while let Some(line) = lines.next()?.filter(|line| !line.is_empty()) {
            if line.starts_with('#') {
                continue;
            }
            match line.split_once(':') {
                // `key:=value` are remarks
                Some((_, value)) if value.starts_with('=') => {}
                Some((key, value)) => fields.push((key.trim().to_lowercase(), value.trim().to_owned())),
                None => return Err(ImageError::malformed(path, format!("a line of the header is {line:?}; wanted `field: value`"))),
            }
        }
        Ok(Self { path, fields })
    }

    fn get(&self, key: &str) -> Option<&str> {
        // some writers leave the blanks out of a name
        let is = |known: &str| known == key || known.replace(' ', "") == key.replace(' ', "");
        self.fields.iter().find(|(known, _)| is(known)).map(|(_, value)| value.as_str())
    }

    fn wanted(&self, key: &str) -> Result<&str, ImageError> {
        self.get(key).ok_or_else(|| ImageError::malformed(self.path, format!("the header has no `{key}`")))
    }

    fn wrong(&self, key: &str, wanted: &str) -> ImageError {
        ImageError::malformed(self.path, format!("`{key}` is {:?}; wanted {wanted}", self.get(key).unwrap_or_default()))
    }

    fn header(&self) -> Result<Header, ImageError> {
        let sizes = lengths(self.path, "sizes", self.wanted("sizes")?)?;
        if self.wanted("dimension")?.parse() != Ok(sizes.len()) {
            return Err(self.wrong("dimension", &format!("the number of `sizes`, {}", sizes.len())));
        }
        let name = self.wanted("type")?.to_lowercase();
        let kind = KINDS.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(kind, _)| *kind);
        let kind = kind.ok_or_else(|| self.wrong("type", &format!("one of {}", KINDS.map(|(_, names)| names[0]).join(", "))))?;
        let encoding = match self.wanted("encoding")?.to_lowercase().as_str() {
            "raw" => Encoding::Raw,
            "txt" | "text" | "ascii" => Encoding::Text,
            "gz" | "gzip" => Encoding::Gzip,
            _ => return Err(self.wrong("encoding", "raw, text or gzip")),
        };
        let integer = |key: &str| self.get(key).map_or(Ok(0), |value| value.parse::<i64>().map_err(|_| self.wrong(key, "an integer")));
        let skip = (usize::try_from(integer("line skip")?).unwrap_or(0), integer("byte skip")?);
        let data = match self.get("data file") {
            None => None,
            Some(list) if list.starts_with("LIST") || list.contains('%') => return Err(self.wrong("data file", "one file")),
            Some(name) => Some(beside(self.path, name)?),
        };
        let directions = self.directions(sizes.len())?;
        let axes = self.axes(&sizes, directions.as_deref())?;
        let space = &sizes[axes.space.clone()];
        let channels = axes.channels.map_or(1, |axis| sizes[axis]);
        Ok(Header {
            image: ImageHeader {
                channels,
                shape: [space.get(2).copied().unwrap_or(1), space[1], space[0]],
                geometry: self.geometry(&axes, directions.as_deref())?,
            },
            kind,
            interleaved: axes.channels == Some(0),
            big_endian: self.get("endian").is_some_and(|endian| endian.eq_ignore_ascii_case("big")),
            encoding,
            skip,
            data,
        })
    }

    /// The vector of each axis; none where it has no direction in space.
    fn directions(&self, axes: usize) -> Result<Option<Vec<Option<Vec<f64>>>>, ImageError> {
        let Some(mut text) = self.get("space directions").map(str::trim) else { return Ok(None) };
        let mut directions = Vec::new();
        while !text.is_empty() {
            if let Some(rest) = text.strip_prefix("none") {
                directions.push(None);
                text = rest.trim_start();
            } else {
                let (vector, rest) = self.vector("space directions", text)?;
                directions.push(vector.iter().all(|x| x.is_finite()).then_some(vector));
                text = rest;
            }
        }
        if directions.len() != axes || directions.iter().flatten().any(|v| v.len() < 2 || v.iter().all(|x| *x == 0.0)) {
            return Err(self.wrong("space directions", &format!("{axes} vectors or `none`, no vector of length 0")));
        }
        Ok(Some(directions))
    }

    /// The numbers of `(a,b,c)` at the start of `text`, and what follows.
    fn vector<'t>(&self, key: &str, text: &'t str) -> Result<(Vec<f64>, &'t str), ImageError> {
        let inner = text.strip_prefix('(').and_then(|text| text.split_once(')'));
        let (inner, rest) = inner.ok_or_else(|| self.wrong(key, "vectors such as (1,0,0)"))?;
        Ok((numbers(self.path, key, &inner.replace(',', " "))?, rest.trim_start()))
    }

    fn axes(&self, sizes: &[usize], directions: Option<&[Option<Vec<f64>>]>) -> Result<Axes, ImageError> {
        let n = sizes.len();
        let kinds: Option<Vec<&str>> = self.get("kinds").map(|kinds| kinds.split_whitespace().collect()).filter(|kinds: &Vec<_>| kinds.len() == n);
        let in_space = |axis: usize| match (directions, &kinds) {
            (Some(directions), _) => directions[axis].is_some(),
            (None, Some(kinds)) => matches!(kinds[axis], "domain" | "space" | "???" | "none"),
            (None, None) => true,
        };
        let in_space: Vec<bool> = (0..n).map(in_space).collect();
        let channels = match in_space.iter().filter(|is| !**is).count() {
            0 => (n == 4).then_some(3),
            1 if !in_space[0] => Some(0),
            1 if !in_space[n - 1] => Some(n - 1),
            _ => return Err(self.wrong("space directions", "axes in space, and one of channels before or behind them")),
        };
        let space = match channels {
            Some(0) => 1..n,
            Some(last) => 0..last,
            None => 0..n,
        };
        if !matches!(space.len(), 2 | 3) {
            return Err(self.wrong("sizes", "two or three axes in space"));
        }
        Ok(Axes { space, channels })
    }

    fn geometry(&self, axes: &Axes, directions: Option<&[Option<Vec<f64>>]>) -> Result<Geometry, ImageError> {
        let n = axes.space.len();
        let per_axis = |key: &str| -> Result<Option<Vec<f64>>, ImageError> {
            let values: Option<Vec<f64>> = self.get(key).map(|value| numbers(self.path, key, value)).transpose()?;
            Ok(values.and_then(|values| values.get(axes.space.clone()).map(<[f64]>::to_vec)))
        };
        let mut origin = match self.get("space origin") {
            Some(text) => self.vector("space origin", text)?.0,
            None => per_axis("axis mins")?.unwrap_or_default(),
        };
        origin.iter_mut().filter(|place| !place.is_finite()).for_each(|place| *place = 0.0);
        let Some(directions) = directions else {
            let spacing = per_axis("spacings")?.unwrap_or_else(|| vec![1.0; n]);
            let spacing: Vec<f64> = spacing.into_iter().map(|step| if step != 0.0 && step.is_finite() { step.abs() } else { 1.0 }).collect();
            return Ok(Geometry::of_axes(&spacing, &origin, &[]));
        };
        let mut vectors: Vec<Vec<f64>> = directions[axes.space.clone()].iter().map(|vector| vector.clone().unwrap_or_default()).collect();
        // ITK's world is left, posterior, superior
        let signs = match self.get("space").unwrap_or_default().to_lowercase().trim_end_matches("-time").trim_end_matches('t') {
            "right-anterior-superior" | "ras" => [-1.0, -1.0, 1.0],
            "left-anterior-superior" | "las" => [1.0, -1.0, 1.0],
            _ => [1.0; 3],
        };
        for vector in vectors.iter_mut().chain([&mut origin]) {
            vector.iter_mut().zip(signs).for_each(|(value, sign)| *value *= sign);
        }
        let spacing: Vec<f64> = vectors.iter().map(|vector| vector.iter().map(|x| x * x).sum::<f64>().sqrt()).collect();
        if !spacing.iter().all(|step| *step > 0.0 && step.is_finite()) {
            return Err(self.wrong("space directions", "vectors with a length"));
        }
        for (vector, step) in vectors.iter_mut().zip(&spacing) {
            vector.iter_mut().for_each(|x| *x /= step);
        }
        Ok(Geometry::of_axes(&spacing, &origin, &vectors.iter().map(Vec::as_slice).collect::<Vec<_>>()))
    }
}

fn header_text(content: &Content<'_>, geometry: &Geometry, data: Option<&Cow<'_, str>>) -> String {
    let sizes = content.lengths(geometry.flat);
    let axes = sizes.len();
    let [z, y, x] = geometry.spacing;
    let vector = |numbers: &mut dyn Iterator<Item = f64>| format!("({})", numbers.map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    let direction = |axis: usize| match axis {
        // the channels
        3 => vector(&mut [0.0, 0.0, 0.0, 1.0].into_iter()),
        axis => {
            let step = [x, y, z][axis];
            vector(&mut geometry.direction.iter().map(|row| row[axis] * step).chain([0.0]).take(axes))
        }
    };
    let space = match axes {
        3 => "space: left-posterior-superior".to_owned(),
        other => format!("space dimension: {other}"),
    };
    // a blank line ends the header where the voxels follow it
    let end = data.map_or_else(|| "\n".to_owned(), |name| format!("data file: {name}\n"));
    let kind = content.kind();
    let name = KINDS.iter().find(|(known, _)| *known == kind).map_or("", |(_, names)| names[0]);
    format!(
        "NRRD0004\ntype: {name}\ndimension: {axes}\n{space}\nsizes: {}\nspace directions: {}\nkinds: {}\nendian: little\n\
         encoding: gzip\nspace origin: {}\n{end}",
        sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" "),
        (0..axes).map(direction).collect::<Vec<_>>().join(" "),
        vec!["domain"; axes].join(" "),
        vector(&mut geometry.origin.into_iter().chain([0.0]).take(axes)),
    )
}
