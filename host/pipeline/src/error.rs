//! What goes wrong between raw images and scores.

use std::io;
use std::path::{Path, PathBuf};

use volume::files::FileError;
use volume::image::ImageError;

/// The result of a step of the pipeline.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, with the file, the case or the setting that it is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array file, a pickle or a checkpoint.
    #[error(transparent)]
    File(#[from] FileError),
    /// An image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A plugin.
    #[error(transparent)]
    Plugin(#[from] plugin_api::Error),
    /// Finding or loading a plugin, or a call of one.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// Tensors and networks.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `list`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is there, and its content is not what the pipeline needs.
    #[error("{}: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The key, the value found, the value wanted.
        what: String,
    },
    /// A failure while one case was worked on.
    #[error("case {case}: {source}")]
    Case {
        /// The case's name.
        case: String,
        /// What happened.
        source: Box<Error>,
    },
    /// A dataset that failed the integrity check.
    #[error("{} has {} problem(s):\n{}", folder.display(), problems.len(), problems.join("\n"))]
    Dataset {
        /// The raw dataset's folder.
        folder: PathBuf,
        /// All of them, each with its case's name.
        problems: Vec<String>,
    },
    /// One of the devices that a training runs on.
    #[error("device {device} failed: {source}; any other -num_gpus goes on, too")]
    Device {
        /// Its name.
        device: String,
        /// What happened there.
        source: Box<Error>,
    },
    /// A training that failed on the way; what it had learned is saved.
    #[error("{source}; checkpoint_latest.pth has the training up to epoch {epoch}, iteration {iteration}: once the cause is gone, {how}")]
    Halted {
        /// What happened.
        source: Box<Error>,
        /// Epochs done.
        epoch: usize,
        /// Iterations of the next one that are done.
        iteration: usize,
        /// How it goes on, in words.
        how: &'static str,
    },
    /// A setting, an argument or a plan that cannot be used.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// The map from an [`io::Error`] met while doing `action` with `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    /// A file whose content cannot be used.
    pub fn content(path: &Path, what: impl Into<String>) -> Self {
        Self::Content { path: path.to_path_buf(), what: what.into() }
    }

    /// A setting that cannot be used.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid(what.into())
    }

    /// The same failure with the name of the case.
    #[must_use]
    pub fn in_case(self, case: &str) -> Self {
        Self::Case { case: case.to_owned(), source: Box::new(self) }
    }
}
