//! The ABI promise: plugins of each release on today's host. `tests/abi/README.md` says what is what.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod layouts;
mod plugins;
