//! An npz whose stored arrays are read in place.

use std::fs::File;
use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::archive::Archive;
use super::dtype::{Dtype, Element};
use super::error::{Malformed, malformed};
use super::ndarray::NdArray;
use super::npy::{self, Header};
use super::npz::{array_name, missing};
use super::{FileError, Result};

/// An open npz. Arrays that are stored, aligned and in C order are slices of the mapped file; any other array was
/// copied when it was opened.
///
/// Mapped bytes are not compared with the archive's checksums, which would read the whole file at once;
/// [`read_npz`](super::npz::read_npz) does that.
#[derive(Debug)]
pub struct NpzMap {
    path: PathBuf,
    map: Mmap,
    arrays: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Bytes of the mapped file, aligned for the elements.
    Mapped(Range<usize>),
    /// A copy, in words so that it is aligned for every element type, and its length in bytes.
    Copied(Vec<u64>, usize),
}

impl NpzMap {
    /// Opens the npz at `path` and checks every offset and size in it against the file's length.
    ///
    /// # Errors
    /// The file cannot be read, or is not the npz it should be; its name is in the error.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(FileError::io("read", path))?;
        // SAFETY: the map is only read. Writers of this program replace files by renaming and never change one in
        // place, so the mapped bytes stay as they are while the map lives.
        let map = unsafe { Mmap::map(&file) }.map_err(FileError::io("map", path))?;
        let arrays = entries(&map).map_err(|e| e.at(path))?;
        Ok(Self { path: path.to_path_buf(), map, arrays })
    }

    /// The names of the arrays, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.iter().map(|a| a.name.as_str())
    }

    /// The element type and shape of `name`.
    ///
    /// # Errors
    /// There is no such array.
    pub fn info(&self, name: &str) -> Result<(Dtype, &[usize])> {
        self.entry(name).map(|a| (a.dtype, a.shape.as_slice()))
    }

    /// Whether `name` is read in place.
    ///
    /// # Errors
    /// There is no such array.
    pub fn is_mapped(&self, name: &str) -> Result<bool> {
        self.entry(name).map(|a| matches!(a.place, Place::Mapped(_)))
    }

    /// The shape of `name` and its elements in C order.
    ///
    /// # Errors
    /// There is no such array, or its elements are not `T`.
    pub fn array<T: Element>(&self, name: &str) -> Result<(&[usize], &[T])> {
        let entry = self.entry(name)?;
        let bytes = match &entry.place {
            Place::Mapped(range) => self.map.get(range.clone()),
            Place::Copied(words, len) => bytemuck::cast_slice(words).get(..*len),
        };
        let elements = match (entry.dtype == T::DTYPE, bytes.map(bytemuck::try_cast_slice)) {
            (true, Some(Ok(elements))) => Ok(elements),
            _ => malformed!("array `{name}` holds {}, wanted {}", entry.dtype, T::DTYPE),
        };
        elements.map(|e| (entry.shape.as_slice(), e)).map_err(|e| e.at(&self.path))
    }

    /// [`NpzMap::array`] of f32, such as `data` (C, z, y, x) of a preprocessed case.
    ///
    /// # Errors
    /// There is no such array, or its elements are not f32.
    pub fn array_f32(&self, name: &str) -> Result<(&[usize], &[f32])> {
        self.array(name)
    }

    /// [`NpzMap::array`] of i16, such as `seg` (1, z, y, x) of a preprocessed case.
    ///
    /// # Errors
    /// There is no such array, or its elements are not i16.
    pub fn array_i16(&self, name: &str) -> Result<(&[usize], &[i16])> {
        self.array(name)
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        let found = self.arrays.iter().find(|a| a.name == name);
        found.ok_or_else(|| missing(&self.path, name, &self.names().map(String::from).collect::<Vec<_>>()))
    }
}

fn entries(map: &[u8]) -> std::result::Result<Vec<Entry>, Malformed> {
    let mut archive = Archive::new(Cursor::new(map), map.len() as u64)?;
    (0..archive.len())
        .map(|index| {
            let member = archive.member(index)?;
            let name = array_name(&member.name).to_owned();
            if member.stored {
                // `Archive::member` has checked that start and length lie inside the file.
                let start = member.start as usize;
                let content = map.get(start..start + member.len).unwrap_or_default();
                let header = Header::parse(content)?;
                let elements = header.elements(content)?;
                if !header.fortran && elements.as_ptr().align_offset(header.dtype.size()) == 0 {
                    let start = start + header.start;
                    let place = Place::Mapped(start..start + elements.len());
                    return Ok(Entry { name, dtype: header.dtype, shape: header.shape, place });
                }
            }
            Ok(copied(name, &npy::decode(&archive.read(index)?)?))
        })
        .collect()
}

fn copied(name: String, array: &NdArray) -> Entry {
    let bytes = array.view().bytes();
    let mut words = vec![0_u64; bytes.len().div_ceil(8)];
    let room: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
    room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    let place = Place::Copied(words, bytes.len());
    Entry { name, dtype: array.dtype(), shape: array.shape().to_vec(), place }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::files::ArrayView;
    use crate::files::npz::{Packing, read_npz, read_npz_array, write_npz};

    fn example(path: &Path, packing: Packing) {
        let data: Vec<f32> = (0..2 * 3 * 4 * 5).map(|i| i as f32).collect();
        let data = ArrayView::new(&[2, 3, 4, 5], &data).unwrap();
        let seg = [-1_i16; 3 * 4 * 5];
        let seg = ArrayView::new(&[1, 3, 4, 5], &seg).unwrap();
        let half = [f16::ONE; 3];
        let half = ArrayView::new(&[3], &half).unwrap();
        write_npz(path, &[("data", data), ("seg", seg), ("probabilities", half)], packing).unwrap();
    }

    #[test]
    fn stored_arrays_are_mapped_and_deflated_ones_copied() {
        let dir = tempfile::tempdir().unwrap();
        for packing in [Packing::Stored, Packing::Deflated] {
            let path = dir.path().join("case.npz");
            example(&path, packing);
            let map = NpzMap::open(&path).unwrap();
            assert_eq!(map.names().collect::<Vec<_>>(), ["data", "seg", "probabilities"]);
            for name in ["data", "seg", "probabilities"] {
                assert_eq!(map.is_mapped(name).unwrap(), packing == Packing::Stored);
            }
            let (shape, data) = map.array_f32("data").unwrap();
            assert_eq!((shape, data.len(), data[119]), (&[2, 3, 4, 5][..], 120, 119.0));
            if packing == Packing::Stored {
                assert_eq!(data.as_ptr().align_offset(64), 0);
            }
            assert_eq!(map.array_i16("seg").unwrap(), (&[1, 3, 4, 5][..], &[-1; 60][..]));
            assert_eq!(map.array::<f16>("probabilities").unwrap().1, [f16::ONE; 3]);
            assert_eq!(map.info("seg").unwrap(), (Dtype::I16, &[1, 3, 4, 5][..]));
            let wrong = map.array_f32("seg").unwrap_err().to_string();
            assert!(wrong.contains("case.npz: array `seg` holds int16, wanted float32"), "{wrong}");
            let none = map.array_f32("image").unwrap_err().to_string();
            assert!(none.contains("no array `image`; it holds data, seg, probabilities"), "{none}");
            let all = read_npz(&path).unwrap();
            assert_eq!(all[0].1.to_f32(), data);
            assert_eq!(read_npz_array(&path, "seg").unwrap(), all[1].1);
        }
    }

    #[test]
    fn equal_arrays_give_equal_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = [Packing::Stored, Packing::Stored].map(|packing| {
            let path = dir.path().join("case.npz");
            example(&path, packing);
            std::fs::read(path).unwrap()
        });
        assert_eq!(bytes[0], bytes[1]);
    }

    #[test]
    fn cuts_are_errors_and_no_flip_panics() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.npz");
        for packing in [Packing::Stored, Packing::Deflated] {
            example(&path, packing);
            let whole = std::fs::read(&path).unwrap();
            for cut in (0..whole.len()).step_by(7) {
                std::fs::write(&path, &whole[..cut]).unwrap();
                let error = NpzMap::open(&path).unwrap_err().to_string();
                assert!(error.contains("case.npz"), "{error}");
            }
            for (at, flip) in (0..whole.len()).zip([0x01, 0x80, 0xff].into_iter().cycle()) {
                let mut broken = whole.clone();
                broken[at] ^= flip;
                std::fs::write(&path, &broken).unwrap();
                if let Ok(map) = NpzMap::open(&path) {
                    let _ = (map.array_f32("data"), map.array_i16("seg"));
                }
                let _ = read_npz(&path);
            }
        }
    }
}
