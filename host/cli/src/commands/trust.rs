//! `trust`

use super::Run;
use crate::{failure::Failure, options::PluginOptions, show};
use std::path::PathBuf;

/// Accept a plugin file as it is now, although it changed since its first use
#[derive(clap::Parser)]
#[command(name = "trust")]
pub(crate) struct Trust {
    /// The plugin
    file: PathBuf,
    #[command(flatten)]
    plugins: PluginOptions,
}

impl Run for Trust {
    fn run(self) -> Result<(), Failure> {
        registry::trust(&self.file, &self.plugins.options()?)?;
        show::line(&format!("{} is trusted as it is now", self.file.display()));
        Ok(())
    }
}
