//! `plugin-key`

use super::Run;
use crate::{failure::Failure, show};
use registry::{PASSWORD_VARIABLE, SecretKey, key_password};
use std::path::PathBuf;

/// Make a pair of keys: NAME.key signs your plugins and stays secret, NAME.pub goes to those who use them
#[derive(clap::Parser)]
#[command(name = "plugin-key")]
pub(crate) struct PluginKey {
    /// Path of the two files without their endings (NNUNET_KEY_PASSWORD, if it is set, encrypts the secret one)
    name: PathBuf,
}

impl Run for PluginKey {
    fn run(self) -> Result<(), Failure> {
        let (key, how) = match key_password() {
            Some(password) => (SecretKey::make_encrypted(password)?, format!("encrypted; signing wants the password in {PASSWORD_VARIABLE}")),
            None => (SecretKey::make()?, "keep it secret; whoever has it signs in your name".to_owned()),
        };
        let [secret, public] = key.write(&self.name)?;
        show::line(&format!("{}: {how}", secret.display()));
        show::line(&format!("{}: key {}; others trust it with `host trust --key {}`", public.display(), key.public().id(), key.public()));
        Ok(())
    }
}
