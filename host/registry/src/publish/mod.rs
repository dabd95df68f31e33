//! From a built library to one that others have: packages, indices, installing and removing.

mod index;
mod install;
mod pack;
mod package;
pub(crate) mod platform;

pub use index::{Entry, Index};
pub use install::{Install, Installed, install, remove};
pub use pack::{Packed, pack};
pub use package::{Build, Manifest, Package};
pub use platform::here as this_platform;
