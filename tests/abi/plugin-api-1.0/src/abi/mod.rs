//! The private wall: the only modules that name abi_stable. Everything that crosses between host and plugin is here.
//!
//! Growth inside a major version: a new op number, a new step or kind of a hook (neither changes a type), an appended optional
//! function. Nothing is removed or reordered.

// sabi_trait and StableAbi (0.11.3) expand to code that today's lints dislike
#[allow(missing_docs, non_local_definitions, unreachable_pub, clippy::all, clippy::undocumented_unsafe_blocks)]
pub(crate) mod types;

pub(crate) mod array;
pub mod export;
pub(crate) mod guard;
#[doc(hidden)]
pub mod hook;
pub mod host;
mod host_hook;
pub mod meta;
pub(crate) mod scope;

/// Version of the wall, which is the crate's: abi_stable compares it for every type, so a new major version of the crate is one of the wall.
/// What it promises is written in docs/abi.md.
pub const ABI_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The exported symbol that a plugin is found by; a new major version gets a new one.
pub const ROOT_SYMBOL: &str = "nnu_plugin_root_v1";

#[doc(hidden)]
pub mod __private {
    pub use super::types::PluginRootRef;
    pub use abi_stable;
    pub use inventory;
    pub use serde_json;
}

pub(crate) fn log_line(level: u32, message: &str) {
    scope::log(level, message);
}

pub(crate) fn fact(key: &str) -> Option<String> {
    scope::query(key)
}
