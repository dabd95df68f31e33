//! What can be wrong with an image file.

use crate::files::FileError;
use std::path::{Path, PathBuf};

/// Why an image could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The operating system refused to read.
    #[error("cannot read {}: {}", path.display(), reason(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system, or the decompressor, said.
        source: std::io::Error,
    },
    /// The file could not be put in place.
    #[error(transparent)]
    Write(#[from] FileError),
    /// The ending names no format that is known here.
    #[error("{} has an unknown ending; known are {}", path.display(), super::ENDINGS.join(", "))]
    UnknownEnding {
        /// The file.
        path: PathBuf,
    },
    /// The content contradicts the format, or is of a kind that is not supported.
    #[error("{}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The field, the value found and the value wanted.
        what: String,
    },
    /// The header promises more voxels than the file holds.
    #[error("{} is cut short: {found} of {wanted} voxels", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Voxels in the file.
        found: usize,
        /// Voxels by the header.
        wanted: usize,
    },
    /// A voxel of a segmentation is no label.
    #[error("{} holds {value} at voxel {voxel:?} (z, y, x), which is no label; labels are integers from -32768 to 32767", path.display())]
    NoLabel {
        /// The file.
        path: PathBuf,
        /// What the voxel holds.
        value: f64,
        /// The voxel, (z, y, x).
        voxel: [usize; 3],
    },
    /// The channels of one case are not on one grid.
    #[error("the {property} of {} is {found}, but that of {} is {wanted}; the files of a case share one grid", path.display(), first.display())]
    Mismatch {
        /// The first channel's file.
        first: PathBuf,
        /// The file that differs.
        path: PathBuf,
        /// "shape" or "spacing".
        property: &'static str,
        /// In `path`.
        found: String,
        /// In `first`.
        wanted: String,
    },
    /// A case was asked for with no file at all.
    #[error("a case needs at least one image file")]
    NoChannel,
    /// The format cannot hold these voxels.
    #[error("{} cannot be written: {what}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What does not fit, and where it would.
        what: String,
    },
}

impl ImageError {
    pub(super) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::Read { path: path.to_owned(), source }
    }

    pub(super) fn malformed(path: &Path, what: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), what: what.into() }
    }

    pub(super) fn unwritable(path: &Path, what: impl Into<String>) -> Self {
        Self::Unwritable { path: path.to_owned(), what: what.into() }
    }
}

/// What the system said; what ends too early is said to.
fn reason(source: &std::io::Error) -> String {
    // the decompressor has no kind of its own for it
    let cut = source.kind() == std::io::ErrorKind::UnexpectedEof || source.to_string().contains("incomplete deflate stream");
    if cut { format!("the file is cut short ({source}); copy or export it anew") } else { source.to_string() }
}
