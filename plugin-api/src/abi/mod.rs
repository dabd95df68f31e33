//! The private wall: the only modules that name abi_stable. Everything that crosses between host and plugin is here.
//!
//! Growth inside a major version: a new op number, an appended optional function, a new kind of component.
//! Nothing is removed or reordered.

// sabi_trait and StableAbi (0.11.3) expand to code that today's lints dislike
#[allow(missing_docs, non_local_definitions, unreachable_pub, clippy::all, clippy::undocumented_unsafe_blocks)]
pub(crate) mod types;

pub mod export;
pub(crate) mod guard;
pub mod host;
pub mod meta;
pub(crate) mod scope;

/// Version of the wall, apart from the crate's version. `1.0.0-rc`: the promise starts when all kinds are in.
pub const ABI_VERSION: &str = "1.0.0";

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
