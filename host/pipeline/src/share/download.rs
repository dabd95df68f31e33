//! Models from the web.

use std::path::{Path, PathBuf};

use volume::files::{FetchError, fetch};

use super::{Limits, install};
use crate::error::{Error, Result};
use crate::progress::{Progress, Report};
use crate::staging::Staging;

const MIB: u64 = 1 << 20;

/// Fetches the zip file at `url` (http or https; proxies as the environment names them), installs its models into `results` as
/// [`install`] does, and returns their folders. The file itself is not kept.
///
/// # Errors
/// The server cannot be reached, refuses, is silent for 100 s or breaks off; the file is larger than `limits`; as [`install`].
pub fn download(url: &str, results: &Path, limits: Limits, report: Report<'_>) -> Result<Vec<PathBuf>> {
    let staging = Staging::beside(&results.join("download"))?;
    let path = staging.path().join("model.zip");
    let mut told = |got: u64, announced: Option<u64>| {
        let total = announced.unwrap_or(got).div_ceil(MIB) as usize;
        report(Progress { step: "download (MiB)", done: (got / MIB) as usize, total, case: "" });
    };
    fetch(url, &path, limits.bytes, &mut told).map_err(|error| match error {
        FetchError::TooLarge { .. } => Error::invalid(format!("{error} (-max_size)")),
        FetchError::File(error) => error.into(),
        FetchError::Web { .. } => Error::invalid(error.to_string()),
    })?;
    install(&path, results, limits, report).map_err(|error| match error {
        Error::Content { path: at, what } if at == path => Error::invalid(format!("{url}: {what}")),
        other => other,
    })
}
