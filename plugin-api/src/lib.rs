//! What a plugin author links. A loss, and the config that selects it:
//!
//! ```
//! use plugin_api::prelude::*;
//!
//! /// Focal cross entropy (Lin et al. 2017, eq. 5).
//! #[derive(Deserialize)]
//! #[serde(default, deny_unknown_fields)]
//! struct Focal {
//!     gamma: f64,
//! }
//!
//! impl Default for Focal {
//!     fn default() -> Self {
//!         Self { gamma: 2.0 }
//!     }
//! }
//!
//! impl Loss for Focal {
//!     fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
//!         let log_p = logits.log_softmax(1).gather(1, target.labels()); // (B, 1, D, H, W)
//!         let weight = (1.0 - log_p.exp()).powf(self.gamma);
//!         Ok(-(weight * log_p).mean_where(target.valid()))
//!     }
//! }
//!
//! register_loss!("focal", Focal);
//! register_config!("focal" => { description: "cross entropy replaced by focal cross entropy", loss: "focal" });
//! # fn main() {}
//! ```
//!
//! # A plugin's life
//! 1. The host reads the records of the file without running it ([`plugin!`] and the `register_*!` macros place them).
//! 2. It opens the library, compares layouts, and asks for its components.
//! 3. A component is made from its settings (JSON into the type's fields).
//! 4. An architecture's `build` creates parameters; a loss's `prepare` runs in loader threads on the CPU.
//! 5. `forward` runs on whichever device the user picked, or on shapes alone when the planner wants to know the memory.
//! 6. Tensors that a call did not return are released when it ends; a panic becomes an error with file and line.

pub mod abi;
mod architecture;
mod config;
mod custom;
mod error;
mod loss;
pub mod losses;
pub mod nn;
mod op;
mod params;
mod register;
mod spec;
mod tensor;
pub mod voxels;

pub use architecture::{Architecture, Network};
pub use config::{ComponentRef, Mirror, TrainerConfig};
pub use custom::{Array, ArrayMut, CustomOp};
pub use error::{Error, ErrorKind, Result};
pub use loss::{Head, Labels, Loss, Prepared, Target, Task};
pub use op::Op;
pub use params::{Init, Param, ParamRequest, Params};
pub use serde_json::{Value, json};
pub use spec::{NetworkSpec, StageSpec};
pub use tensor::{ConvSettings, DType, Padding, Resize, Tensor};

/// A line for the training log.
pub fn info(message: &str) {
    abi::log_line(2, message);
}

/// Whether the network is being trained (dropout on, batch statistics used).
pub fn training() -> bool {
    abi::fact("training").as_deref() == Some("true")
}

/// Everything a plugin usually needs.
pub mod prelude {
    pub use crate::{
        Architecture, Array, ArrayMut, ConvSettings, CustomOp, DType, Error, Head, Init, Labels, Loss, Network, NetworkSpec, Padding, Param, Params,
        Prepared, Resize, Result, StageSpec, Target, Task, Tensor, bail, json, losses, nn, plugin, register_architecture, register_config,
        register_loss, voxels,
    };
    pub use serde::Deserialize;
}

#[cfg(panic = "abort")]
compile_error!("plugins must be built with panic = \"unwind\": a panic in a plugin would end the host");
