//! Everything that was found, one row a component; a file that is not used has one row with the reason.

use crate::{Kind, Registry, Signed, State, registry::Plugin};
use plugin_api::abi::ABI_VERSION;
use serde::Serialize;
use std::path::PathBuf;

/// What became of a component or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowState {
    /// The host's own.
    BuiltIn,
    /// Can be asked for.
    Ready,
    /// Another file has the same name, so neither is used.
    Conflict,
    /// Of a kind that this host does not know.
    Ignored,
    /// The file has the content of one that was found before.
    Copy,
    /// The file must not be loaded.
    Refused,
}

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `architecture`, `loss`, `planner` and so on, a kind that this host does not know, or `-` for a file as a whole.
    pub kind: String,
    /// The component's name, or the file's.
    pub name: String,
    /// One line of the component's, or the plugin's.
    pub description: String,
    /// The plugin's id; `built-in` for the host's own; empty where it could not be read.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
    /// Who wrote it.
    pub author: String,
    /// Its licence.
    pub license: String,
    /// The version of the wall that it was built against.
    pub api: String,
    /// Where it lies.
    pub file: Option<PathBuf>,
    /// Of the file.
    pub sha256: Option<String>,
    /// Who signed the file; none for the host's own.
    pub signed: Option<Signed>,
    /// What became of it.
    pub state: RowState,
    /// Why it is not used.
    pub reason: Option<String>,
}

impl Registry {
    /// The host's own components, then the plugins' in the order of the search. Nothing is loaded for it.
    pub fn list(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self
            .builtin
            .iter()
            .map(|c| {
                let (state, reason) = self.standing(&c.kind, &c.name, RowState::BuiltIn);
                Row {
                    kind: c.kind.clone(),
                    name: c.name.clone(),
                    description: c.description.clone(),
                    plugin: "built-in".into(),
                    version: env!("CARGO_PKG_VERSION").into(),
                    author: env!("CARGO_PKG_AUTHORS").replace(':', ", "),
                    license: env!("CARGO_PKG_LICENSE").into(),
                    api: ABI_VERSION.into(),
                    file: None,
                    sha256: None,
                    signed: None,
                    state,
                    reason,
                }
            })
            .collect();
        for plugin in &self.plugins {
            match plugin.usable().map(|m| &m.components) {
                None => rows.push(unused(plugin)),
                Some(none) if none.is_empty() => {
                    let reason = Some("has no components".to_string());
                    rows.push(Row { state: RowState::Ignored, reason, ..unused(plugin) });
                }
                Some(components) => rows.extend(components.iter().map(|c| {
                    let (state, reason) = self.standing(&c.kind, &c.name, RowState::Ready);
                    Row { kind: c.kind.clone(), name: c.name.clone(), description: c.description.clone(), state, reason, ..unused(plugin) }
                })),
            }
        }
        rows
    }

    fn standing(&self, kind: &str, name: &str, alone: RowState) -> (RowState, Option<String>) {
        let holders = self.holders(kind, name);
        if holders.len() > 1 {
            let places: Vec<String> = holders.iter().map(|h| h.place()).collect();
            (RowState::Conflict, Some(format!("is offered by {}", places.join(" and by "))))
        } else if Kind::ALL.iter().all(|k| k.name() != kind) {
            (RowState::Ignored, Some("is of a kind that this host does not know".into()))
        } else {
            (alone, None)
        }
    }
}

/// The row of a file that is not used.
fn unused(plugin: &Plugin) -> Row {
    let judgement = &plugin.judgement;
    let (state, reason) = match (&judgement.state, &plugin.copy_of) {
        (State::Refused(reason), _) => (RowState::Refused, reason.clone()),
        (State::Ready, Some(first)) => (RowState::Copy, format!("is the same as {}", first.display())),
        (State::Ready, None) => (RowState::Ready, String::new()),
    };
    let m = judgement.metadata.clone().unwrap_or_default();
    Row {
        kind: "-".into(),
        name: judgement.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        description: m.description,
        plugin: m.id,
        version: m.version,
        author: m.author,
        license: m.license,
        api: m.api,
        file: Some(judgement.file.clone()),
        sha256: judgement.sha256.clone(),
        signed: Some(plugin.signed.clone()),
        state,
        reason: Some(reason).filter(|r| !r.is_empty()),
    }
}
