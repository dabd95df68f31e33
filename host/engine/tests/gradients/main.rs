//! Every operation that has a gradient, against differences; some outputs against plain arithmetic.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod conv;
mod custom;
mod elementwise;
mod index;
mod layout;
mod norm;
mod pool;
mod random;
mod reduce;
