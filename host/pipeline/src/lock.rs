//! What trained a model: the plugins, with the components that were theirs. A checkpoint keeps it, and `plugins.lock` beside it shows it to
//! people and programs that open no checkpoint.

use crate::error::{Error, Result};
use crate::json;
use registry::{Hook, Kind, Provenance, Registry};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file's name, in the folder of a fold.
pub const FILE: &str = "plugins.lock";

/// A plugin that had a part in a training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedPlugin {
    /// Its id.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// Of its file, in hexadecimal.
    pub sha256: String,
    /// Where its author keeps it; empty if its records do not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// The components that were used, as `KIND:NAME`.
    pub components: Vec<String>,
}

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
struct Lock {
    host: String,
    plugins: Vec<UsedPlugin>,
}

/// A component with whose it is.
pub type Part<'a> = (Kind, &'a str, &'a Provenance);

/// That of a hook.
pub fn part(hook: &Hook) -> Part<'_> {
    (hook.kind, &hook.name, &hook.from)
}

/// The plugins among those that components came from; the host's own are left out.
pub fn used<'a>(components: impl IntoIterator<Item = Part<'a>>) -> Vec<UsedPlugin> {
    let mut plugins: Vec<UsedPlugin> = Vec::new();
    for (kind, name, from) in components {
        let Some(sha256) = &from.sha256 else { continue };
        let component = format!("{kind}:{name}");
        match plugins.iter_mut().find(|p| p.plugin == from.plugin && p.sha256 == *sha256) {
            Some(plugin) if plugin.components.contains(&component) => {}
            Some(plugin) => plugin.components.push(component),
            None => plugins.push(UsedPlugin {
                plugin: from.plugin.clone(),
                version: from.version.clone(),
                sha256: sha256.clone(),
                repository: from.repository.clone(),
                components: vec![component],
            }),
        }
    }
    plugins
}

/// Those of a training that goes on: what is not used any more comes first.
pub fn after(before: &[UsedPlugin], now: Vec<UsedPlugin>) -> Vec<UsedPlugin> {
    before.iter().filter(|p| !now.contains(p)).cloned().chain(now.clone()).collect()
}

/// A sentence for each component of these kinds that is another plugin's here, or another file's, than it was last.
pub fn differences(plugins: &[UsedPlugin], kinds: &[Kind], registry: &Registry) -> Vec<String> {
    let (mut sentences, mut seen) = (Vec::new(), Vec::new());
    for plugin in plugins.iter().rev() {
        for (component, kind, name) in plugin.components.iter().filter_map(|c| parse(c)).filter(|(_, kind, _)| kinds.contains(kind)) {
            if seen.contains(&component) {
                continue;
            }
            seen.push(component);
            if let Ok(here) = registry.whose(kind, name)
                && here.sha256.as_ref() != Some(&plugin.sha256)
            {
                let hash = here.sha256.as_ref().map_or(String::new(), |sha256| format!(" (sha256 {sha256:.12}...)"));
                sentences.push(format!(
                    "trained with the {kind} `{name}` of {}, and here it is that of {} {}{hash}: results may differ",
                    plugin.named(),
                    here.who(),
                    here.version
                ));
            }
        }
    }
    sentences.reverse();
    sentences
}

/// The error that a component is not here, with the plugin that had it when `path` was trained.
pub fn missing(error: Error, plugins: &[UsedPlugin], path: &Path) -> Error {
    let Error::Registry(registry::Error::Unknown { kind, name, .. }) = &error else { return error };
    match whose(plugins, *kind, name) {
        Some(plugin) => Error::content(path, way_out(&format!("trained with the {kind} `{name}`"), Some(plugin), &error)),
        None => error,
    }
}

/// The same, by the `plugins.lock` of a fold.
pub fn missing_in(fold: &Path, error: Error) -> Error {
    match read(fold) {
        Ok(plugins) => missing(error, &plugins, fold),
        Err(unreadable) => unreadable,
    }
}

/// The error that a component is not here which a configuration of the file `plans` asks for, with the plugin that had it when something was
/// trained so.
pub fn missing_of_plans(error: Error, plugins: &[UsedPlugin], plans: &Path, configuration: &str) -> Error {
    let Error::Registry(registry::Error::Unknown { kind, name, .. }) = &error else { return error };
    let asks = format!("{configuration} asks for the {kind} `{name}`");
    Error::content(plans, way_out(&asks, whose(plugins, *kind, name), &error))
}

/// The last plugin that had a component.
fn whose<'a>(plugins: &'a [UsedPlugin], kind: Kind, name: &str) -> Option<&'a UsedPlugin> {
    let component = format!("{kind}:{name}");
    plugins.iter().rev().find(|p| p.components.contains(&component))
}

fn way_out(asks: &str, plugin: Option<&UsedPlugin>, error: &Error) -> String {
    let (whose, from) = match plugin {
        Some(plugin) if plugin.repository.is_empty() => (format!(" of {}, which is not here;", plugin.named()), String::new()),
        Some(plugin) => (format!(" of {}, which is not here;", plugin.named()), format!(" get it from {},", plugin.repository)),
        None => (", which no plugin here has;".to_owned(), String::new()),
    };
    format!("{asks}{whose}{from} install it (`host install-plugin`), or name its folder with --plugins-dir: {error}")
}

impl UsedPlugin {
    fn named(&self) -> String {
        format!("plugin {} {} (sha256 {:.12}...)", self.plugin, self.version, self.sha256)
    }
}

fn parse(component: &str) -> Option<(&str, Kind, &str)> {
    let (kind, name) = component.split_once(':')?;
    Some((component, Kind::ALL.into_iter().find(|k| k.name() == kind)?, name))
}

/// Writes `plugins.lock` in the folder of a fold.
///
/// # Errors
/// The system refuses.
pub fn write(folder: &Path, plugins: &[UsedPlugin]) -> Result<()> {
    json::write(&folder.join(FILE), &Lock { host: env!("CARGO_PKG_VERSION").into(), plugins: plugins.to_vec() })
}

/// Reads it; nothing where there is none.
///
/// # Errors
/// It cannot be read, or is another file.
pub fn read(folder: &Path) -> Result<Vec<UsedPlugin>> {
    let path = folder.join(FILE);
    if path.is_file() { Ok(json::read::<Lock>(&path)?.plugins) } else { Ok(vec![]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(plugin: &str, hash: &str) -> Provenance {
        let (version, repository) = ("1.0.0".into(), "https://example.org".into());
        Provenance { plugin: plugin.into(), version, sha256: Some(hash.repeat(64)), file: Some("/p/x.so".into()), repository }
    }

    fn host() -> Provenance {
        Provenance { plugin: "built-in".into(), version: "1".into(), sha256: None, file: None, repository: String::new() }
    }

    #[test]
    fn components_are_listed_under_their_plugin() {
        let (a, b) = (from("a", "0"), from("b", "1"));
        let parts =
            [(Kind::Config, "c", &a), (Kind::Architecture, "n", &b), (Kind::Loss, "l", &a), (Kind::Loss, "l", &a), (Kind::Config, "base", &host())];
        let plugins = used(parts);
        let shown: Vec<(&str, Vec<&str>)> = plugins.iter().map(|p| (p.plugin.as_str(), p.components.iter().map(String::as_str).collect())).collect();
        assert_eq!(shown, [("a", vec!["config:c", "loss:l"]), ("b", vec!["architecture:n"])]);
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), []);
        write(dir.path(), &plugins).unwrap();
        assert_eq!(read(dir.path()).unwrap(), plugins);
        std::fs::write(dir.path().join(FILE), "{}").unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains("plugins.lock"));
    }

    #[test]
    fn a_training_that_goes_on_keeps_what_it_had() {
        let (old, new) = (used([(Kind::Loss, "l", &from("a", "0"))]), used([(Kind::Loss, "l", &from("a", "1"))]));
        assert_eq!(after(&old, old.clone()), old);
        assert_eq!(after(&old, new.clone()), [old, new].concat());
    }

    #[test]
    fn a_missing_component_is_told_with_its_plugin() {
        let plugins = used([(Kind::Loss, "l", &from("org.a", "0"))]);
        let unknown = |name: &str| {
            let name = name.to_owned();
            Error::from(registry::Error::Unknown { kind: Kind::Loss, name, nearest: None, known: vec!["dice".into()], refused: vec![] })
        };
        let said = missing(unknown("l"), &plugins, Path::new("fold_0")).to_string();
        let wanted = "fold_0: trained with the loss `l` of plugin org.a 1.0.0 (sha256 000000000000...), which is not here; get it from https://example.org, \
                      install it (`host install-plugin`), or name its folder with --plugins-dir: no loss is called `l` (valid: dice)";
        assert_eq!(said, wanted);
        assert_eq!(missing(unknown("m"), &plugins, Path::new("fold_0")).to_string(), "no loss is called `m` (valid: dice)");
        let of_plans = |name| missing_of_plans(unknown(name), &plugins, Path::new("plans.json"), "2d").to_string();
        assert_eq!(of_plans("l"), wanted.replace("fold_0: trained with", "plans.json: 2d asks for"));
        let nobodys = "plans.json: 2d asks for the loss `m`, which no plugin here has; install it (`host install-plugin`), or name its folder with \
                       --plugins-dir: no loss is called `m` (valid: dice)";
        assert_eq!(of_plans("m"), nobodys);
    }
}
