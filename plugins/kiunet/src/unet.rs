//! The branch that goes down: nnU-Net's U-Net, one stage at a time.

use crate::PoolType;
use plugin_api::{
    NetworkSpec, Params, Result, StageSpec, Tensor,
    nn::{ConvStack, ConvTranspose},
};

/// One stage of the encoder.
pub(crate) struct Down {
    /// Strides in front of the convolutions, where it is not theirs.
    pool: Option<(PoolType, Vec<usize>)>,
    convs: ConvStack,
}

impl Down {
    /// Names: `encoder.stages.{s}.0.convs`.
    pub(crate) fn new(spec: &NetworkSpec, stages: &[StageSpec], s: &StageSpec, how: PoolType, p: &Params) -> Result<Self> {
        let input = stages[..s.index].last().map_or(spec.input_channels, |finer| finer.features);
        let ones = vec![1; spec.dims()];
        let pooled = how != PoolType::Conv && s.stride != ones;
        let stride = if pooled { &ones } else { &s.stride };
        let place = p.at("encoder.stages").at(s.index).at(0);
        Ok(Self {
            pool: pooled.then(|| (how, s.stride.clone())),
            convs: ConvStack::new(&place, s.convs, input, s.features, &s.kernel, stride, &spec.block()?)?,
        })
    }

    /// (B, I, spatial...) to (B, O, spatial / stride...).
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let Some((how, stride)) = &self.pool else { return self.convs.forward(x) };
        let none = vec![0; stride.len()];
        self.convs.forward(&match how {
            PoolType::Avg => x.avg_pool(stride, stride, &none, false, true),
            _ => x.max_pool(stride, stride, &none, false),
        })
    }
}

/// One stage of the decoder.
pub(crate) struct Up {
    up: ConvTranspose,
    convs: ConvStack,
}

impl Up {
    /// Names: `decoder.stages.{j}`, `decoder.transpconvs.{j}`, j counting from the bottleneck.
    pub(crate) fn new(spec: &NetworkSpec, coarse: &StageSpec, fine: &StageSpec, j: usize, p: &Params) -> Result<Self> {
        let (p, block) = (p.at("decoder"), spec.block()?);
        let (place, ones) = (p.at("stages").at(j), vec![1; spec.dims()]);
        Ok(Self {
            up: ConvTranspose::new(&p.at("transpconvs").at(j), coarse.features, fine.features, &coarse.stride, block.conv_bias)?,
            convs: ConvStack::new(&place, fine.decoder_convs, 2 * fine.features, fine.features, &fine.kernel, &ones, &block)?,
        })
    }

    /// The coarser stage's output and the encoder's at this resolution.
    pub(crate) fn forward(&self, x: &Tensor, skip: &Tensor) -> Tensor {
        self.convs.forward_owned(Tensor::concat(&[&self.up.forward(x), skip], 1))
    }
}
