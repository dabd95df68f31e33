//! `plugin-key`

use super::Run;
use crate::{failure::Failure, show};
use registry::SecretKey;
use std::path::PathBuf;

/// Make a pair of keys: NAME.key signs your plugins and stays secret, NAME.pub goes to those who use them
#[derive(clap::Parser)]
#[command(name = "plugin-key")]
pub(crate) struct PluginKey {
    /// Path of the two files without their endings
    name: PathBuf,
}

impl Run for PluginKey {
    fn run(self) -> Result<(), Failure> {
        let key = SecretKey::make()?;
        let [secret, public] = key.write(&self.name)?;
        show::line(&format!("{}: keep it secret; whoever has it signs in your name", secret.display()));
        show::line(&format!("{}: key {}; others trust it with `host trust --key {}`", public.display(), key.public().id(), key.public()));
        Ok(())
    }
}
