//! `new-plugin`

use super::Run;
use crate::{
    failure::Failure,
    new_plugin::{self, KINDS, Name, NewPlugin, Template},
    show,
};
use pipeline::paths::quoted;
use plugin_api::abi::host::Library;
use std::path::PathBuf;

/// Begin a plugin: writes a crate that builds, passes the validator and holds tests, with all of the host that it needs beside it
#[derive(clap::Parser)]
#[command(name = "new-plugin")]
pub(crate) struct NewPluginCommand {
    /// The crate, and the component with `_` for `-`: lower case, such as my-loss
    #[arg(value_name = "NAME")]
    name: Name,
    /// What it offers
    #[arg(long, value_name = "KIND", value_parser = clap::builder::PossibleValuesParser::new(KINDS))]
    kind: String,
    /// The plugin's id, a reverse domain name [default: org.example.NAME]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Author, for Cargo.toml
    #[arg(long, value_name = "NAME", default_value = "Your Lab", value_parser = plain)]
    author: String,
    /// Licence, by its SPDX name, for Cargo.toml
    #[arg(long, value_name = "SPDX", default_value = "Apache-2.0", value_parser = plain)]
    license: String,
    /// The folder that the crate's own is made in [default: this one]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Text that a TOML string takes as it is.
fn plain(text: &str) -> Result<String, String> {
    match !text.trim().is_empty() && !text.contains(['"', '\\']) && !text.contains(char::is_control) {
        true => Ok(text.into()),
        false => Err("wanted is a line without quotes and backslashes".into()),
    }
}

impl Run for NewPluginCommand {
    fn run(self) -> Result<(), Failure> {
        let template = Template::of(&self.kind).ok_or_else(|| Failure::usage(format!("no kind is called {}", self.kind)))?;
        let id = new_plugin::id(self.id.as_deref(), &self.name).map_err(Failure::usage)?;
        if Library::builtin().components().iter().any(|c| c.kind == self.kind && c.name == self.name.snake) {
            return Err(Failure::usage(format!("the host itself has a {} `{}`; take another name", self.kind, self.name.snake)));
        }
        let file = format!("{}{}{}", std::env::consts::DLL_PREFIX, self.name.snake, std::env::consts::DLL_SUFFIX);
        let trial = template.trial().replace("{{name}}", &self.name.snake);
        let plugin = NewPlugin { name: self.name, template, id, author: self.author, licence: self.license };
        let folder = plugin.write(&self.folder.unwrap_or_default()).map_err(|(path, source)| Failure::Io { action: "write", path, source })?;
        show::line(&format!("{} is a plugin's crate now. Next:\n", folder.display()));
        for command in [
            &format!("cd {}", quoted(&folder)),
            "cargo test",
            "cargo build --release",
            &format!("host validate-plugin target/release/{file}"),
            &trial,
        ] {
            show::line(&format!("  {command}"));
        }
        Ok(())
    }
}
