//! The additive attention gate.

use plugin_api::{ConvSettings, Params, Resize, Result, StageSpec, Tensor, nn::Conv};

/// Looks at a skip and at the stage below it, and keeps what matters of the skip.
pub(crate) struct Gate {
    skip: Conv,
    signal: Conv,
    psi: Conv,
}

impl Gate {
    /// Between stage `fine`, whose skip is gated, and `coarse`, the next one, with `inner` channels inside.
    pub(crate) fn new(p: &Params, fine: &StageSpec, coarse: &StageSpec, inner: usize) -> Result<Self> {
        let dims = fine.kernel.len();
        // onto the coarse grid: kernel and stride are the step between the stages
        let step = ConvSettings { stride: coarse.stride.clone(), padding: vec![0; dims], dilation: vec![1; dims], groups: 1 };
        Ok(Self {
            skip: Conv::new(&p.at("skip"), fine.features, inner, &coarse.stride, step, false)?,
            signal: Conv::pointwise(&p.at("signal"), coarse.features, inner, dims, true)?,
            psi: Conv::pointwise(&p.at("psi"), inner, 1, dims, true)?,
        })
    }

    /// `skip` (B, F, spatial...) and `signal` (B, G, spatial / stride...); the skip comes back, each voxel times something in (0, 1).
    pub(crate) fn forward(&self, skip: &Tensor, signal: &Tensor) -> Tensor {
        let both = (self.skip.forward(skip) + self.signal.forward(signal)).relu();
        let weight = self.psi.forward(&both).sigmoid(); // (B, 1, spatial / stride...)
        skip * weight.resize(&skip.shape()[2..], Resize::Linear)
    }
}
