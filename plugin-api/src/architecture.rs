//! Networks.

use crate::{NetworkSpec, Params, Result, Tensor};

/// Builds networks from plans. Its fields are its settings: derive `Deserialize` and `Default`.
pub trait Architecture: Send + Sync + 'static {
    /// Creates the network's parameters. Heads are built whatever `spec.deep_supervision` says.
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>>;

    /// The figure by which nnU-Net's planner compares memory: elements of all convolution outputs of one sample.
    ///
    /// Leave it out and the host adds up the convolutions of a trace of `forward`.
    fn planning_size(&self, spec: &NetworkSpec) -> Result<Option<u64>> {
        let _ = spec;
        Ok(None)
    }
}

/// A network with its parameters.
pub trait Network: Send + Sync + 'static {
    /// (B, C_in, D, H, W) or (B, C_in, H, W) in; the logits of each head out, finest first.
    ///
    /// The same code runs on values and on shapes alone.
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>>;
}
