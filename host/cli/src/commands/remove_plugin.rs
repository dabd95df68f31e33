//! `remove-plugin`

use super::{Run, install_plugin::FolderOption};
use crate::{failure::Failure, show};
use registry::{Options, remove};

/// Remove a plugin with its signature and its pin
#[derive(clap::Parser)]
#[command(name = "remove-plugin")]
pub(crate) struct RemovePlugin {
    /// Its name, id or file
    name: String,
    #[command(flatten)]
    folder: FolderOption,
}

impl Run for RemovePlugin {
    fn run(self) -> Result<(), Failure> {
        let options = Options::of_user(&[])?;
        for file in remove(&self.name, &self.folder.get(&options), &options)? {
            show::line(&format!("{}: removed", file.display()));
        }
        Ok(())
    }
}
