//! A writer that fails once.

use std::io::{Error, ErrorKind, Result, Seek, SeekFrom, Write};

/// Hands on the first error of `out`, and takes whatever comes after it as written. A `ZipWriter` that is dropped because of that error would
/// otherwise try to finish its archive, fail again and say so on stderr.
pub struct FirstError<W> {
    out: W,
    failed: bool,
}

impl<W> FirstError<W> {
    /// Around `out`, which has not failed yet.
    pub fn new(out: W) -> Self {
        Self { out, failed: false }
    }

    fn unless_failed<T>(&mut self, otherwise: T, call: impl FnOnce(&mut W) -> Result<T>) -> Result<T> {
        if self.failed {
            return Ok(otherwise);
        }
        let done = call(&mut self.out);
        self.failed = done.as_ref().is_err_and(|error: &Error| error.kind() != ErrorKind::Interrupted);
        done
    }
}

impl<W: Write> Write for FirstError<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.unless_failed(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> Result<()> {
        self.unless_failed((), Write::flush)
    }
}

impl<W: Seek> Seek for FirstError<W> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.unless_failed(0, |out| out.seek(to))
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
