//! What can go wrong between a name and its component.

use crate::{Kind, Origin};
use std::{io, path::PathBuf};
use volume::files::FileError;

/// A component that cannot be had, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A folder that the user named cannot be listed.
    #[error("cannot list the plugin folder {} ({origin}): {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Who named it.
        origin: Origin,
        /// What the system said.
        source: io::Error,
    },
    /// Neither `HOME` nor the XDG folders are known.
    #[error("the user has no home folder: set HOME, or XDG_CACHE_HOME and XDG_DATA_HOME")]
    NoHome,
    /// Nothing has this name.
    #[error("no {kind} is called `{name}`{}", crate::suggest::hint(nearest.as_deref(), known, refused))]
    Unknown {
        /// What was asked for.
        kind: Kind,
        /// The name that was given.
        name: String,
        /// The valid name that is closest to it.
        nearest: Option<String>,
        /// All valid names.
        known: Vec<String>,
        /// Refused files that would have it, with the reason of each.
        refused: Vec<(PathBuf, String)>,
    },
    /// Several have this name.
    #[error("the {kind} `{name}` is offered by {}, so none of them is used: remove all but one", holders.join(" and by "))]
    Conflict {
        /// What was asked for.
        kind: Kind,
        /// The name that they share.
        name: String,
        /// The files, or `the host itself`.
        holders: Vec<String>,
    },
    /// A file that must not be loaded.
    #[error("plugin {} was refused: it {reason}", file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// Why, as a sentence without its subject.
        reason: String,
    },
    /// A file that passed the checks and still did not open.
    #[error("plugin {id} ({}) cannot be loaded: {reason}", file.display())]
    Load {
        /// The plugin's id.
        id: String,
        /// The file.
        file: PathBuf,
        /// What the loader said, with its causes.
        reason: String,
    },
    /// The plugin's own code failed.
    #[error("{who} failed in {call}{}: {}", at(error), error.message())]
    Failed {
        /// `plugin ID (FILE)` or `the built-in NAME`.
        who: String,
        /// What was called.
        call: String,
        /// The failure with its file and line.
        error: plugin_api::Error,
    },
    /// A plugin's answer that the host cannot follow.
    #[error("{who} in {step}: {what}")]
    Answer {
        /// `plugin ID (FILE)`.
        who: String,
        /// What was asked.
        step: String,
        /// The value found and the value wanted.
        what: String,
    },
    /// A config whose data is not a trainer config.
    #[error("the config `{name}` of {who} cannot be read: {source}")]
    Config {
        /// Its name.
        name: String,
        /// `plugin ID (FILE)` or `the host`.
        who: String,
        /// What is wrong with its fields.
        source: serde_json::Error,
    },
    /// `extends` names a config that is not there.
    #[error("the config `{name}` extends `{parent}`: {source}")]
    Parent {
        /// The config that was being resolved.
        name: String,
        /// What it extends.
        parent: String,
        /// Why that one cannot be had.
        source: Box<Error>,
    },
    /// `extends` leads back to where it began.
    #[error("configs extend each other in a circle: {}", chain.join(" -> "))]
    Circle {
        /// The names on the way.
        chain: Vec<String>,
    },
    /// The file of pinned hashes cannot be understood.
    #[error(
        "{}, line {line}: {found:?} is not `SHA256  PATH`; correct the line or remove it (the plugin is then pinned anew at its next use)",
        file.display()
    )]
    Lock {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What stands there.
        found: String,
    },
    /// A file is there, and its content is not what it should be.
    #[error("{}: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A setting or an argument that cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// A download that failed.
    #[error(transparent)]
    Fetch(#[from] volume::files::FetchError),
    /// A file of the host's own cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

fn at(error: &plugin_api::Error) -> String {
    if error.at().is_empty() { String::new() } else { format!(" at {}", error.at()) }
}
