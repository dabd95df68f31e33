//! Signatures of plugin files, in minisign's format, in a file of their own: `NAME.so.minisig` beside `NAME.so`.
//!
//! The signed comment names the public key, so that a change shows also where nobody trusts that key yet.

use crate::{scan, settings::TrustedKey};
use serde::{Deserialize, Serialize};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

/// What a signature's file is called behind the plugin's whole name.
pub(crate) const ENDING: &str = ".minisig";
/// In the signed comment, before the public key.
pub(crate) const KEY_FIELD: &str = "key:";
const LARGEST: usize = 8192;

/// An ed25519 public key as minisign writes it: 56 characters of base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey {
    text: String,
    id: String,
}

impl PublicKey {
    /// Reads the key itself, or a file's content with it in the last line (`minisign.pub`).
    ///
    /// # Errors
    /// It is no public key; a sentence without its subject.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        // the text is not shown: it may be a secret key
        let no_key = || format!("is no public key of minisign: wanted 56 characters that begin with RW, and there are {}", text.chars().count());
        minisign_verify::PublicKey::from_base64(text).map_err(|_| no_key())?;
        let key = minisign::PublicKey::from_base64(text).map_err(|_| no_key())?;
        Ok(PublicKey { text: text.to_string(), id: id(key.keynum()) })
    }

    /// Sixteen hexadecimal digits, as minisign shows them.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn verifies(&self, bytes: &[u8], signature: &minisign_verify::Signature) -> bool {
        minisign_verify::PublicKey::from_base64(&self.text).is_ok_and(|key| key.verify(bytes, signature, true).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        PublicKey::parse(&text)
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.text
    }
}

/// Little endian, as minisign keeps it.
fn id(keynum: &[u8]) -> String {
    keynum.iter().rev().map(|b| format!("{b:02X}")).collect()
}

/// Who signed a file. A signature that does not fit its file is not among these: such a file is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Signed {
    /// Nobody.
    #[default]
    No,
    /// A key that the user trusts.
    Trusted {
        /// Its id.
        key: String,
        /// What the user calls it.
        name: String,
    },
    /// A key that the user does not know.
    Unknown {
        /// Its id.
        key: String,
        /// The signature names its key and fits the file under it; else nobody here can tell whether it fits.
        checked: bool,
    },
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signed::No => f.write_str("no"),
            Signed::Trusted { name, .. } => f.write_str(name),
            Signed::Unknown { key, .. } => write!(f, "unknown key {key}"),
        }
    }
}

/// A signature that was read, and not yet compared with its file.
#[derive(Clone)]
pub(crate) struct Signature {
    pub(crate) text: String,
    inner: minisign_verify::Signature,
    id: String,
    /// that its signed comment names
    key: Option<PublicKey>,
}

impl Signature {
    /// # Errors
    /// It is no signature; a sentence without its subject.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LARGEST {
            return Err(format!("has more than {LARGEST} bytes"));
        }
        let inner = minisign_verify::Signature::decode(text).map_err(|e| format!("is no signature of minisign ({e})"))?;
        let outer = minisign::SignatureBox::from_string(text).map_err(|e| format!("is no signature of minisign ({e})"))?;
        let named = inner.trusted_comment().split('\t').find_map(|field| field.strip_prefix(KEY_FIELD));
        let key = named.map(PublicKey::parse).transpose().map_err(|what| format!("names a key that {what}"))?;
        Ok(Signature { text: text.to_string(), id: id(outer.keynum()), key, inner })
    }

    /// The signature beside a plugin, if there is one.
    ///
    /// # Errors
    /// It cannot be read, or is none; why the plugin is refused.
    pub(crate) fn beside(file: &Path) -> Result<Option<Self>, String> {
        let path = path_beside(file);
        if fs::symlink_metadata(&path).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let unreadable = |what: String| format!("has a signature that cannot be used: {} {what}", path.display());
        let bytes = scan::real_file(&path).and_then(|real| scan::read_up_to(&real, LARGEST as u64)).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("is no text".into()))?;
        Signature::parse(&text).map(Some).map_err(unreadable)
    }

    /// The id of the key that made it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether it was made of these bytes with the secret half of `key`.
    pub(crate) fn fits(&self, bytes: &[u8], key: &PublicKey) -> bool {
        key.verifies(bytes, &self.inner)
    }

    /// Who signed, where `fits` says whether the signature fits the file under a key.
    ///
    /// # Errors
    /// It does not fit; why the plugin is refused.
    pub(crate) fn by(&self, keys: &[TrustedKey], mut fits: impl FnMut(&PublicKey) -> Result<bool, String>) -> Result<Signed, String> {
        let mut known = false;
        for trusted in keys.iter().filter(|trusted| trusted.key.id() == self.id) {
            known = true;
            if fits(&trusted.key)? {
                return Ok(Signed::Trusted { key: self.id.clone(), name: trusted.name.clone() });
            }
        }
        let fits_its_own = self.key.as_ref().map(&mut fits).transpose()?;
        match fits_its_own {
            _ if known => Err(self.broken()),
            Some(false) => Err(self.broken()),
            fits => Ok(Signed::Unknown { key: self.id.clone(), checked: fits.is_some() }),
        }
    }

    fn broken(&self) -> String {
        format!("does not fit its signature (key {}): one of the two was changed after signing, so get both anew from who signed them", self.id)
    }
}

/// Where the signature of a file lies.
pub(crate) fn path_beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(ENDING);
    file.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretKey;
    use proptest::prelude::*;

    fn trusted(key: &PublicKey) -> Vec<TrustedKey> {
        vec![TrustedKey { key: key.clone(), name: "lab".into() }]
    }

    fn by(signature: &Signature, keys: &[TrustedKey], bytes: &[u8]) -> Result<Signed, String> {
        signature.by(keys, |key| Ok(signature.fits(bytes, key)))
    }

    #[test]
    fn a_signature_fits_what_was_signed_and_nothing_else() {
        let (secret, other) = (SecretKey::make().unwrap(), SecretKey::make().unwrap());
        let signature = Signature::parse(&secret.sign(b"bytes", "a.so").unwrap()).unwrap();
        let id = secret.public().id().to_string();
        assert_eq!(by(&signature, &trusted(secret.public()), b"bytes"), Ok(Signed::Trusted { key: id.clone(), name: "lab".into() }));
        for keys in [vec![], trusted(other.public())] {
            assert_eq!(by(&signature, &keys, b"bytes"), Ok(Signed::Unknown { key: id.clone(), checked: true }));
            assert!(by(&signature, &keys, b"Bytes").unwrap_err().contains(&format!("does not fit its signature (key {id})")));
        }
        assert!(by(&signature, &trusted(secret.public()), b"Bytes").is_err());
    }

    /// Made with minisign 0.11's own command line: its comment names no key.
    #[test]
    fn signatures_of_minisign_are_read() {
        let key =
            PublicKey::parse("untrusted comment: minisign public key E7620F1842B4E81F\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n")
                .unwrap();
        assert_eq!(key.id(), "E7620F1842B4E81F");
        let signature = Signature::parse(
            "untrusted comment: signature from minisign secret key\n\
             RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
             trusted comment: timestamp:1556193335\tfile:test\n\
             y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==\n",
        )
        .unwrap();
        assert_eq!(by(&signature, &trusted(&key), b"test"), Ok(Signed::Trusted { key: key.id().into(), name: "lab".into() }));
        assert!(by(&signature, &trusted(&key), b"tent").is_err());
        assert_eq!(by(&signature, &[], b"tent"), Ok(Signed::Unknown { key: key.id().into(), checked: false }));
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in ".{0,400}", lines in proptest::collection::vec("[A-Za-z0-9+/=:\t ]{0,120}", 0..6)) {
            for text in [text.clone(), lines.join("\n"), format!("untrusted comment: x\n{}", lines.join("\n"))] {
                let _ = (PublicKey::parse(&text), Signature::parse(&text));
            }
        }

        #[test]
        fn a_changed_signature_never_fits_a_changed_file(place in 0usize..330, bit in 0u8..7) {
            let secret = SecretKey::make().unwrap();
            let mut text = secret.sign(b"bytes", "a.so").unwrap().into_bytes();
            let place = place % text.len();
            text[place] ^= 1 << bit;
            // still fine: the comment that is not signed, and white space
            if let Some(signature) = String::from_utf8(text).ok().and_then(|t| Signature::parse(&t).ok()) {
                let trusted = matches!(by(&signature, &trusted(secret.public()), b"Bytes"), Ok(Signed::Trusted { .. }));
                prop_assert!(!trusted);
            }
        }
    }
}
