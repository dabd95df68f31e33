//! The encoder of the two residual U-Nets.

use super::{encode, encoder_params, planning::Voxels, residual, residual::ResidualStack};
use plugin_api::{
    NetworkSpec, Params, Result, StageSpec, Tensor,
    nn::{BlockSpec, ConvStack},
};

/// A stem of one convolution, then residual blocks at each resolution. Names: `encoder.stem`, `encoder.stages.{s}`.
pub(super) struct ResidualEncoder {
    stem: ConvStack,
    stages: Vec<ResidualStack>,
}

/// The channels that a stage is given; the stem has those of the first stage.
fn input_of(stages: &[StageSpec], stage: usize) -> usize {
    stages.get(stage.saturating_sub(1)).map_or(0, |s| s.features)
}

impl ResidualEncoder {
    pub(super) fn new(spec: &NetworkSpec, p: &Params, b: &BlockSpec) -> Result<Self> {
        let (p, stages, finest) = (encoder_params(p), spec.stages()?, spec.stage(0)?);
        let stem = ConvStack::new(&p.at("stem"), 1, spec.input_channels, finest.features, &finest.kernel, &vec![1; spec.dims()], b)?;
        let stack =
            |s: &StageSpec| ResidualStack::new(&p.at("stages").at(s.index), s.convs, input_of(&stages, s.index), s.features, &s.kernel, &s.stride, b);
        Ok(Self { stem, stages: stages.iter().map(stack).collect::<Result<_>>()? })
    }

    /// The output of each stage, finest first.
    pub(super) fn forward(&self, x: &Tensor) -> Vec<Tensor> {
        encode(&self.stages, &self.stem.forward(x))
    }
}

/// The encoder's share of the planner's figure.
pub(super) fn planning_size(spec: &NetworkSpec, stages: &[StageSpec], voxels: &Voxels) -> u64 {
    let patch: u64 = spec.patch_size.iter().map(|&n| n as u64).product();
    let blocks = |s: &StageSpec| residual::planning_channels(s.convs, input_of(stages, s.index), s.features, &s.stride) as u64 * voxels.at(s.index);
    input_of(stages, 0) as u64 * patch + stages.iter().map(blocks).sum::<u64>()
}
