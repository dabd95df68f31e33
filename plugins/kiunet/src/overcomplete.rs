//! The branch that goes up: each level is finer than the one below it by the stride of the U-Net's stage of that number.
//!
//! Level 0 has the input's resolution. The channels grow with the resolution (16, 32, 64 in the paper, fewer here:
//! in 3D one map of level 1 has 8 times the voxels of the patch).

use plugin_api::{NetworkSpec, Params, Resize, Result, StageSpec, Tensor, nn::ConvBlock};

/// From one level to the next and back.
pub(crate) struct Level {
    rise: ConvBlock,
    fall: ConvBlock,
    /// How much finer this level is than the one below, an axis each.
    factor: Vec<usize>,
}

/// Channels of a level: `base` for 0 and 1, then doubling.
pub(crate) fn channels(base: usize, level: usize) -> usize {
    base << level.saturating_sub(1).min(16)
}

impl Level {
    /// Names: `overcomplete.encoder.{l}`, `overcomplete.decoder.{l}`.
    ///
    /// The kernel is that of the finest stage: finer levels are at least as anisotropic as the image.
    pub(crate) fn new(spec: &NetworkSpec, stages: &[StageSpec], level: usize, base: usize, p: &Params) -> Result<Self> {
        let (p, block, ones) = (p.at("overcomplete"), spec.block()?, vec![1; spec.dims()]);
        let kernel = &stages[0].kernel;
        let input = if level == 1 { spec.input_channels } else { channels(base, level - 1) };
        let (here, below) = (channels(base, level), channels(base, level - 1));
        Ok(Self {
            rise: ConvBlock::new(&p.at("encoder").at(level), input, here, kernel, &ones, &block)?,
            fall: ConvBlock::new(&p.at("decoder").at(level), here, below, kernel, &ones, &block)?,
            factor: stages[level].stride.clone(),
        })
    }

    /// Convolves below, then up-samples, as the paper does.
    pub(crate) fn rise(&self, below: &Tensor) -> Tensor {
        let size: Vec<usize> = below.shape()[2..].iter().zip(&self.factor).map(|(n, f)| n * f).collect();
        self.rise.forward(below).resize(&size, Resize::Linear)
    }

    /// Convolves here, then pools, which exactly undoes the up-sampling.
    pub(crate) fn fall(&self, here: &Tensor) -> Tensor {
        self.fall.forward(here).max_pool(&self.factor, &self.factor, &vec![0; self.factor.len()], false)
    }
}
