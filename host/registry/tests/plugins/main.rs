//! The registry with real plugin files: those of `tests/fixtures`, built once, whole or spoilt.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod bench;
mod components;
mod files;
mod hooks;
mod publish;
mod signed;
mod trust;
