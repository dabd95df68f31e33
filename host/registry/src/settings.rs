//! `trust.json`: how much is asked of a plugin before it is loaded, and whose signatures count.

use crate::{Error, PublicKey, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, fs, io, path::Path, str::FromStr};
use volume::files::{FileError, atomic::write_bytes};

/// What is asked of a file that is not beside the executable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nobody else can write it, and it is the file that was used before, if it was.
    #[default]
    FirstUse,
    /// That, and its hash was pinned before its first use, by `install-plugin` or `trust`.
    Pinned,
    /// That of the first level, and a key that the user trusts signed it.
    Signed,
}

impl Level {
    /// All of them.
    pub const ALL: [Level; 3] = [Level::FirstUse, Level::Pinned, Level::Signed];
    /// The environment variable that names one.
    pub const VARIABLE: &str = "NNUNET_PLUGIN_TRUST";

    /// As files, flags and variables have it.
    pub fn name(self) -> &'static str {
        match self {
            Level::FirstUse => "first-use",
            Level::Pinned => "pinned",
            Level::Signed => "signed",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Level::ALL.map(Level::name).join(", ");
        Level::ALL.into_iter().find(|level| level.name() == text).ok_or_else(|| format!("{text:?} is no trust level; there are {names}"))
    }
}

/// A key whose signatures count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// What the user calls it.
    pub name: String,
}

/// The user's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// What is asked of a file.
    pub level: Level,
    /// Keys whose signatures count.
    pub keys: Vec<TrustedKey>,
}

impl Trust {
    /// A file that is not there is the default: the first level, and no key.
    ///
    /// # Errors
    /// It cannot be read, or holds something else. It is not skipped: a lost setting would accept what it forbids.
    pub fn read(file: &Path) -> Result<Self> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Trust::default()),
            Err(e) => return Err(FileError::io("read", file)(e).into()),
        };
        let what = |e: serde_json::Error| format!("holds no trust settings: {e}; correct it or remove it");
        serde_json::from_str(&text).map_err(|e| Error::Content { path: file.to_path_buf(), what: what(e) })
    }

    /// Writes the file, and its folder if need be.
    ///
    /// # Errors
    /// The system refuses.
    pub fn write(&self, file: &Path) -> Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(FileError::io("create", folder))?;
        }
        let text = serde_json::to_string_pretty(self).map_err(|e| FileError::io("write", file)(e.into()))?;
        Ok(write_bytes(file, format!("{text}\n").as_bytes())?)
    }

    /// Adds a key; one that is there gets the new name.
    ///
    /// # Errors
    /// Another key has the name.
    pub fn add(&mut self, key: PublicKey, name: &str) -> Result<()> {
        if let Some(other) = self.keys.iter().find(|k| k.name == name && k.key != key) {
            return Err(Error::Invalid(format!("the key {} is called `{name}` already; give the new one another --name", other.key.id())));
        }
        self.keys.retain(|k| k.key != key);
        self.keys.push(TrustedKey { key, name: name.to_string() });
        Ok(())
    }

    /// Takes away the key of this name or id.
    ///
    /// # Errors
    /// There is none.
    pub fn remove(&mut self, which: &str) -> Result<TrustedKey> {
        let place = self.keys.iter().position(|k| k.name == which || k.key.id().eq_ignore_ascii_case(which));
        let known = || self.keys.iter().map(|k| format!("{} ({})", k.name, k.key.id())).collect::<Vec<_>>();
        match place {
            Some(place) => Ok(self.keys.remove(place)),
            None if self.keys.is_empty() => Err(Error::Invalid(format!("no key is called `{which}`: none is trusted"))),
            None => Err(Error::Invalid(format!("no trusted key is called `{which}`; there are {}", known().join(", ")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretKey;

    #[test]
    fn settings_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("data/trust.json");
        assert_eq!(Trust::read(&file).unwrap(), Trust::default());
        let (a, b) = (SecretKey::make().unwrap(), SecretKey::make().unwrap());
        let mut trust = Trust { level: Level::Signed, ..Trust::default() };
        trust.add(a.public().clone(), "lab").unwrap();
        assert!(trust.add(b.public().clone(), "lab").unwrap_err().to_string().contains("is called `lab` already"));
        trust.add(a.public().clone(), "our lab").unwrap();
        trust.write(&file).unwrap();
        assert_eq!(Trust::read(&file).unwrap(), trust);
        assert!(trust.remove("lab").unwrap_err().to_string().contains("there are our lab ("));
        assert_eq!(trust.remove(&a.public().id().to_lowercase()).unwrap().name, "our lab");
        assert_eq!(trust.keys, []);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("trust.json");
        for text in ["", "{\"level\": \"sigend\"}", "{\"levels\": \"signed\"}", "{\"keys\": [{\"key\": \"RW\", \"name\": \"x\"}]}"] {
            fs::write(&file, text).unwrap();
            let e = Trust::read(&file).unwrap_err().to_string();
            assert!(e.contains("trust.json: holds no trust settings"), "{e}");
        }
    }
}
