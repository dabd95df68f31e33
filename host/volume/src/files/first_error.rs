//! A writer that fails once.

use std::io::{Error, ErrorKind, Result, Seek, SeekFrom, Write};

/// Hands on the first error of `out`, and takes whatever comes after it as written. A `ZipWriter` that is dropped because of that error would
/// otherwise try to finish its archive, fail again and say so on stderr.
pub struct FirstError<W> {
    out: W,
    failed: bool,
    /// Where the next byte goes, or would go.
    at: u64,
}

impl<W> FirstError<W> {
    /// Around `out`, which has not failed yet.
    pub fn new(out: W) -> Self {
        Self { out, failed: false, at: 0 }
    }

    fn unless_failed<T>(&mut self, otherwise: impl FnOnce(u64) -> T, call: impl FnOnce(&mut W) -> Result<T>) -> Result<T> {
        if self.failed {
            return Ok(otherwise(self.at));
        }
        let done = call(&mut self.out);
        self.failed = done.as_ref().is_err_and(|error: &Error| error.kind() != ErrorKind::Interrupted);
        done
    }
}

impl<W: Write> Write for FirstError<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = self.unless_failed(|_| bytes.len(), |out| out.write(bytes))?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> Result<()> {
        self.unless_failed(|_| (), Write::flush)
    }
}

impl<W: Seek> Seek for FirstError<W> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let moved = |at: u64| match to {
            SeekFrom::Start(place) => place,
            SeekFrom::Current(by) | SeekFrom::End(by) => at.saturating_add_signed(by),
        };
        self.at = self.unless_failed(moved, |out| out.seek(to))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> Result<usize> {
            Err(ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_the_first_error_is_told() {
        let mut out = FirstError::new(Full);
        assert_eq!(out.write(b"a").unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(out.write(b"abc").unwrap(), 3);
        out.flush().unwrap();
    }
}
