//! Key pairs of authors, and signing with them.

use crate::{
    Error, PublicKey, Result,
    signature::{KEY_FIELD, Signature, path_beside},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use volume::files::{
    FileError,
    atomic::{write_atomic, write_bytes},
};

/// Signs plugins. Its file is minisign's, so `minisign -S` signs with it too.
pub struct SecretKey {
    inner: minisign::SecretKey,
    public: PublicKey,
}

/// The variable that gives the password of an encrypted secret key.
pub const PASSWORD_VARIABLE: &str = "NNUNET_KEY_PASSWORD";

/// What the variable gives; none where it is empty.
pub fn key_password() -> Option<String> {
    std::env::var(PASSWORD_VARIABLE).ok().filter(|password| !password.is_empty())
}

impl SecretKey {
    /// A new one.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn make() -> Result<Self> {
        Self::half(minisign::KeyPair::generate_unencrypted_keypair())
    }

    /// A new one, encrypted with `password`: it is written, and read again before it signs.
    ///
    /// # Errors
    /// The system has no random numbers, or not the memory that the encryption takes.
    pub fn make_encrypted(password: String) -> Result<Self> {
        Self::half(minisign::KeyPair::generate_encrypted_keypair(Some(password)))
    }

    fn half(pair: minisign::Result<minisign::KeyPair>) -> Result<Self> {
        let pair = pair.map_err(|e| Error::Invalid(format!("cannot make a key: {e}")))?;
        Ok(SecretKey { public: PublicKey::parse(&pair.pk.to_base64()).map_err(Error::Invalid)?, inner: pair.sk })
    }

    fn of(inner: minisign::SecretKey) -> Result<Self, String> {
        let public = minisign::PublicKey::from_secret_key(&inner).map_err(|e| e.to_string())?;
        Ok(SecretKey { public: PublicKey::parse(&public.to_base64())?, inner })
    }

    /// Reads its file. Where it is encrypted, `password` is asked for the password.
    ///
    /// # Errors
    /// It cannot be read, is no secret key, or the password is wrong.
    pub fn read(file: &Path, password: impl FnOnce() -> Option<String>) -> Result<Self> {
        let text = fs::read_to_string(file).map_err(FileError::io("read", file))?;
        let wrong = |what: String| Error::Content { path: file.to_path_buf(), what };
        let none = || wrong("is no secret key, as plugin-key or minisign writes it".into());
        let boxed = || minisign::SecretKeyBox::from_string(&text).map_err(|_| none());
        let inner = match boxed()?.into_unencrypted_secret_key() {
            Ok(key) => key,
            // the crate tells the two apart by these words alone
            Err(e) if !e.to_string().contains("might be encrypted") => return Err(none()),
            Err(_) => {
                let password = password().ok_or_else(|| wrong(format!("is encrypted; set {PASSWORD_VARIABLE} to its password")))?;
                boxed()?.into_secret_key(Some(password)).map_err(|e| match e.kind() {
                    minisign::ErrorKind::Verify => wrong(format!("is encrypted with another password than {PASSWORD_VARIABLE} gives")),
                    _ => none(),
                })?
            }
        };
        Self::of(inner).map_err(wrong)
    }

    /// The half that others get.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Writes `STEM.key`, which only the user can read, and `STEM.pub`; neither may be there.
    ///
    /// # Errors
    /// One is there, or cannot be written.
    pub fn write(&self, stem: &Path) -> Result<[PathBuf; 2]> {
        let with = |ending: &str| PathBuf::from(format!("{}{ending}", stem.display()));
        let [secret, public] = [with(".key"), with(".pub")];
        if let Some(there) = [&secret, &public].into_iter().find(|p| p.exists()) {
            return Err(Error::Content { path: there.clone(), what: "is there already; give the new key another name".into() });
        }
        let boxed = self.inner.to_box(None).map_err(|e| Error::Invalid(e.to_string()))?;
        write_mode(&secret, boxed.to_string().as_bytes(), 0o600)?;
        write_bytes(&public, format!("untrusted comment: minisign public key {}\n{}\n", self.public.id(), self.public).as_bytes())?;
        Ok([secret, public])
    }

    /// The text of a signature of `bytes`, which are the content of a file called `name`.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn sign(&self, bytes: &[u8], name: &str) -> Result<String> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let comment = format!("timestamp:{seconds}\tfile:{name}\t{KEY_FIELD}{}", self.public);
        let signed = minisign::sign(None, &self.inner, bytes, Some(&comment), Some("signature of a plugin"));
        signed.map(|s| s.into_string()).map_err(|e| Error::Invalid(format!("cannot sign {name}: {e}")))
    }

    /// Signs a file and writes the signature beside it; the signature's path.
    ///
    /// # Errors
    /// The file cannot be read, or the signature not written.
    pub fn sign_beside(&self, file: &Path) -> Result<PathBuf> {
        let bytes = fs::read(file).map_err(FileError::io("read", file))?;
        let path = path_beside(file);
        let text = self.sign(&bytes, &file.file_name().unwrap_or_default().to_string_lossy())?;
        debug_assert!(Signature::parse(&text).is_ok());
        write_bytes(&path, text.as_bytes())?;
        Ok(path)
    }
}

/// Writes a file whole or not at all, with this mode whatever the umask.
pub(crate) fn write_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    use std::io::Write;
    Ok(write_atomic(path, |out| {
        #[cfg(unix)]
        out.get_ref().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode)).map_err(FileError::io("set the mode of", path))?;
        #[cfg(not(unix))]
        let _ = mode;
        out.write_all(bytes).map_err(FileError::io("write", path))
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_files_is_made_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let key = SecretKey::make().unwrap();
        let [secret, public] = key.write(&dir.path().join("lab")).unwrap();
        assert_eq!(PublicKey::parse(&fs::read_to_string(&public).unwrap()).as_ref(), Ok(key.public()));
        assert_eq!(SecretKey::read(&secret, || None).unwrap().public(), key.public());
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&secret).unwrap().permissions()) & 0o777, 0o600);
        let e = key.write(&dir.path().join("lab")).unwrap_err().to_string();
        assert!(e.contains("lab.key: is there already"), "{e}");
        let e = SecretKey::read(&public, || None).err().unwrap().to_string();
        assert!(e.contains("lab.pub: is no secret key"), "{e}");
    }
}
