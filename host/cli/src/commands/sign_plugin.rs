//! `sign-plugin`

use super::Run;
use crate::{failure::Failure, show};
use registry::{SecretKey, key_password};
use std::path::PathBuf;

/// Sign plugin files: writes FILE.minisig beside each
#[derive(clap::Parser)]
#[command(name = "sign-plugin")]
pub(crate) struct SignPlugin {
    /// The plugins
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    key: KeyOption,
}

#[derive(clap::Args)]
pub(crate) struct KeyOption {
    /// Secret key, as plugin-key or minisign wrote it (NNUNET_KEY_PASSWORD gives the password of an encrypted one)
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl KeyOption {
    /// The key, if one was named.
    pub(crate) fn read(&self) -> Result<Option<SecretKey>, Failure> {
        let read = |file: &PathBuf| Ok(SecretKey::read(file, key_password)?);
        self.key.as_ref().map(read).transpose()
    }
}

impl Run for SignPlugin {
    fn run(self) -> Result<(), Failure> {
        let key = self.key.read()?.ok_or_else(|| Failure::usage("--key names the secret key to sign with; `host plugin-key` makes one"))?;
        for file in &self.files {
            show::line(&format!("{}: signed with key {}", key.sign_beside(file)?.display(), key.public().id()));
        }
        Ok(())
    }
}
