//! Headers of lines: what NRRD and MetaImage share.

use super::ImageError;
use std::io::{self, BufRead, Read};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

/// Bytes of a header, at most.
const LONGEST: u64 = 1 << 20;

/// The lines of a header, without their ends; what follows them stays in the reader.
pub(super) struct Lines<'a, R> {
    path: &'a Path,
    content: &'a mut R,
    left: u64,
}

impl<'a, R: BufRead> Lines<'a, R> {
    pub(super) fn new(path: &'a Path, content: &'a mut R) -> Self {
        Self { path, content, left: LONGEST }
    }

    /// The next line; none at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<String>, ImageError> {
        let mut line = Vec::new();
        let read = self.content.take(self.left).read_until(b'\n', &mut line).map_err(ImageError::read(self.path))?;
        self.left -= read as u64;
        if read == 0 && self.left > 0 {
            return Ok(None);
        }
        if !line.ends_with(b"\n") && self.left == 0 {
            return Err(ImageError::malformed(self.path, format!("the header has no end within {LONGEST} bytes")));
        }
        let line = String::from_utf8_lossy(&line);
        Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

/// The numbers in the value of `key`, separated by spaces.
pub(super) fn numbers<T: FromStr>(path: &Path, key: &str, value: &str) -> Result<Vec<T>, ImageError> {
    let parsed: Result<Vec<T>, _> = value.split_whitespace().map(str::parse).collect();
    parsed.map_err(|_| ImageError::malformed(path, format!("`{key}` is {value:?}; wanted numbers")))
}

/// Lengths of the axes x, y, z, ...: at least one voxel each.
pub(super) fn lengths(path: &Path, key: &str, value: &str) -> Result<Vec<usize>, ImageError> {
    let lengths: Vec<usize> = numbers(path, key, value)?;
    if lengths.contains(&0) {
        return Err(ImageError::malformed(path, format!("`{key}` is {value:?}; wanted at least 1 voxel along each axis")));
    }
    Ok(lengths)
}

/// The file of voxels that a header names: one in the header's folder or below it.
pub(super) fn beside(path: &Path, name: &str) -> Result<PathBuf, ImageError> {
    let is_below = Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if name.is_empty() || !is_below {
        return Err(ImageError::malformed(path, format!("keeps its voxels in {name:?}; wanted one file in the folder of the header")));
    }
    Ok(path.parent().unwrap_or(Path::new("")).join(name))
}

/// Numbers as text, read as the bytes of `f64`, the least significant first.
pub(super) struct TextNumbers<R> {
    content: R,
    /// Bytes of the number that is under way.
    rest: std::vec::IntoIter<u8>,
}

impl<R: BufRead> TextNumbers<R> {
    pub(super) fn new(content: R) -> Self {
        Self { content, rest: Vec::new().into_iter() }
    }

    /// The most bytes that `length` bytes of text can become.
    pub(super) fn bytes_at_most(length: u64) -> u64 {
        length.saturating_add(1) / 2 * 8
    }

    fn next_number(&mut self) -> io::Result<Option<f64>> {
        let mut word = String::new();
        for byte in self.content.by_ref().bytes() {
            match byte? {
                byte if byte.is_ascii_whitespace() || byte == b',' => {
                    if !word.is_empty() {
                        break;
                    }
                }
                byte if word.len() < 64 => word.push(char::from(byte)),
                _ => return Err(io::Error::other(format!("{word:?}... is no number"))),
            }
        }
        match word.as_str() {
            "" => Ok(None),
            word => word.parse().map(Some).map_err(|_| io::Error::other(format!("{word:?} is no number"))),
        }
    }
}

impl<R: BufRead> Read for TextNumbers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.len() == 0 {
            match self.next_number()? {
                Some(number) => self.rest = number.to_le_bytes().to_vec().into_iter(),
                None => return Ok(0),
            }
        }
        let bytes = buffer.len().min(self.rest.len());
        buffer.iter_mut().zip(&mut self.rest).for_each(|(place, byte)| *place = byte);
        Ok(bytes)
    }
}
