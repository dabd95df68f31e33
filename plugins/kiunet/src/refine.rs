//! Cross residual feature block: each branch adds what the other one sees.

use plugin_api::{NetworkSpec, Params, Resize, Result, StageSpec, Tensor, nn::ConvBlock};

/// Convolution, normalisation and activation on what is handed over, then a sum.
///
/// Both convolutions run at the U-Net's resolution: there the overcomplete features are averaged first (nothing is skipped,
/// as a linear resize by 4 or 16 would), and convolving the U-Net's many channels at the fine resolution would not fit a GPU.
pub(crate) struct Refine {
    to_u: ConvBlock,
    to_ki: ConvBlock,
    /// How much finer the overcomplete level is than the U-Net's stage, an axis each.
    ratio: Vec<usize>,
}

impl Refine {
    /// Between stage `level` and level `level`, with `fine` channels in the latter. Names: `{p}.{level}.to_u`, `{p}.{level}.to_ki`.
    pub(crate) fn new(spec: &NetworkSpec, stages: &[StageSpec], level: usize, fine: usize, p: &Params) -> Result<Self> {
        let (p, block, ones) = (p.at(level), spec.block()?, vec![1; spec.dims()]);
        let stage = &stages[level];
        let ratio = |axis: usize| stages[..=level].iter().map(|s| s.stride[axis] * s.stride[axis]).product();
        Ok(Self {
            to_u: ConvBlock::new(&p.at("to_u"), fine, stage.features, &stage.kernel, &ones, &block)?,
            to_ki: ConvBlock::new(&p.at("to_ki"), stage.features, fine, &stage.kernel, &ones, &block)?,
            ratio: (0..spec.dims()).map(ratio).collect(),
        })
    }

    /// Both branches' features in, both out in the same shapes.
    pub(crate) fn forward(&self, u: &Tensor, ki: &Tensor) -> (Tensor, Tensor) {
        let coarse = ki.avg_pool(&self.ratio, &self.ratio, &vec![0; self.ratio.len()], false, true);
        let fine = self.to_ki.forward(u).resize(&ki.shape()[2..], Resize::Linear);
        (u + self.to_u.forward(&coarse), ki + fine)
    }
}
