//! Networks.

use crate::{NetworkSpec, Params, Result, Tensor};
use serde_json::Value;

/// Builds networks from plans. Its fields are its settings: derive `Deserialize` and `Default`.
pub trait Architecture: Send + Sync + 'static {
    /// Creates the network's parameters. Heads are built whatever `spec.deep_supervision` says.
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>>;

    /// The figure by which nnU-Net's planner compares memory: elements of all convolution outputs of one sample.
    ///
    /// Leave it out and the host takes a seventh of the bytes that a trace of `forward` and its backward needs, so that a batch that is planned
    /// for 8 GiB takes at most 7.3, and parameters and optimizer have the rest.
    fn planning_size(&self, spec: &NetworkSpec) -> Result<Option<u64>> {
        let _ = spec;
        Ok(None)
    }

    /// What the planner may choose for this network besides the patch: objects of further `arch_kwargs`, best first.
    ///
    /// The planner looks for a patch as if none were there, then puts the first one into the plan whose network still fits. A network that
    /// offers choices must do without them in a plan that was made for another one.
    fn planning_choices(&self, spec: &NetworkSpec) -> Result<Vec<Value>> {
        let _ = spec;
        Ok(vec![])
    }
}

/// A network with its parameters.
pub trait Network: Send + Sync + 'static {
    /// (B, C_in, D, H, W) or (B, C_in, H, W) in; the logits of each head out, finest first.
    ///
    /// The same code runs on values and on shapes alone.
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>>;
}
