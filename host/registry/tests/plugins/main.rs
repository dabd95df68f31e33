//! The registry with real plugin files: those of `tests/fixtures`, built once, whole or spoilt.
#![allow(missing_docs)]

mod bench;
mod components;
mod files;
mod trust;
