//! Tensors on Burn: runs the op table of plugin-api on a device, or on shapes alone.
//!
//! ```
//! use engine::Device;
//! let device = Device::parse("cpu").unwrap();
//! assert!(device.is_cpu());
//! ```

mod device;
mod error;
#[cfg(feature = "gpu")]
mod gpu;
mod group;
pub mod kernels;
mod log;
pub mod logits;
mod model;
mod ops;
mod optim;
mod pass;
mod random;
mod replica;
pub mod selftest;
mod session;
pub mod shape;
mod step;
mod store;
mod sums;
mod tape;
mod target;
mod value;

pub use device::{Device, Devices, Precision};
pub use error::{Error, Result};
pub use group::{Group, shares};
pub use model::Model;
pub use optim::{Norm, Optimizer, OptimizerSpec, ParameterState};
pub use random::Random;
pub use step::{Begun, Gradients, Images, Loss, Mode, Step};
pub use store::Weight;
pub use sums::{LogitSums, Part};
pub use target::{HeadTarget, Supervision};
