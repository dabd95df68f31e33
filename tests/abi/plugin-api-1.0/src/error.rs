//! The one error type an author meets.

use std::{fmt, panic::Location};

/// What kind of failure crossed the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An operation got shapes, types or arguments that it does not take.
    Invalid,
    /// The code behind the wall panicked.
    Panic,
    /// This host is older than what was asked of it.
    Unsupported,
    /// A tensor handle that no longer stands for anything.
    Stale,
    /// The component itself reported the failure.
    Component,
}

impl ErrorKind {
    pub(crate) fn code(self) -> u32 {
        match self {
            ErrorKind::Invalid => 1,
            ErrorKind::Panic => 2,
            ErrorKind::Unsupported => 3,
            ErrorKind::Stale => 4,
            ErrorKind::Component => 5,
        }
    }

    pub(crate) fn from_code(code: u32) -> Self {
        match code {
            1 => ErrorKind::Invalid,
            2 => ErrorKind::Panic,
            3 => ErrorKind::Unsupported,
            4 => ErrorKind::Stale,
            _ => ErrorKind::Component,
        }
    }
}

/// A failure with the author's file and line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    at: String,
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A component's own failure; the caller's file and line are kept.
    #[track_caller]
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Component, message)
    }

    /// A failure of a given kind; the caller's file and line are kept.
    #[track_caller]
    pub fn of(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), at: Location::caller().to_string() }
    }

    pub(crate) fn with_place(kind: ErrorKind, message: String, at: String) -> Self {
        Self { kind, message, at }
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// `file:line:column`, or empty where the host itself failed.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// The same failure at the caller's file and line.
    #[track_caller]
    pub(crate) fn here(mut self) -> Self {
        self.at = Location::caller().to_string();
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.at.is_empty() { Ok(()) } else { write!(f, " (at {})", self.at) }
    }
}

impl std::error::Error for Error {}

impl From<serde_json::Error> for Error {
    #[track_caller]
    fn from(e: serde_json::Error) -> Self {
        Error::new(format!("settings cannot be read: {e}"))
    }
}

/// Leaves the function with an [`Error`] made from a format string.
#[macro_export]
macro_rules! bail {
    ($($arg:tt)*) => { return ::core::result::Result::Err($crate::Error::new(::std::format!($($arg)*))) };
}
