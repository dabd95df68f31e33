//! Model folders around networks that were never trained.

use pipeline::{
    checkpoint::HostRecord,
    phantom::{ModelSpec, write_model},
};
use registry::{Options, Registry, SearchPath};
use serde_json::Value;
use std::path::Path;

/// Two stages of 4 and 8 features.
pub(crate) fn architecture() -> Value {
    ModelSpec::default().architecture()
}

/// The built-in components, and the plugins in `plugins`; what a registry remembers lies in `home`.
pub(crate) fn registry(home: &Path, plugins: &[std::path::PathBuf]) -> Registry {
    standard::link();
    let search = SearchPath::new(plugins, None, None, None);
    Registry::open(Options { search, cache: home.join("cache"), lock: home.join("lock"), dev_plugins: false, trust: Default::default() }).unwrap()
}

/// Writes a model of two small stages with so many labels; `record` is what only we keep.
pub(crate) fn write(folder: &Path, patch: usize, labels: usize, trainer: &str, record: HostRecord) {
    let spec = ModelSpec { patch: vec![patch; 3], labels, trainer: trainer.into(), record, ..ModelSpec::default() };
    write_model(&registry(folder, &[]), folder, &spec).unwrap();
}
