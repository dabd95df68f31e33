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
//! 4. An architecture's `build` creates parameters; a loss's `prepare` runs in loader threads on the CPU. A planner is asked step by
//!    step; a preprocessor, a normalization and an augmentation change voxels in host memory, from several threads at a time.
//! 5. `forward` runs on whichever device the user picked, or on shapes alone when the planner wants to know the memory.
//! 6. Tensors that a call did not return are released when it ends; a panic becomes an error with file and line.

pub mod abi;
mod architecture;
mod augmentation;
mod config;
mod custom;
mod error;
mod grid;
mod loss;
pub mod losses;
pub mod nn;
mod normalization;
mod op;
mod params;
mod planner;
mod preprocessor;
mod random;
mod register;
mod schedule;
mod spec;
mod tensor;
pub mod voxels;

pub use architecture::{Architecture, Network};
#[doc(hidden)]
pub use augmentation::ApplyQuestion;
pub use augmentation::{Augmentation, Place, Sample};
pub use config::{ComponentRef, Mirror, TrainerConfig};
pub use custom::{Array, ArrayMut, CustomOp};
pub use error::{Error, ErrorKind, Result};
pub use grid::{Channel, Voxels};
pub use loss::{Head, Labels, Loss, Prepared, Target, Task};
pub use normalization::{ChannelFacts, Intensities, Mask, Normalization};
pub use op::Op;
pub use params::{Init, Param, ParamRequest, Params};
pub use planner::{
    BatchQuestion, ChannelNormalization, LowresQuestion, PatchQuestion, Planner, PlannerSetup, PlanningDataset, PlansQuestion, SchemesQuestion,
    Spacing, SpacingQuestion, Topology, TopologyQuestion, TransposeQuestion,
};
pub use preprocessor::{Case, PreprocessingPlan, Preprocessor};
#[doc(hidden)]
pub use preprocessor::{CaseQuestion, RunAnswer};
pub use random::Rng;
pub use schedule::{LrQuestion, Schedule};
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
        Architecture, Array, ArrayMut, Augmentation, BatchQuestion, Case, Channel, ChannelFacts, ChannelNormalization, ConvSettings, CustomOp, DType,
        Error, Head, Init, Intensities, Labels, Loss, LowresQuestion, Mask, Network, NetworkSpec, Normalization, Padding, Param, Params,
        PatchQuestion, Place, Planner, PlannerSetup, PlanningDataset, PlansQuestion, Prepared, PreprocessingPlan, Preprocessor, Resize, Result, Rng,
        Sample, Schedule, SchemesQuestion, Spacing, SpacingQuestion, StageSpec, Target, Task, Tensor, Topology, TopologyQuestion, TransposeQuestion,
        Value, Voxels, bail, json, losses, nn, plugin, register_architecture, register_augmentation, register_config, register_loss,
        register_lr_schedule, register_normalization, register_planner, register_preprocessor, voxels,
    };
    pub use serde::Deserialize;
}

#[cfg(panic = "abort")]
compile_error!("plugins must be built with panic = \"unwind\": a panic in a plugin would end the host");
