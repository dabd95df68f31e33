//! NumPy's npz: a zip archive of npy members.
//!
//! Preprocessed cases are written [`Packing::Stored`]: `np.load` opens them, and [`NpzMap`](super::NpzMap) maps them in
//! place. Probabilities are written [`Packing::Deflated`], as `np.savez_compressed` does.

use std::path::Path;

pub use super::archive::Packing;
use super::archive::{Archive, ArchiveWriter};
use super::atomic::write_atomic;
use super::dtype::Element;
use super::error::Malformed;
use super::ndarray::{self, ArrayView, NdArray};
use super::{FileError, Result, npy};

/// Writes `arrays` with their names to `path`, atomically; equal arrays give equal bytes.
///
/// The elements of each stored array start at a multiple of 64 bytes.
///
/// # Errors
/// The file cannot be written, or NumPy has no such element type.
pub fn write_npz(path: &Path, arrays: &[(&str, ArrayView<'_>)], packing: Packing) -> Result<()> {
    write_atomic(path, |out| {
        let mut archive = ArchiveWriter::new(out, path);
        for (name, array) in arrays {
            let header = npy::header(array.dtype(), array.shape()).map_err(|e| e.at(path))?;
            archive.add(&format!("{name}.npy"), packing, &[&header, array.bytes()])?;
        }
        archive.finish()
    })
}

/// Writes one array to `path`, atomically, that is never in memory as a whole: `fill` hands over the elements in C order, some at a
/// time, to the function that it is given.
///
/// # Errors
/// What `fill` returns; the file cannot be written; NumPy has no such element type; parts that do not make up the array.
pub fn write_npz_in_parts<T: Element, E: From<FileError>>(
    path: &Path,
    name: &str,
    shape: &[usize],
    packing: Packing,
    fill: impl FnOnce(&mut dyn FnMut(&[T]) -> Result<()>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    write_atomic(path, |out| {
        let mut archive = ArchiveWriter::new(out, path);
        let header = npy::header(T::DTYPE, shape).map_err(|e| e.at(path))?;
        let wanted = ndarray::count(shape, T::DTYPE).map_err(|e| e.at(path))? * T::DTYPE.size();
        archive.begin(&format!("{name}.npy"), packing, (header.len() + wanted) as u64)?;
        archive.append(&header)?;
        let mut found = 0;
        fill(&mut |part| {
            let bytes = bytemuck::cast_slice(part);
            found += bytes.len();
            archive.append(bytes)
        })?;
        if found != wanted {
            return Err(Malformed(format!("array `{name}` of shape {shape:?} wants {wanted} bytes, but {found} came")).at(path).into());
        }
        Ok(archive.finish()?)
    })
}

/// Reads all arrays of the npz at `path`, with their names, in the order of the file; checksums are verified.
///
/// # Errors
/// The file cannot be read, or is not the npz it should be; its name is in the error.
pub fn read_npz(path: &Path) -> Result<Vec<(String, NdArray)>> {
    let mut archive = Archive::open(path)?;
    (0..archive.len())
        .map(|index| {
            let name = archive.member(index)?.name;
            let array = npy::decode(&archive.read(index)?)?;
            Ok((array_name(&name).to_owned(), array))
        })
        .collect::<std::result::Result<_, _>>()
        .map_err(|e: Malformed| e.at(path))
}

/// Reads the one array `name` of the npz at `path`.
///
/// # Errors
/// As [`read_npz`], or there is no such array.
pub fn read_npz_array(path: &Path, name: &str) -> Result<NdArray> {
    let mut archive = Archive::open(path)?;
    let mut names = Vec::new();
    for index in 0..archive.len() {
        let member = archive.member(index).map_err(|e| e.at(path))?.name;
        if array_name(&member) == name {
            return archive.read(index).and_then(|bytes| npy::decode(&bytes)).map_err(|e| e.at(path));
        }
        names.push(array_name(&member).to_owned());
    }
    Err(missing(path, name, &names))
}

/// A member's name without its ending.
pub(super) fn array_name(member: &str) -> &str {
    member.strip_suffix(".npy").unwrap_or(member)
}

pub(super) fn missing(path: &Path, name: &str, names: &[String]) -> FileError {
    Malformed(format!("no array `{name}`; it holds {}", names.join(", "))).at(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_file_of_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let [whole, parts] = ["whole.npz", "parts.npz"].map(|name| dir.path().join(name));
        let values: Vec<f32> = (0..60_000).map(|i| (i % 977) as f32 / 7.0).collect();
        let shape = [3, 200, 100];
        for packing in [Packing::Stored, Packing::Deflated] {
            write_npz(&whole, &[("p", ArrayView::new(&shape, &values).unwrap())], packing).unwrap();
            let append = |append: &mut dyn FnMut(&[f32]) -> Result<()>| values.chunks(20_000).try_for_each(append);
            write_npz_in_parts(&parts, "p", &shape, packing, append).unwrap();
            assert!(read_npz(&whole).unwrap() == read_npz(&parts).unwrap(), "{packing:?}");
        }
        let short = |append: &mut dyn FnMut(&[f32]) -> Result<()>| append(&values[1..]);
        let error = write_npz_in_parts(&parts, "p", &shape, Packing::Stored, short).unwrap_err().to_string();
        assert!(error.contains("wants 240000 bytes, but 239996 came"), "{error}");
    }
}
