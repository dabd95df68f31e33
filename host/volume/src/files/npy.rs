//! NumPy's npy: a header in Python's syntax, then the elements.
//!
//! Written: version 1, little-endian, C order, byte for byte as `np.save` writes it. Read: versions 1 to 3, little-endian
//! numbers and booleans; Fortran order is turned into C order.

use std::fs;
use std::path::Path;

use super::atomic::write_atomic;
use super::dtype::Dtype;
use super::error::{Malformed, malformed};
use super::ndarray::{ArrayView, NdArray, count, fortran_to_c};
use super::{FileError, Result};
use std::io::Write;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Header and elements both start at multiples of this.
const ALIGNMENT: usize = 64;

/// Reads the array in the file at `path`.
///
/// # Errors
/// The file cannot be read, or is not the npy file it should be; its name is in the error.
pub fn read_npy(path: &Path) -> Result<NdArray> {
    let bytes = fs::read(path).map_err(FileError::io("read", path))?;
    decode(&bytes).map_err(|e| e.at(path))
}

/// Writes `array` to `path`, atomically.
///
/// # Errors
/// The file cannot be written, or NumPy has no such element type.
pub fn write_npy(path: &Path, array: ArrayView<'_>) -> Result<()> {
    let header = header(array.dtype(), array.shape()).map_err(|e| e.at(path))?;
    write_atomic(path, |out| out.write_all(&header).and_then(|()| out.write_all(array.bytes())).map_err(FileError::io("write", path)))
}

/// The array in the bytes of an npy file.
///
/// # Errors
/// They are cut short, longer than the header says, or of a kind that is not read.
pub fn decode(bytes: &[u8]) -> std::result::Result<NdArray, Malformed> {
    let header = Header::parse(bytes)?;
    let elements = header.elements(bytes)?;
    let elements = if header.fortran { fortran_to_c(header.dtype, &header.shape, elements)? } else { elements.to_vec() };
    NdArray::from_bytes(header.dtype, header.shape, elements)
}

/// The header of an array, padded so that the elements after it are aligned.
pub(super) fn header(dtype: Dtype, shape: &[usize]) -> std::result::Result<Vec<u8>, Malformed> {
    let Some(code) = dtype.numpy_code() else { return malformed!("numpy has no {dtype}") };
    let order = if dtype.size() == 1 { '|' } else { '<' };
    let sides: String = match shape {
        [one] => format!("{one},"),
        _ => shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
    };
    let mut text = format!("{{'descr': '{order}{code}', 'fortran_order': False, 'shape': ({sides}), }}");
    if let Some(first) = shape.first() {
        // NumPy leaves room for the first side to grow to 21 digits.
        text.extend(std::iter::repeat_n(' ', 21_usize.saturating_sub(first.to_string().len())));
    }
    let start = MAGIC.len() + 4;
    let padding = ALIGNMENT - (start + text.len() + 1) % ALIGNMENT;
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');
    let Ok(len) = u16::try_from(text.len()) else { return malformed!("shape {shape:?} is too long for a header") };
    Ok([MAGIC, &[1, 0], &len.to_le_bytes(), text.as_bytes()].concat())
}

/// What an npy header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) dtype: Dtype,
    /// Whether the first axis runs fastest.
    pub(super) fortran: bool,
    pub(super) shape: Vec<usize>,
    /// The first byte of the elements.
    pub(super) start: usize,
}

impl Header {
    /// The header at the start of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> std::result::Result<Self, Malformed> {
        let Some((version, rest)) = bytes.strip_prefix(MAGIC).and_then(|rest| rest.split_at_checked(2)) else {
            return malformed!("no npy header at the start");
        };
        let (len, len_size) = match (version, rest) {
            ([1, _], [a, b, ..]) => (usize::from(u16::from_le_bytes([*a, *b])), 2),
            ([2 | 3, _], [a, b, c, d, ..]) => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 4),
            ([1..=3, _], _) => return malformed!("npy header cut short"),
            _ => return malformed!("npy version {version:?} where 1 to 3 are known"),
        };
        let Some(text) = rest.get(len_size..).and_then(|rest| rest.get(..len)) else {
            return malformed!("npy header of {len} bytes cut short");
        };
        let Ok(text) = std::str::from_utf8(text) else { return malformed!("npy header is not text") };
        let mut parser = Literal { rest: text };
        let Some((descr, fortran, shape)) = parser.header() else {
            return malformed!("npy header `{}` is not understood", text.trim_end());
        };
        let order_known = descr.starts_with(['<', '|']);
        let Some(dtype) = descr.get(1..).filter(|_| order_known).and_then(Dtype::from_numpy_code) else {
            return malformed!("npy elements of type `{descr}`; little-endian numbers and booleans are read");
        };
        Ok(Self { dtype, fortran, shape, start: MAGIC.len() + 2 + len_size + len })
    }

    /// The elements in `bytes`, which is the whole npy file.
    pub(super) fn elements<'a>(&self, bytes: &'a [u8]) -> std::result::Result<&'a [u8], Malformed> {
        let wanted = count(&self.shape, self.dtype)? * self.dtype.size();
        match bytes.get(self.start..) {
            Some(elements) if elements.len() == wanted => Ok(elements),
            found => malformed!(
                "npy of shape {:?} and {} wants {wanted} bytes of elements, {} are there",
                self.shape,
                self.dtype,
                found.map_or(0, <[u8]>::len)
            ),
        }
    }
}

/// The part of Python's literal syntax that a header uses.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn header(&mut self) -> Option<(&'a str, bool, Vec<usize>)> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.eat("{")?;
        while self.eat("}").is_none() {
            let key = self.string()?;
            self.eat(":")?;
            match key {
                "descr" => descr = Some(self.string()?),
                "fortran_order" => fortran = Some(self.boolean()?),
                "shape" => shape = Some(self.tuple()?),
                _ => return None,
            }
            if self.eat(",").is_none() && !self.rest.trim_start().starts_with('}') {
                return None;
            }
        }
        self.rest.trim().is_empty().then_some((descr?, fortran?, shape?))
    }

    fn eat(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        let quote = if self.eat("'").is_some() { '\'' } else { self.eat("\"").map(|()| '"')? };
        let (text, rest) = self.rest.split_once(quote)?;
        self.rest = rest;
        Some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        if self.eat("True").is_some() { Some(true) } else { self.eat("False").map(|()| false) }
    }

    fn tuple(&mut self) -> Option<Vec<usize>> {
        self.eat("(")?;
        let mut sides = Vec::new();
        while self.eat(")").is_none() {
            let text = self.rest.trim_start();
            let end = text.find(|c: char| !c.is_ascii_digit())?;
            let (digits, rest) = text.split_at(end);
            sides.push(digits.parse().ok()?);
            // Python 2 wrote long integers with an L.
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            if self.eat(",").is_none() && !self.rest.trim_start().starts_with(')') {
                return None;
            }
        }
        Some(sides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_are_those_of_np_save() {
        let text = |dtype, shape: &[usize]| {
            let header = header(dtype, shape).unwrap();
            assert_eq!((header.len() % 64, &header[..8]), (0, &b"\x93NUMPY\x01\0"[..]));
            let room = header.iter().rev().skip(1).take_while(|&&b| b == b' ').count();
            (String::from_utf8(header[10..header.len() - 1 - room].to_vec()).unwrap(), header.len())
        };
        let expect = |s: &str, len| (s.to_owned(), len);
        // lengths as NumPy 2.4.6 writes them
        let found = text(Dtype::F32, &[1, 2, 3]);
        assert_eq!(found, expect("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }", 128));
        let found = text(Dtype::Bool, &[5]);
        assert_eq!(found, expect("{'descr': '|b1', 'fortran_order': False, 'shape': (5,), }", 128));
        assert_eq!(text(Dtype::I64, &[]), expect("{'descr': '<i8', 'fortran_order': False, 'shape': (), }", 128));
        assert_eq!(text(Dtype::F16, &[12345; 9]).1, 192);
    }

    fn with_header(text: &str, elements: &[u8]) -> Vec<u8> {
        [MAGIC, &[1, 0], &(text.len() as u16).to_le_bytes(), text.as_bytes(), elements].concat()
    }

    #[test]
    fn fortran_order_and_later_versions_are_read() {
        let file = with_header("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", &[0, 3, 1, 4, 2, 5]);
        assert_eq!(decode(&file).unwrap(), NdArray::new(&[2, 3], &[0_u8, 1, 2, 3, 4, 5]).unwrap());
        let text = "{'shape': (2L,), 'fortran_order': False, \"descr\": '<i2'}";
        let v2 = [MAGIC, &[2, 0], &(text.len() as u32).to_le_bytes(), text.as_bytes(), &[1, 0, 255, 255]].concat();
        assert_eq!(decode(&v2).unwrap(), NdArray::new(&[2], &[1_i16, -1]).unwrap());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |text: &str, elements: &[u8]| decode(&with_header(text, elements)).unwrap_err().0;
        let three = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
        assert!(error(three, &[0; 11]).contains("wants 12 bytes of elements, 11 are there"));
        assert!(error(&three.replace('<', ">"), &[0; 12]).contains("`>f4`"));
        assert!(error(&three.replace("<f4", "|O"), &[0; 24]).contains("`|O`"));
        assert!(error(&three.replace("3,", "-3,"), &[]).contains("not understood"));
        let huge = three.replace("3,", "9223372036854775807, 9223372036854775807");
        assert!(error(&huge, &[]).contains("larger than memory"));
        assert!(decode(b"\x93NUMPY\x01\0\xff\xff{").unwrap_err().0.contains("cut short"));
        assert!(decode(b"PK").unwrap_err().0.contains("no npy header"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case_1.npy");
        std::fs::write(&path, b"x").unwrap();
        assert!(read_npy(&path).unwrap_err().to_string().contains("case_1.npy: no npy header"));
    }

    proptest! {
        #[test]
        fn arrays_survive_the_file(shape in proptest::collection::vec(0_usize..5, 0..5), seed in any::<u64>()) {
            let n = shape.iter().product::<usize>();
            let data: Vec<f64> = (0..n).map(|i| (seed ^ i as u64) as f64).collect();
            let array = NdArray::new(&shape, &data).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.npy");
            write_npy(&path, array.view()).unwrap();
            prop_assert_eq!(read_npy(&path).unwrap(), array);
        }

        #[test]
        fn broken_files_never_panic(at in 0_usize..90, byte in any::<u8>(), cut in 0_usize..140) {
            let whole = [header(Dtype::U16, &[2, 3]).unwrap(), vec![7; 12]].concat();
            prop_assert!(decode(&whole[..cut]).is_err());
            // a changed byte may be the header's length, and what is cut off then may be what is missing
            let mut file = whole;
            file[at] = byte;
            let _ = (decode(&file), decode(&file[..cut]));
        }
    }
}
