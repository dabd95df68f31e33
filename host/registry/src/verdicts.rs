//! What was found out about files before, so that a file that did not change is not read again to be listed.
//!
//! Only what follows from the bytes is kept, with its reason. It is a convenience: a loader reads and hashes the bytes anew.

use crate::{
    PublicKey, Result,
    scan::{self, Facts},
    signature::Signature,
};
use plugin_api::abi::ABI_VERSION;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};
use volume::files::{FileError, atomic::write_bytes};

/// Another format or another host's judgement is not read.
const FORMAT: &str = concat!("1 of ", env!("CARGO_PKG_VERSION"));

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    format: String,
    abi: String,
    verdicts: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    stamp: Stamp,
    facts: Facts,
    /// whether a signature fits, by the hash of signature and key
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fits: BTreeMap<String, bool>,
}

/// Changes when the file does.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    /// modification in nanoseconds since 1970
    modified: u64,
    /// last change of content or attributes, which no program can set back; 0 where unknown
    changed: i64,
}

/// The cache file, read once and written back if something is new.
pub(crate) struct Verdicts {
    file: PathBuf,
    before: BTreeMap<PathBuf, Entry>,
    now: BTreeMap<PathBuf, Entry>,
}

impl Verdicts {
    /// A cache that is missing, damaged or of another host is empty.
    pub(crate) fn read(file: PathBuf) -> Self {
        let saved = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Saved>(&bytes).ok());
        let before = saved.filter(|s| s.format == FORMAT && s.abi == ABI_VERSION).map(|s| s.verdicts).unwrap_or_default();
        Verdicts { file, before, now: BTreeMap::new() }
    }

    /// The facts of a regular file: remembered if size and times are as they were, else found out.
    pub(crate) fn facts(&mut self, real: &Path) -> Result<Facts, String> {
        let stamp = stamp(real).map_err(|e| format!("cannot be reached: {e}"))?;
        let entry = match self.before.get(real).filter(|e| e.stamp == stamp) {
            Some(known) => known.clone(),
            None => Entry { stamp, facts: scan::inspect(&scan::read(real)?), fits: BTreeMap::new() },
        };
        let facts = entry.facts.clone();
        self.now.insert(real.to_path_buf(), entry);
        Ok(facts)
    }

    /// Whether a signature fits a file whose facts were asked for, under a key.
    pub(crate) fn fits(&mut self, real: &Path, signature: &Signature, key: &PublicKey) -> Result<bool, String> {
        let name = scan::sha256(format!("{key}\n{}", signature.text).as_bytes());
        let entry = self.now.get_mut(real).ok_or("is not among the files that were read")?;
        if let Some(&known) = entry.fits.get(&name) {
            return Ok(known);
        }
        let bytes = scan::read(real)?;
        if scan::sha256(&bytes) != entry.facts.sha256 {
            return Err("changed while it was being read: start again".into());
        }
        let fits = signature.fits(&bytes, key);
        entry.fits.insert(name, fits);
        Ok(fits)
    }

    /// Writes what is new; files that are gone are forgotten, those of other folders stay.
    pub(crate) fn save(self) -> Result<()> {
        let mut verdicts = self.before.clone();
        verdicts.retain(|path, _| path.exists());
        verdicts.extend(self.now);
        // a path that is not text cannot be a key in JSON
        verdicts.retain(|path, _| path.to_str().is_some());
        if verdicts == self.before && self.file.exists() {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&Saved { format: FORMAT.into(), abi: ABI_VERSION.into(), verdicts })
            .map_err(|e| FileError::io("write", &self.file)(e.into()))?;
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).map_err(FileError::io("create", folder))?;
        }
        Ok(write_bytes(&self.file, &text)?)
    }
}

fn stamp(file: &Path) -> std::io::Result<Stamp> {
    let m = fs::metadata(file)?;
    let modified = m.modified()?.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    #[cfg(unix)]
    let changed = std::os::unix::fs::MetadataExt::ctime(&m) * 1_000_000_000 + std::os::unix::fs::MetadataExt::ctime_nsec(&m);
    #[cfg(not(unix))]
    let changed = 0;
    Ok(Stamp { size: m.len(), modified, changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(cache: &Path, file: &Path) -> Facts {
        let mut verdicts = Verdicts::read(cache.into());
        let facts = verdicts.facts(file).unwrap();
        verdicts.save().unwrap();
        facts
    }

    #[test]
    fn a_changed_file_is_judged_again_and_an_unchanged_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, file) = (dir.path().join("cache/verdicts.json"), dir.path().join("a.so"));
        fs::write(&file, "text").unwrap();
        let first = facts(&cache, &file);
        assert_eq!(first.fault.as_deref(), Some("is a text file, not a shared library"));
        // what the cache says is believed as long as the file's stamp fits
        let text = fs::read_to_string(&cache).unwrap();
        fs::write(&cache, text.replace("is a text file", "is remembered")).unwrap();
        assert_eq!(facts(&cache, &file).fault.as_deref(), Some("is remembered, not a shared library"));
        fs::write(&file, "").unwrap();
        assert_eq!(facts(&cache, &file).fault.as_deref(), Some("is empty"));
    }

    #[test]
    fn a_broken_cache_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, file) = (dir.path().join("verdicts.json"), dir.path().join("a.so"));
        fs::write(&file, "text").unwrap();
        for broken in ["{\"format\": \"0\", \"abi\"", "[]", "{\"format\":\"of tomorrow\",\"abi\":\"1.0.0\",\"verdicts\":{}}"] {
            fs::write(&cache, broken).unwrap();
            assert!(facts(&cache, &file).fault.is_some());
            let saved: Saved = serde_json::from_slice(&fs::read(&cache).unwrap()).unwrap();
            assert_eq!(saved.verdicts.len(), 1, "after {broken}");
        }
    }
}
