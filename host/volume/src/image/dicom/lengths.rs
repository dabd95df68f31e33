//! Whether the elements of a DICOM file fit into it: the parser reserves what an element's length says before it reads.

use super::super::ImageError;
use super::super::voxels::open_file;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Where the elements begin: behind the preamble and `DICM`.
const START: u64 = 132;
const IMPLICIT: &[u8] = b"1.2.840.10008.1.2";
const DEFLATED: &[u8] = b"1.2.840.10008.1.2.1.99";
const BIG_ENDIAN: &[u8] = b"1.2.840.10008.1.2.2";
const TRANSFER_SYNTAX: [u16; 2] = [0x0002, 0x0010];
const PIXEL_DATA: [u16; 2] = [0x7FE0, 0x0010];
/// Types of values whose length has four bytes.
const LONG: [&[u8; 2]; 14] = [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV", b"??"];

/// Walks over the elements up to the pixels, sequences element by element, without reading a value.
///
/// # Errors
/// An element that is longer than what is left of the file; a file that cannot be read.
pub(super) fn check(path: &Path) -> Result<(), ImageError> {
    let (mut file, length) = open_file(path)?;
    match walk(&mut file, length) {
        Ok(None) => Ok(()),
        Ok(Some(what)) => Err(ImageError::malformed(path, what)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(ImageError::malformed(path, "is no whole DICOM file: it ends in an element"))
        }
        Err(error) => Err(ImageError::read(path)(error)),
    }
}

fn walk(file: &mut BufReader<File>, length: u64) -> io::Result<Option<String>> {
    file.seek(SeekFrom::Start(START - 4))?;
    if bytes(file)? != *b"DICM" {
        return Ok(Some("is no DICOM file: it has no DICM at byte 128".to_owned()));
    }
    let (mut at, mut syntax) = (START, Vec::new());
    while at + 8 <= length {
        let tag = [u16::from_le_bytes(bytes(file)?), u16::from_le_bytes(bytes(file)?)];
        if tag[0] != 0x0002 && (syntax == DEFLATED || syntax == BIG_ENDIAN) {
            return Ok(None);
        }
        let is_item = tag[0] == 0xFFFE;
        let implicit = is_item || (tag[0] != 0x0002 && syntax == IMPLICIT);
        let vr: [u8; 2] = if implicit { *b"??" } else { bytes(file)? };
        let (size, head) = match (implicit, LONG.contains(&&vr)) {
            (true, _) => (u32::from_le_bytes(bytes(file)?), 8),
            (false, true) => {
                let _: [u8; 2] = bytes(file)?;
                (u32::from_le_bytes(bytes(file)?), 12)
            }
            (false, false) => (u16::from_le_bytes(bytes(file)?).into(), 8),
        };
        at += head;
        let open = size == u32::MAX;
        if !open && u64::from(size) > length.saturating_sub(at) {
            let left = length.saturating_sub(at);
            return Ok(Some(format!("is no whole DICOM file: element {:04X},{:04X} has {size} bytes, but {left} are left", tag[0], tag[1])));
        }
        if tag == PIXEL_DATA {
            return Ok(None);
        }
        if tag == TRANSFER_SYNTAX {
            syntax = vec![0; size as usize];
            file.read_exact(&mut syntax)?;
            syntax.truncate(syntax.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1));
        } else if is_item || open || vr == *b"SQ" {
            // what is in it comes next
            continue;
        } else {
            file.seek_relative(size.into())?;
        }
        at += u64::from(size);
    }
    Ok(None)
}

fn bytes<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
