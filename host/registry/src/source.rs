//! A component that was found: whose it is, and how one is made.

use crate::{Error, Kind, Result};
use plugin_api::{
    Task,
    abi::host::{ArchitectureHandle, Library, LossHandle},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Whose a component is; a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The plugin's id, `built-in` for the host's own components.
    pub plugin: String,
    /// The plugin's version, or the host's.
    pub version: String,
    /// Of the file; none for the host's own components.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The file; none for the host's own components.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Where its author keeps it; empty if its records do not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
}

impl Provenance {
    pub(crate) fn builtin() -> Self {
        Provenance { plugin: "built-in".into(), version: env!("CARGO_PKG_VERSION").into(), sha256: None, file: None, repository: String::new() }
    }

    /// `plugin ID (FILE)`, for messages.
    pub fn who(&self) -> String {
        match &self.file {
            Some(file) if crate::config_file::is_one(file) => format!("the config file {}", file.display()),
            Some(file) => format!("plugin {} ({})", self.plugin, file.file_name().unwrap_or(file.as_os_str()).to_string_lossy()),
            None => "the host itself".into(),
        }
    }

    /// Whether it is the host's own.
    pub fn is_builtin(&self) -> bool {
        self.file.is_none()
    }

    /// A failure in a call of the component, e.g. `forward`, with the plugin named.
    pub fn failed(&self, call: &str, error: plugin_api::Error) -> Error {
        Error::Failed { who: self.who(), call: call.to_string(), error }
    }
}

pub(crate) fn settings_json(settings: &Map<String, Value>) -> String {
    Value::Object(settings.clone()).to_string()
}

/// An architecture that can be made.
#[derive(Clone, Debug)]
pub struct ArchitectureSource {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub from: Provenance,
    pub(crate) library: Library,
}

impl ArchitectureSource {
    /// Makes one with these settings (an empty map for the defaults).
    ///
    /// # Errors
    /// The plugin does not take the settings.
    pub fn create(&self, settings: &Map<String, Value>) -> Result<ArchitectureHandle> {
        let made = self.library.architecture(&self.name, &settings_json(settings));
        made.map_err(|e| self.from.failed(&format!("create of {} `{}`", Kind::Architecture, self.name), e))
    }
}

/// A loss that can be made.
#[derive(Clone, Debug)]
pub struct LossSource {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub from: Provenance,
    pub(crate) library: Library,
}

impl LossSource {
    /// Makes one with these settings (an empty map for the defaults) for a task.
    ///
    /// # Errors
    /// The plugin does not take the settings or the task.
    pub fn create(&self, settings: &Map<String, Value>, task: &Task) -> Result<LossHandle> {
        let failed = |e| self.from.failed(&format!("create of {} `{}`", Kind::Loss, self.name), e);
        let task = serde_json::to_string(task).map_err(|e| failed(e.into()))?;
        self.library.loss(&self.name, &settings_json(settings), &task).map_err(failed)
    }
}
