//! The files nnU-Net and this program share: NumPy's npy and npz, Python's pickle, PyTorch's pth; and files from the web.
//!
//! Every reader takes what it reads as hostile: sizes and offsets are checked against the length of the input, and an
//! error names the file, what it holds and what was wanted. Every writer goes through [`atomic`], and equal values give
//! equal bytes.

mod archive;
pub mod atomic;
pub mod dtype;
pub mod error;
mod fetch;
mod first_error;
pub mod ndarray;
pub mod npy;
pub mod npz;
pub mod npz_map;
pub mod npz_slices;
pub mod pickle;
pub mod properties;
pub mod pth;

pub use dtype::{Dtype, Element};
pub use error::{FileError, Malformed, Result};
pub use fetch::{FetchError, fetch};
pub use first_error::FirstError;
pub use ndarray::{ArrayView, NdArray, Scalar};
pub use npz_map::NpzMap;
pub use npz_slices::NpzSlices;
pub use pickle::Value;
pub use properties::CaseProperties;
pub use pth::{Pth, TensorRef};

#[cfg(target_endian = "big")]
compile_error!("the array formats are read and written in place, which needs a little-endian machine");
