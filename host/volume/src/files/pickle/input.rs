//! The bytes of a pickle, taken from the front.

use crate::files::error::{Malformed, malformed};

type Result<T> = std::result::Result<T, Malformed>;

/// What is left of a pickle; nothing is taken that is not there.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The number of bytes taken so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let bytes = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        match bytes {
            Some(bytes) => {
                self.at += len;
                Ok(bytes)
            }
            None => malformed!("wants {len} bytes where {} are left", self.bytes.len() - self.at),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Malformed("cut short".into()))
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        self.array().map(|[b]| b)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn long_len(&mut self) -> Result<usize> {
        let len = u64::from_le_bytes(self.array()?);
        usize::try_from(len).map_err(|_| Malformed(format!("wants {len} bytes")))
    }

    pub(super) fn line_bytes(&mut self) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match rest.iter().position(|&b| b == b'\n') {
            Some(end) => {
                self.at += end + 1;
                Ok(rest.get(..end).unwrap_or_default())
            }
            None => malformed!("a line without an end"),
        }
    }

    pub(super) fn line(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.line_bytes()?).map_err(|_| Malformed("a line that is not UTF-8".into()))
    }

    pub(super) fn line_number(&mut self) -> Result<u32> {
        let text = self.line()?;
        text.parse().map_err(|_| Malformed(format!("`{text}` is no memo number")))
    }
}

/// Text of protocol 0: Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
pub(super) fn raw_unicode_escape(line: &[u8]) -> Result<String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = match (byte, tail.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => 0,
        };
        if digits == 0 {
            text.push(char::from(byte));
            rest = tail;
            continue;
        }
        let hex = tail.get(1..=digits).and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u32::from_str_radix(h, 16).ok()).and_then(char::from_u32) {
            Some(c) => text.push(c),
            None => return malformed!("a broken escape in text"),
        }
        rest = tail.get(digits + 1..).unwrap_or_default();
    }
    Ok(text)
}
