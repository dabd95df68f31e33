//! Files from the web.

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use ureq::Agent;

use super::FileError;
use super::atomic::write_atomic;

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(100);
/// Bytes that are written at a time.
const CHUNK: usize = 1 << 17;
const MIB: u64 = 1 << 20;

/// A download that failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server, or the way to it.
    #[error("cannot download {url}: {what}")]
    Web {
        /// The address.
        url: String,
        /// What happened.
        what: String,
    },
    /// More than is wanted.
    #[error("cannot download {url}: it has {found} MiB; at most {} are fetched", most / MIB)]
    TooLarge {
        /// The address.
        url: String,
        /// MiB that were announced, or `more than` so many.
        found: String,
        /// Bytes that are fetched at most.
        most: u64,
    },
    /// The file that it is written to.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Fetches what is at `url` (http or https; proxies as the environment names them) into `path`, which is whole or not there; `told` gets
/// the bytes so far and those that were announced, a MiB at a time.
///
/// # Errors
/// The server cannot be reached, refuses, is silent for 100 s or breaks off; there are more than `most` bytes; `path` cannot be written.
pub fn fetch(url: &str, path: &Path, most: u64, told: &mut dyn FnMut(u64, Option<u64>)) -> Result<(), FetchError> {
    let failed = |what: String| FetchError::Web { url: url.to_owned(), what };
    let too_large = |found: String| FetchError::TooLarge { url: url.to_owned(), found, most };
    let config = Agent::config_builder().timeout_connect(Some(PATIENCE)).timeout_recv_response(Some(PATIENCE)).timeout_per_read(Some(PATIENCE));
    let agent = Agent::new_with_config(config.build());
    let response = agent.get(url).call().map_err(|error| failed(error.to_string()))?;
    let body = response.into_body();
    let announced = body.content_length();
    if let Some(bytes) = announced.filter(|&bytes| bytes > most) {
        return Err(too_large((bytes / MIB).to_string()));
    }
    let mut content = body.into_with_config().limit(most.saturating_add(1)).reader();
    write_atomic(path, |out| -> Result<(), FetchError> {
        let (mut chunk, mut got, mut last) = (vec![0; CHUNK], 0_u64, 0);
        loop {
            let bytes = content.read(&mut chunk).map_err(|error| failed(format!("{error}, after {got} bytes")))?;
            if bytes == 0 {
                break;
            }
            got += bytes as u64;
            if got > most {
                return Err(too_large(format!("more than {}", most / MIB)));
            }
            out.write_all(&chunk[..bytes]).map_err(FileError::io("write", path))?;
            if got / MIB > last {
                last = got / MIB;
                told(got, announced);
            }
        }
        match announced {
            Some(wanted) if wanted != got => Err(failed(format!("it broke off after {got} of {wanted} bytes; run the command again"))),
            _ => Ok(()),
        }
    })
}
