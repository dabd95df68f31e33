//! A plugin package: a zip archive with `plugin.json`, and for each platform the library and its signature, in a folder of the platform's
//! name: `x86_64-unknown-linux-gnu/focal.so` and `focal.so.minisig`.
//!
//! It is not trusted. A member's place follows from the platform and the plugin's name and nothing is unpacked by a path of the archive;
//! sizes are bounded; what the manifest says of a library is compared with the library.

use super::platform::{ending, is_name};
use crate::{Error, Metadata, Result, scan, signature};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufReader, Read, Seek},
    path::{Path, PathBuf},
};
use volume::files::FileError;
use zip::ZipArchive;

/// The manifest's place in the archive.
pub(super) const MANIFEST: &str = "plugin.json";
/// The format that this host writes and reads.
pub(super) const FORMAT: u32 = 1;
const LARGEST_TEXT: u64 = 1 << 20;
const MOST_PLATFORMS: usize = 64;

/// What a package says of itself: `plugin.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// 1.
    pub format: u32,
    /// What each of its libraries says, too.
    pub plugin: Metadata,
    /// Its libraries, by platform (`x86_64-unknown-linux-gnu`).
    pub platforms: BTreeMap<String, Build>,
}

/// A library of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Its size.
    pub bytes: u64,
    /// Of all its bytes, in hexadecimal.
    pub sha256: String,
    /// The id of the key that signed it; none for a library that nobody signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Manifest {
    /// Reads `plugin.json`.
    ///
    /// # Errors
    /// It is none of this format, or a name, size or hash in it cannot be; a sentence without its subject.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let wrong = |e: serde_json::Error| format!("holds a {MANIFEST} that is no manifest of a plugin: {e}");
        let Format { format } = serde_json::from_slice(text).map_err(wrong)?;
        if format != FORMAT {
            return Err(format!("is a package of format {format}, and this host reads format {FORMAT}: a newer host may read it"));
        }
        let manifest: Manifest = serde_json::from_slice(text).map_err(wrong)?;
        if !is_plugin_name(&manifest.plugin.name) {
            return Err(format!("names a plugin {:?}; wanted at most 64 letters, digits, - and _", manifest.plugin.name));
        }
        if let Some(odd) = manifest.platforms.keys().find(|name| !is_name(name)) {
            return Err(format!("names a platform {odd:?}; wanted one such as {}", super::this_platform()));
        }
        match manifest.platforms.len() {
            0 => return Err("holds no library".into()),
            n if n > MOST_PLATFORMS => return Err(format!("names {n} platforms; at most {MOST_PLATFORMS} are read")),
            _ => {}
        }
        match manifest.platforms.iter().find(|(_, build)| build.bytes > scan::LARGEST_FILE) {
            Some((platform, build)) => Err(format!("names a library of {} bytes for {platform}; a plugin may have 1 GiB", build.bytes)),
            None => Ok(manifest),
        }
    }

    /// The member with the library of a platform.
    pub(super) fn library(&self, platform: &str) -> String {
        format!("{platform}/{}{}", self.plugin.name, ending(platform))
    }

    /// All members that the archive has.
    fn members(&self) -> BTreeSet<String> {
        let libraries = self.platforms.keys().map(|platform| self.library(platform));
        let signed = self.platforms.iter().filter(|(_, build)| build.key.is_some());
        let signatures = signed.map(|(platform, _)| self.library(platform) + signature::ENDING);
        libraries.chain(signatures).chain([MANIFEST.to_string()]).collect()
    }
}

/// Whether a plugin's name can be its file's.
pub(super) fn is_plugin_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// A package that was opened: its manifest is understood, and it has the members that this names and no other.
pub struct Package<R> {
    path: PathBuf,
    zip: ZipArchive<R>,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl Package<BufReader<File>> {
    /// Opens a package's file.
    ///
    /// # Errors
    /// It cannot be read, or is no package.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(FileError::io("read", path))?;
        Package::read(BufReader::new(file), path)
    }
}

impl<R: Read + Seek> Package<R> {
    /// Opens a package; `path` is its name in errors.
    ///
    /// # Errors
    /// It is no package.
    pub fn read(content: R, path: &Path) -> Result<Self> {
        let wrong = |what: String| Error::Content { path: path.to_path_buf(), what };
        let mut zip = ZipArchive::new(content).map_err(|e| wrong(format!("is no whole zip archive ({e})")))?;
        let manifest = member(&mut zip, MANIFEST, LARGEST_TEXT).map_err(|what| wrong(format!("is no plugin package: {what}")))?;
        let manifest = Manifest::parse(&manifest).map_err(wrong)?;
        let mut wanted = manifest.members();
        for index in 0..zip.len() {
            let file = zip.by_index_raw(index).map_err(|e| wrong(format!("member {index}: {e}")))?;
            let name = String::from_utf8_lossy(file.name_raw()).into_owned();
            // a folder of its own is a member too in what some programs pack
            let folder = file.is_dir() && name.strip_suffix('/').is_some_and(|name| manifest.platforms.contains_key(name));
            if !folder && !wanted.remove(&name) {
                return Err(wrong(format!("holds {name:?}, which its {MANIFEST} does not name, or names once")));
            }
        }
        match wanted.first() {
            Some(missing) => Err(wrong(format!("has no {missing}, which its {MANIFEST} names"))),
            None => Ok(Package { path: path.to_path_buf(), zip, manifest }),
        }
    }

    /// The library of a platform, and its signature's text if there is one. Size, hash and records are as the manifest says.
    ///
    /// # Errors
    /// There is none for the platform, or it is another than the manifest says.
    pub fn library(&mut self, platform: &str) -> Result<(Vec<u8>, Option<String>)> {
        let wrong = |what: String| Error::Content { path: self.path.clone(), what };
        let Some(build) = self.manifest.platforms.get(platform) else {
            let there: Vec<&str> = self.manifest.platforms.keys().map(String::as_str).collect();
            let plugin = &self.manifest.plugin;
            return Err(wrong(format!("{} {} is not built for {platform}; there is {}", plugin.name, plugin.version, there.join(", "))));
        };
        let name = self.manifest.library(platform);
        let bytes = member(&mut self.zip, &name, build.bytes).map_err(wrong)?;
        let sha256 = scan::sha256(&bytes);
        if bytes.len() as u64 != build.bytes || sha256 != build.sha256 {
            let wanted = format!("{} bytes of sha256 {}", build.bytes, build.sha256);
            return Err(wrong(format!("{name} is not what its {MANIFEST} says: {} bytes of sha256 {sha256} instead of {wanted}", bytes.len())));
        }
        let signature = match build.key {
            Some(_) => {
                let text = member(&mut self.zip, &(name + signature::ENDING), LARGEST_TEXT).map_err(wrong)?;
                Some(String::from_utf8(text).map_err(|_| wrong("holds a signature that is no text".into()))?)
            }
            None => None,
        };
        Ok((bytes, signature))
    }
}

/// The content of a member that has at most `most` bytes.
fn member<R: Read + Seek>(zip: &mut ZipArchive<R>, name: &str, most: u64) -> Result<Vec<u8>, String> {
    let file = zip.by_name(name).map_err(|e| format!("its {name} cannot be read ({e})"))?;
    if file.is_symlink() || file.encrypted() || file.is_dir() {
        return Err(format!("its {name} is no plain file"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|e| format!("its {name} cannot be unpacked ({e})"))?;
    if bytes.len() as u64 > most { Err(format!("its {name} unpacks to more than {most} bytes")) } else { Ok(bytes) }
}
