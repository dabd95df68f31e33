//! Finds plugins, judges each file without running it, loads what is asked for, and lists everything.
//!
//! ```no_run
//! # fn main() -> Result<(), registry::Error> {
//! let registry = registry::Registry::open(registry::Options::of_user(&["plugins".into()])?)?;
//! let config = registry.config("focal")?;
//! if let Some(loss) = &config.config.loss {
//!     let handle = registry.loss(&loss.name)?.create(&loss.settings, &plugin_api::Task::default())?;
//! }
//! # Ok(()) }
//! ```
//!
//! # The way of a file
//! 1. [`SearchPath`] names it.
//! 2. [`judge`] reads it: is it a whole shared library for this machine, with records of an ABI that this host speaks?
//! 3. The trust rules ask who can write it, whether it fits its signature, and whether it changed since its first use; [`Level`]
//!    says what else.
//! 4. The first component that is asked for loads it: the bytes are read, hashed and compared with the signature again, copied to a folder of the user's
//!    own, and that copy is opened.
//!
//! Nothing of the file runs before step 4, and nothing of a refused file runs at all.
//!
//! A `.toml` or `.json` in a plugin folder is a trainer config. It is data: it takes steps 1 and 2, nobody else may write it, and it is
//! not pinned.

mod admit;
mod config;
mod config_file;
mod error;
mod hook;
mod list;
mod load;
mod metadata;
mod needed;
mod publish;
mod registry;
mod scan;
mod search;
mod secret;
mod settings;
mod signature;
mod source;
mod suggest;
mod trust;
mod verdicts;

pub use config::{DEFAULT_TRAINER, ResolvedConfig, Step};
pub use error::Error;
pub use hook::{Hook, HookSource};
pub use list::{Row, RowState};
pub use metadata::{Metadata, Offer};
pub use publish::{Build, Entry, Index, Install, Installed, Manifest, Package, Packed, install, pack, remove, this_platform};
pub use registry::{Kind, Options, Registry};
pub use scan::{Judgement, State, judge};
pub use search::{Candidate, Origin, Place, SearchPath};
pub use secret::{PASSWORD_VARIABLE, SecretKey, key_password};
pub use settings::{Level, Trust, TrustedKey};
pub use signature::{PublicKey, Signed};
pub use source::{ArchitectureSource, LossSource, Provenance};
pub use suggest::nearest;
pub use trust::trust;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
