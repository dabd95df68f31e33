//! Models from the web.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::Agent;
use volume::files::FileError;
use volume::files::atomic::write_atomic;

use super::{Limits, install};
use crate::error::{Error, Result};
use crate::progress::{Progress, Report};
use crate::staging::Staging;

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(100);
/// Bytes that are written at a time.
const CHUNK: usize = 1 << 17;
const MIB: u64 = 1 << 20;

/// Fetches the zip file at `url` (http or https; proxies as the environment names them), installs its models into `results` as
/// [`install`] does, and returns their folders. The file itself is not kept.
///
/// # Errors
/// The server cannot be reached, refuses, is silent for 100 s or breaks off; the file is larger than `limits`; as [`install`].
pub fn download(url: &str, results: &Path, limits: Limits, report: Report<'_>) -> Result<Vec<PathBuf>> {
    let staging = Staging::beside(&results.join("download"))?;
    let path = staging.path().join("model.zip");
    fetch(url, &path, limits.bytes, report)?;
    install(&path, results, limits, report).map_err(|error| match error {
        Error::Content { path: at, what } if at == path => Error::invalid(format!("{url}: {what}")),
        other => other,
    })
}

fn fetch(url: &str, path: &Path, most: u64, report: Report<'_>) -> Result<()> {
    let failed = |what: String| Error::invalid(format!("cannot download {url}: {what}"));
    let config = Agent::config_builder().timeout_connect(Some(PATIENCE)).timeout_recv_response(Some(PATIENCE)).timeout_per_read(Some(PATIENCE));
    let agent = Agent::new_with_config(config.build());
    let response = agent.get(url).call().map_err(|error| failed(error.to_string()))?;
    let body = response.into_body();
    let announced = body.content_length();
    if announced.is_some_and(|bytes| bytes > most) {
        return Err(failed(format!("it has {} MiB; at most {} are fetched (-max_size)", announced.unwrap_or_default() / MIB, most / MIB)));
    }
    let mut content = body.into_with_config().limit(most.saturating_add(1)).reader();
    write_atomic(path, |out| -> Result<()> {
        let (mut chunk, mut got, mut told) = (vec![0; CHUNK], 0_u64, 0);
        loop {
            let bytes = content.read(&mut chunk).map_err(|error| failed(format!("{error}, after {got} bytes")))?;
            if bytes == 0 {
                break;
            }
            got += bytes as u64;
            if got > most {
                return Err(failed(format!("it has more than {} MiB, the most that is fetched (-max_size)", most / MIB)));
            }
            out.write_all(&chunk[..bytes]).map_err(FileError::io("write", path))?;
            if got / MIB > told {
                told = got / MIB;
                let total = announced.unwrap_or(got).div_ceil(MIB) as usize;
                report(Progress { step: "download (MiB)", done: told as usize, total, case: "" });
            }
        }
        match announced {
            Some(wanted) if wanted != got => Err(failed(format!("it broke off after {got} of {wanted} bytes; run the command again"))),
            _ => Ok(()),
        }
    })
}
