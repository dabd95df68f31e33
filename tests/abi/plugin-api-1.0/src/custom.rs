//! An operation of the plugin's own, on CPU buffers, with its own backward.

use crate::Result;

/// A dense array to read, last axis fastest.
pub struct Array<'a> {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// The values.
    pub data: &'a [f32],
}

/// A dense array to fill, last axis fastest.
pub struct ArrayMut<'a> {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// The values.
    pub data: &'a mut [f32],
}

/// An operation that the op table lacks. The host copies the inputs to the CPU, calls it, and copies the result back.
pub trait CustomOp: Send + Sync + 'static {
    /// Shown in the graph and in errors.
    fn name(&self) -> &str;

    /// The result's shape; called without values when the network is traced.
    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>>;

    /// Fills `out`, which holds zeros.
    fn forward(&self, inputs: &[Array<'_>], out: ArrayMut<'_>) -> Result<()>;

    /// Adds to each input's gradient, which holds zeros; not differentiable unless overridden.
    fn backward(&self, inputs: &[Array<'_>], out: Array<'_>, out_grad: Array<'_>, grads: &mut [ArrayMut<'_>]) -> Result<()> {
        let _ = (inputs, out, out_grad, grads);
        Ok(())
    }
}
