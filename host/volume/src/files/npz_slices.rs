//! Arrays of one shape in several npz files, read side by side and piece by piece.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

use super::archive::Archive;
use super::error::{Malformed, malformed};
use super::ndarray::{ArrayView, count};
use super::npy::Header;
use super::npz::{array_name, missing};
use super::{FileError, Result};

/// One array in each of several files. [`NpzSlices::each`] gives them an index of the first axis at a time: what is in memory is one
/// slice of each file, whatever the packing.
pub struct NpzSlices {
    files: Vec<Opened>,
    shape: Vec<usize>,
}

struct Opened {
    path: PathBuf,
    archive: Archive<BufReader<File>>,
    member: usize,
    header: Header,
}

impl NpzSlices {
    /// The array `name` in each of `paths`.
    ///
    /// # Errors
    /// No path; a file that cannot be read, is no npz or lacks the array; an array without axes, in Fortran order, or of another shape
    /// than the first one.
    pub fn open(paths: &[PathBuf], name: &str) -> Result<Self> {
        let files = paths.iter().map(|path| Opened::new(path.clone(), name)).collect::<Result<Vec<_>>>()?;
        let shape = files.first().map(|file| file.header.shape.clone()).unwrap_or_default();
        for Opened { path, header, .. } in &files {
            if header.shape != shape {
                return Err(Malformed(format!("array `{name}` has the shape {:?}; wanted {shape:?}, that of the first file", header.shape)).at(path));
            }
        }
        Ok(Self { files, shape })
    }

    /// The shape of every array; at least one axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Calls `with` for each index of the first axis with that index and the slice of each array in C order as f32, in the order of the
    /// paths. Checksums are verified.
    ///
    /// # Errors
    /// A file that is cut short or damaged; what `with` returns.
    pub fn each<E: From<FileError>>(mut self, mut with: impl FnMut(usize, &[Vec<f32>]) -> std::result::Result<(), E>) -> std::result::Result<(), E> {
        let (slices, sides) = self.shape.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
        let mut streams = Vec::with_capacity(self.files.len());
        for Opened { path, archive, member, header } in &mut self.files {
            let mut stream = archive.stream(*member).map_err(|e| e.at(path))?;
            take(&mut stream, header.start).map_err(FileError::io("read", path))?;
            streams.push((&*path, &*header, stream));
        }
        let mut slice = Vec::with_capacity(streams.len());
        for index in 0..slices {
            slice.clear();
            for (path, header, stream) in &mut streams {
                let elements = count(sides, header.dtype).map_err(|e| e.at(path))?;
                let bytes = take(stream, elements * header.dtype.size()).map_err(FileError::io("read", path))?;
                slice.push(ArrayView::from_bytes(header.dtype, sides, &bytes).map_err(|e| e.at(path))?.to_f32());
            }
            with(index, &slice)?;
        }
        for (path, _, stream) in &mut streams {
            // the checksum is compared at the end
            std::io::copy(stream, &mut std::io::sink()).map_err(FileError::io("read", path))?;
        }
        Ok(())
    }
}

impl Opened {
    fn new(path: PathBuf, name: &str) -> Result<Self> {
        let mut archive = Archive::open(&path)?;
        let mut names = Vec::new();
        for index in 0..archive.len() {
            let member = archive.member(index).map_err(|e| e.at(&path))?;
            if array_name(&member.name) == name {
                let header = header(&mut archive, index, member.len).map_err(|e| e.at(&path))?;
                return Ok(Self { path, archive, member: index, header });
            }
            names.push(array_name(&member.name).to_owned());
        }
        Err(missing(&path, name, &names))
    }
}

/// The npy header of a member of `len` bytes, whose elements fill the rest of it.
fn header(archive: &mut Archive<BufReader<File>>, index: usize, len: usize) -> std::result::Result<Header, Malformed> {
    /// Longer than any header of an array of numbers.
    const ENOUGH: u64 = 4096;
    let mut bytes = Vec::new();
    archive.stream(index)?.take(ENOUGH).read_to_end(&mut bytes).map_err(|e| Malformed(format!("zip member {index}: {e}")))?;
    let header = Header::parse(&bytes)?;
    if header.fortran || header.shape.is_empty() {
        return malformed!(
            "an array of shape {:?}{}; wanted axes, the last one fastest",
            header.shape,
            if header.fortran { " in Fortran order" } else { "" }
        );
    }
    let wanted = count(&header.shape, header.dtype)? * header.dtype.size();
    match len.checked_sub(header.start) {
        Some(found) if found == wanted => Ok(header),
        _ => malformed!(
            "npy of shape {:?} and {} wants {wanted} bytes of elements, but the member has {len} with its header",
            header.shape,
            header.dtype
        ),
    }
}

/// The next `len` bytes; memory grows with what is there.
fn take(stream: &mut impl Read, len: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match stream.take(len as u64).read_to_end(&mut bytes)? {
        found if found == len => Ok(bytes),
        found => Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, format!("{found} bytes where {len} are wanted"))),
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::files::npz::{Packing, read_npz_array, write_npz, write_npz_in_parts};

    fn slices(paths: &[PathBuf]) -> Result<Vec<(usize, Vec<Vec<f32>>)>> {
        let mut found = Vec::new();
        NpzSlices::open(paths, "probabilities")?.each(|index, slices| {
            found.push((index, slices.to_vec()));
            Ok::<_, FileError>(())
        })?;
        Ok(found)
    }

    #[test]
    fn files_are_read_side_by_side() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a.npz", "b.npz", "c.npz"].map(|name| dir.path().join(name));
        let data: Vec<f32> = (0..3 * 4).map(|i| i as f32).collect();
        let halves: Vec<f16> = data.iter().map(|&x| f16::from_f32(-x)).collect();
        let other = ArrayView::new(&[1], &[1_i16]).unwrap();
        write_npz(&a, &[("other", other), ("probabilities", ArrayView::new(&[3, 2, 2], &data).unwrap())], Packing::Deflated).unwrap();
        write_npz(&b, &[("probabilities", ArrayView::new(&[3, 2, 2], &halves).unwrap())], Packing::Stored).unwrap();
        let found = slices(&[a.clone(), b.clone()]).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found[1], (1, vec![vec![4.0, 5.0, 6.0, 7.0], vec![-4.0, -5.0, -6.0, -7.0]]));

        write_npz(&c, &[("probabilities", ArrayView::new(&[3, 4], &data).unwrap())], Packing::Stored).unwrap();
        let error = slices(&[a.clone(), c]).unwrap_err().to_string();
        assert!(error.contains("c.npz: array `probabilities` has the shape [3, 4]; wanted [3, 2, 2]"), "{error}");
        assert!(NpzSlices::open(std::slice::from_ref(&a), "logits").is_err());
        let mut broken = std::fs::read(&b).unwrap();
        let last = broken.len() / 2;
        broken[last] ^= 1;
        std::fs::write(&b, &broken).unwrap();
        assert!(slices(&[a, b]).is_err(), "a flipped bit");
    }

    #[test]
    fn pieces_make_the_same_file_as_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let [whole, pieces] = ["whole.npz", "pieces.npz"].map(|name| dir.path().join(name));
        let data: Vec<f32> = (0..1000).map(|i| (i % 17) as f32).collect();
        write_npz(&whole, &[("p", ArrayView::new(&[10, 100], &data).unwrap())], Packing::Deflated).unwrap();
        write_npz_in_parts(&pieces, "p", &[10, 100], Packing::Deflated, |put| data.chunks(70).try_for_each(put)).unwrap();
        assert_eq!(read_npz_array(&whole, "p").unwrap(), read_npz_array(&pieces, "p").unwrap());
        let few = write_npz_in_parts(&pieces, "p", &[10, 100], Packing::Deflated, |put| put(&data[..5])).unwrap_err().to_string();
        assert!(few.contains("wants 4000 bytes, but 20 came"), "{few}");
        assert!(read_npz_array(&pieces, "p").is_ok(), "the old file is there still");
    }
}
