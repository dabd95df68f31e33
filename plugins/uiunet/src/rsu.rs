//! Residual U-block (Qin et al. 2020): a convolution, and a small U-Net on its output whose result is added.

use crate::levels::Level;
use plugin_api::{
    ConvSettings, Params, Resize, Result, Tensor,
    nn::{BlockSpec, ConvBlock},
};

/// The block. Names: `input`, `down.{l}`, `bottom`, `up.{l}`, l counting from 0 at the block's own resolution.
pub(crate) struct Rsu {
    input: ConvBlock,
    down: Vec<(Vec<usize>, ConvBlock)>,
    bottom: ConvBlock,
    /// Finest first.
    up: Vec<ConvBlock>,
}

/// Channels of a block: what comes in, what the inner U-Net works with, what goes out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channels {
    pub(crate) input: usize,
    pub(crate) inner: usize,
    pub(crate) output: usize,
}

impl Rsu {
    /// At least two levels, the last one being the bottom.
    pub(crate) fn new(p: &Params, c: Channels, levels: &[Level], block: &BlockSpec) -> Result<Self> {
        let unit = |p: &Params, input: usize, output: usize, level: &Level| {
            let padding = level.kernel.iter().zip(&level.dilation).map(|(k, d)| k / 2 * d).collect();
            let settings = ConvSettings { padding, dilation: level.dilation.clone(), ..ConvSettings::same(&level.kernel) };
            ConvBlock::with(p, input, output, &level.kernel, settings, block)
        };
        let (above, bottom) = (&levels[..levels.len() - 1], &levels[levels.len() - 1]);
        let outer = |l: usize| if l == 0 { c.output } else { c.inner };
        let each = || above.iter().enumerate();
        Ok(Self {
            input: unit(&p.at("input"), c.input, c.output, &levels[0])?,
            down: each().map(|(l, at)| Ok((at.pool.clone(), unit(&p.at("down").at(l), outer(l), c.inner, at)?))).collect::<Result<_>>()?,
            bottom: unit(&p.at("bottom"), c.inner, c.inner, bottom)?,
            up: each().map(|(l, at)| unit(&p.at("up").at(l), 2 * c.inner, outer(l), at)).collect::<Result<_>>()?,
        })
    }

    /// (B, I, spatial...) to (B, O, spatial...), for any size.
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let input = self.input.forward(x);
        let mut skips: Vec<Tensor> = vec![];
        for (by, conv) in &self.down {
            let above = skips.last().unwrap_or(&input);
            skips.push(conv.forward(&pool(above, by)));
        }
        let mut y = self.bottom.forward(skips.last().unwrap_or(&input));
        for (skip, conv) in skips.iter().zip(&self.up).rev() {
            y = conv.forward_owned(Tensor::concat(&[&like(&y, skip), skip], 1));
        }
        input + y
    }
}

/// Max-pooling that keeps what a window holds of the border; `by` an axis each.
pub(crate) fn pool(x: &Tensor, by: &[usize]) -> Tensor {
    if by.iter().all(|&n| n == 1) { x.clone() } else { x.max_pool(by, by, &vec![0; by.len()], true) }
}

/// At the other's resolution.
pub(crate) fn like(x: &Tensor, other: &Tensor) -> Tensor {
    let size = &other.shape()[2..];
    if x.shape()[2..] == *size { x.clone() } else { x.resize(size, Resize::Linear) }
}
