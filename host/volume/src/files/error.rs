//! What goes wrong with a file.

use std::io;
use std::path::{Path, PathBuf};

/// The result of reading or writing a file.
pub type Result<T> = std::result::Result<T, FileError>;

/// A file that cannot be read or written, with its path.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write`, ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is there, and its content is not what its name says.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Malformed,
    },
}

impl FileError {
    /// The map from an [`io::Error`] met while doing `action` with `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

/// Bytes that are not what they should be; [`Malformed::at`] adds the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    /// The error with the name of the file that holds the bytes.
    pub fn at(self, path: &Path) -> FileError {
        FileError::Content { path: path.to_path_buf(), source: self }
    }
}

/// `Err(Malformed(format!(..)))`.
macro_rules! malformed {
    ($($arg:tt)*) => { Err($crate::files::error::Malformed(format!($($arg)*))) };
}
pub(crate) use malformed;
