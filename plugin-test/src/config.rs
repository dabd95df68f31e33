//! Trainer configs under test.

use plugin_api::{Error, Result, TrainerConfig, abi::host::Library};

/// The trainer config of this name, as the host reads it; what it extends is not looked up.
///
/// # Errors
/// There is none, or a field cannot be read.
pub fn config(name: &str) -> Result<TrainerConfig> {
    let found = Library::builtin().components().into_iter().find(|c| c.kind == "config" && c.name == name);
    let found = found.ok_or_else(|| Error::new(format!("no config is called {name} here")))?;
    Ok(serde_json::from_str(&found.data)?)
}
