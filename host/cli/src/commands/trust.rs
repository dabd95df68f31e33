//! `trust`

use super::Run;
use crate::{failure::Failure, options::PluginOptions, show};
use registry::{Level, PublicKey, Trust as Settings};
use std::{fs, path::PathBuf};

/// Accept a plugin file as it is now, or say whose signatures count and how much is asked of a plugin
#[derive(clap::Parser)]
#[command(name = "trust")]
#[command(group(clap::ArgGroup::new("what").required(true).args(["file", "key", "remove_key", "set", "list"])))]
pub(crate) struct Trust {
    /// The plugin: pins its hash, although it changed since its first use
    file: Option<PathBuf>,
    /// Trust what this public key signed: the key, or a file with it
    #[arg(long, value_name = "PUBKEY")]
    key: Option<String>,
    /// What to call the key [default: its id]
    #[arg(long, value_name = "NAME", requires = "key")]
    name: Option<String>,
    /// Trust a key no longer, by its name or id
    #[arg(long = "remove-key", value_name = "KEY")]
    remove_key: Option<String>,
    /// What is asked of every plugin from now on: first-use, pinned or signed
    #[arg(long = "level", id = "set", value_name = "LEVEL")]
    set: Option<Level>,
    /// Show the level and the trusted keys
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    plugins: PluginOptions,
}

impl Run for Trust {
    fn run(self) -> Result<(), Failure> {
        let options = self.plugins.options()?;
        if let Some(file) = &self.file {
            registry::trust(file, &options)?;
            show::line(&format!("{} is trusted as it is now", file.display()));
            return Ok(());
        }
        let path = options.trust_file();
        let mut settings = Settings::read(&path)?;
        if let Some(text) = &self.key {
            let key = public_key(text)?;
            let (id, name) = (key.id().to_owned(), self.name.unwrap_or_else(|| key.id().to_owned()));
            settings.add(key, &name)?;
            show::line(&format!("key {id} is trusted as {name}"));
        } else if let Some(which) = &self.remove_key {
            let removed = settings.remove(which)?;
            show::line(&format!("key {} ({}) is not trusted any more", removed.key.id(), removed.name));
        } else if let Some(level) = self.set {
            settings.level = level;
            show::line(&format!("the trust level is {level}"));
        } else {
            show::line(&format!("level  {}", options.trust.level));
            settings.keys.iter().for_each(|k| show::line(&format!("key    {}  {}  {}", k.key.id(), k.key, k.name)));
            return Ok(());
        }
        Ok(settings.write(&path)?)
    }
}

/// The key itself, or that in a file.
fn public_key(text: &str) -> Result<PublicKey, Failure> {
    let content = match fs::read_to_string(text) {
        Ok(content) => content,
        Err(_) if text.starts_with("RW") => text.to_owned(),
        Err(source) => return Err(Failure::Io { action: "read", path: text.into(), source }),
    };
    // the argument is not shown: it may be a secret key
    let what = if content == text { "the argument of --key" } else { text };
    PublicKey::parse(&content).map_err(|fault| Failure::Plain(format!("{what} {fault}")))
}
