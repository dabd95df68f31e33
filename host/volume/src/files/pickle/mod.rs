//! Python's pickles without Python: the values that PyTorch and NumPy write, and nothing else.
//!
//! A pickle is a program. [`read`] runs the part of it that builds plain values and knows a fixed list of
//! constructors (`constructors.rs`); any other is an error that names it, so a hostile file can do no more than be refused.
//! What it may allocate and how deep it may nest is bounded by its length. [`write()`] emits protocol 2, which every
//! Python 3 reads.

mod constructors;
mod input;
mod machine;
mod resolve;
mod value;
mod writer;

pub use machine::read;
pub use value::{StorageRef, TensorRef, Value};
pub use writer::write;

#[cfg(test)]
mod tests;
