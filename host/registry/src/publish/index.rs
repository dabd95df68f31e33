//! An index of plugins: one JSON file that any web server or folder can hold.

use super::{Packed, platform::here};
use crate::{Error, Metadata, Result, scan, suggest};
use plugin_api::abi::ABI_VERSION;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Component, Path},
};
use volume::files::{FileError, atomic::write_bytes};

const FORMAT: u32 = 1;
/// Bytes that an index may have.
pub(super) const LARGEST: u64 = 16 << 20;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// 1.
    pub format: u32,
    /// Packages, in any order.
    pub plugins: Vec<Entry>,
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What `install-plugin` calls it.
    pub name: String,
    /// The plugin's id, another name for `install-plugin`.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The version of the wall that it was built against.
    pub api: String,
    /// One line.
    pub description: String,
    /// The platforms that it is built for.
    pub platforms: Vec<String>,
    /// The package: an address, or its place below the index's own folder.
    pub file: String,
    /// Of the package.
    pub bytes: u64,
    /// Of the package.
    pub sha256: String,
    /// The id of the key that signed it; none where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Index {
    /// # Errors
    /// The text is none of this format, or an entry names a file that cannot be; a sentence without its subject.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let index: Index = serde_json::from_slice(text).map_err(|e| format!("is no index of plugins: {e}"))?;
        if index.format != FORMAT {
            return Err(format!("is an index of format {}, and this host reads format {FORMAT}: a newer host may read it", index.format));
        }
        let odd = index.plugins.iter().find(|e| !is_address(&e.file) && !is_below(&e.file));
        match odd {
            Some(e) => Err(format!("names {:?} for {}; wanted an address, or a path below the index's folder", e.file, e.name)),
            None => Ok(index),
        }
    }

    /// Adds a package to the index in `file`, which is made if need be; one of the same id and version is replaced. Where the package lies below
    /// the index's folder its entry is relative.
    ///
    /// # Errors
    /// The index cannot be read or written, or the package lies elsewhere.
    pub fn add(file: &Path, packed: &Packed) -> Result<()> {
        let wrong = |what: String| Error::Content { path: file.to_path_buf(), what };
        let mut index = match fs::read(file) {
            Ok(text) => Index::parse(&text).map_err(wrong)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Index { format: FORMAT, plugins: vec![] },
            Err(e) => return Err(FileError::io("read", file)(e).into()),
        };
        let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let real = |path: &Path| fs::canonicalize(path).map_err(FileError::io("read", path));
        let (package, folder) = (real(&packed.file)?, real(folder)?);
        let Ok(below) = package.strip_prefix(&folder) else {
            return Err(wrong(format!("holds packages below its own folder, and {} is not there: -o puts it there", packed.file.display())));
        };
        let bytes = fs::read(&package).map_err(FileError::io("read", &package))?;
        let Metadata { id, name, version, api, description, .. } = packed.manifest.plugin.clone();
        let builds = &packed.manifest.platforms;
        let entry = Entry {
            platforms: builds.keys().cloned().collect(),
            file: below.to_string_lossy().replace('\\', "/"),
            bytes: bytes.len() as u64,
            sha256: scan::sha256(&bytes),
            key: builds.values().next().and_then(|build| build.key.clone()),
            name,
            id,
            version,
            api,
            description,
        };
        index.plugins.retain(|e| (&e.id, &e.version) != (&entry.id, &entry.version));
        index.plugins.push(entry);
        index.plugins.sort_by(|a, b| (&a.name, &a.id, version_of(a)).cmp(&(&b.name, &b.id, version_of(b))));
        let text = serde_json::to_string_pretty(&index).map_err(|e| FileError::io("write", file)(e.into()))?;
        Ok(write_bytes(file, format!("{text}\n").as_bytes())?)
    }

    /// The newest package called `wanted` (its name or id; `NAME@VERSION` for that version) that this host can load.
    ///
    /// # Errors
    /// There is none; a sentence that names what there is.
    pub fn find(&self, wanted: &str) -> Result<&Entry, String> {
        let (name, version) = wanted.split_once('@').map_or((wanted, None), |(name, version)| (name, Some(version)));
        let called: Vec<&Entry> = self.plugins.iter().filter(|e| e.name == name || e.id == name).collect();
        if self.plugins.is_empty() {
            return Err(format!("has no plugin called `{name}`: it is empty"));
        }
        if called.is_empty() {
            let mut known: Vec<String> = self.plugins.iter().map(|e| e.name.clone()).collect();
            known.sort();
            known.dedup();
            let meant = suggest::nearest(name, &known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            return Err(format!("has no plugin called `{name}`{meant} (there are {})", known.join(", ")));
        }
        if let Some(other) = called.iter().find(|e| e.id != called[0].id) {
            return Err(format!("has two plugins called `{name}`: name {} or {}", called[0].id, other.id));
        }
        let of_version: Vec<&Entry> = called.iter().filter(|e| version.is_none_or(|v| v == e.version)).copied().collect();
        if of_version.is_empty() {
            let there: Vec<&str> = called.iter().map(|e| e.version.as_str()).collect();
            return Err(format!("has no version {} of {name}; there is {}", version.unwrap_or_default(), there.join(", ")));
        }
        let major = |api: &str| api.split('.').next().unwrap_or_default().to_string();
        let fitting = of_version.iter().filter(|e| e.platforms.contains(&here()) && major(&e.api) == major(ABI_VERSION));
        fitting.max_by_key(|e| version_of(e)).copied().ok_or_else(|| {
            let there: Vec<String> = of_version.iter().map(|e| format!("{} (ABI {}) for {}", e.version, e.api, e.platforms.join(" and "))).collect();
            format!("has no {name} for {} and plugin ABI {ABI_VERSION}; there is {}", here(), there.join(", "))
        })
    }
}

/// None, which is less than any, for one that is no version.
fn version_of(entry: &Entry) -> Option<semver::Version> {
    entry.version.parse().ok()
}

/// Whether the text is on the web.
pub(super) fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// Whether the text is a path of names alone.
fn is_below(text: &str) -> bool {
    !text.is_empty() && !text.contains(['\\', ':', '\0', '?', '#']) && Path::new(text).components().all(|c| matches!(c, Component::Normal(_)))
}
