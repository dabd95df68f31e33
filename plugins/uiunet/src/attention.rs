//! Interactive-cross attention (Wu et al. 2023, section III-C): the deep features say which channels of the skip count, the skip says where
//! in the deep features.

use plugin_api::{
    NetworkSpec, Params, Result, StageSpec, Tensor,
    nn::{Conv, ConvBlock},
};

/// Channels are reduced by this inside the gates.
const REDUCTION: usize = 4;

/// Between two inputs of as many channels as the stage has.
pub(crate) struct Attention {
    squeeze: Conv,
    excite: Conv,
    reduce: ConvBlock,
    place: Conv,
    /// Behind either gate, the same for both.
    post: ConvBlock,
    slope: f64,
}

impl Attention {
    /// Names: `channel.0`, `channel.1`, `space.0`, `space.1`, `post`.
    ///
    /// The channel gate has no norm: one value a channel is left there, which an instance norm would make 0.
    pub(crate) fn new(spec: &NetworkSpec, stage: &StageSpec, p: &Params) -> Result<Self> {
        let (block, dims, ones) = (spec.block()?, spec.dims(), vec![1; spec.dims()]);
        let (wide, narrow) = (stage.features, (stage.features / REDUCTION).max(1));
        let (channel, space) = (p.at("channel"), p.at("space"));
        Ok(Self {
            squeeze: Conv::pointwise(&channel.at(0), wide, narrow, dims, true)?,
            excite: Conv::pointwise(&channel.at(1), narrow, wide, dims, true)?,
            reduce: ConvBlock::new(&space.at(0), wide, narrow, &ones, &ones, &block)?,
            place: Conv::same(&space.at(1), 2, 1, &stage.kernel, &ones, false)?,
            post: ConvBlock::new(&p.at("post"), wide, wide, &stage.kernel, &ones, &block)?,
            slope: block.slope,
        })
    }

    /// `deep` and `skip` are (B, C, spatial...); (B, 2C, spatial...) comes back. A gate that is half open changes nothing.
    pub(crate) fn forward(&self, deep: &Tensor, skip: &Tensor) -> Tensor {
        let spatial: Vec<usize> = (2..deep.shape().len()).collect();
        let squeezed = self.squeeze.forward(&deep.mean_axes(&spatial, true)).leaky_relu(self.slope);
        let channels = self.excite.forward(&squeezed).sigmoid(); // (B, C, 1...)
        let reduced = self.reduce.forward(skip);
        let seen = Tensor::concat(&[&reduced.mean_axes(&[1], true), &reduced.max_axes(&[1], true)], 1);
        let places = self.place.forward(&seen).sigmoid(); // (B, 1, spatial...)
        let (skip, deep) = (skip * (channels * 2.0), deep * (places * 2.0));
        Tensor::concat(&[&self.post.forward(&deep), &self.post.forward(&skip)], 1)
    }
}
