//! What nnU-Net brings along, as components like anybody's: networks, losses and trainer configs.
//!
//! They register themselves when this crate is linked, through the very macros that a plugin uses.
#![forbid(unsafe_code)]

mod configs;
mod losses;
mod networks;

/// Links this crate's components into the binary that calls it.
///
/// A crate that nothing refers to is left out by the linker, and its registrations with it.
pub fn link() {}
