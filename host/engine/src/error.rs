//! Errors of the engine.

use thiserror::Error;

/// What can go wrong with tensors and networks.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The device cannot be had.
    #[error("{0}")]
    Device(String),
    /// A component behind the wall failed, or an operation got what it does not take.
    #[error(transparent)]
    Component(#[from] plugin_api::Error),
    /// Weights do not fit the network.
    #[error("{0}")]
    Weights(String),
    /// One of several devices failed.
    #[error("device {device}: {source}")]
    OnDevice {
        /// Its name.
        device: String,
        /// What happened there.
        source: Box<Error>,
    },
    /// The numbers went wrong.
    #[error("{0}")]
    Numbers(String),
}

/// `Result` with the engine's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
