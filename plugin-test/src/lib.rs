//! What a plugin's own tests need: a host in plain Rust that computes in f64, one value after the other. It is slow and exact, so a test asks
//! small questions of it; `host validate-plugin` asks the large ones of the built plugin.
//!
//! A component is found by the name that it is registered under, in the crate whose test this is:
//!
//! ```
//! use plugin_api::prelude::*;
//! use plugin_test::{TestLoss, Values, labels};
//!
//! #[derive(Deserialize)]
//! struct CrossEntropy {}
//!
//! impl Loss for CrossEntropy {
//!     fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
//!         Ok(-logits.log_softmax(1).gather(1, target.labels()).mean_where(target.valid()))
//!     }
//! }
//!
//! register_loss!("my_ce", CrossEntropy);
//!
//! # fn main() -> Result<()> {
//! let loss = TestLoss::new("my_ce", json!({}), &labels(2))?;
//! // one image of two voxels, two classes: (B, C, W)
//! let logits = Values::new(&[1, 2, 2], vec![0.0, 0.0, 0.0, 0.0]);
//! assert!((loss.value(&logits, &[vec![0, 1]])? - 2f64.ln()).abs() < 1e-12);
//! # Ok(()) }
//! ```
//!
//! - [`TestLoss`]: value and gradient of a loss for logits and labels that you write down.
//! - [`TestNetwork`]: heads, names and shapes of a network; on values, or on shapes alone where a plan is large.
//! - [`backward_error`]: the backward of a custom op against finite differences.
//! - [`config`]: a trainer config, read as the host reads it.
//! - [`plan`]: the plan of a small U-Net, as the planner writes it.

mod bench;
mod config;
mod custom;
mod loss;
mod network;
mod ops;
mod plan;
mod values;

pub use bench::{Bench, Parameter};
pub use config::config;
pub use custom::backward_error;
pub use loss::{TestHead, TestLoss, labels, regions};
pub use network::TestNetwork;
pub use plan::plan;
pub use values::Values;
