//! The decoder that the three U-Nets share.

use super::{Stage, planning::Voxels};
use plugin_api::{
    NetworkSpec, Params, Result, StageSpec, Tensor, bail,
    nn::{Conv, ConvTranspose},
};

/// One way up: twice the channels come in (up-sampled, skip), the skip's channels go out.
struct Step<S> {
    up: ConvTranspose,
    stage: S,
    head: Conv,
}

/// From the bottleneck to the finest stage, with a head on each.
pub(super) struct Decoder<S> {
    steps: Vec<Step<S>>,
}

impl<S: Stage> Decoder<S> {
    /// Names: `decoder.stages.{j}`, `decoder.transpconvs.{j}`, `decoder.seg_layers.{j}`, j counting from the bottleneck.
    ///
    /// `stage` makes the layers at a resolution of the plan, from twice its channels to its channels.
    pub(super) fn new(spec: &NetworkSpec, p: &Params, stage: impl Fn(&Params, &StageSpec) -> Result<S>) -> Result<Self> {
        let stages = spec.stages()?;
        if stages.len() < 2 {
            bail!("a U-Net needs 2 stages or more; arch_kwargs.n_stages of the plan is {}", stages.len());
        }
        let (p, bias) = (p.at("decoder"), spec.block()?.conv_bias);
        let pairs = || stages.windows(2).rev().enumerate(); // (finer, coarser), bottleneck first
        let layers = pairs().map(|(j, w)| stage(&p.at("stages").at(j), &w[0])).collect::<Result<Vec<_>>>()?;
        let ups = pairs()
            .map(|(j, w)| ConvTranspose::new(&p.at("transpconvs").at(j), w[1].features, w[0].features, &w[1].stride, bias))
            .collect::<Result<Vec<_>>>()?;
        let heads = pairs()
            .map(|(j, w)| Conv::pointwise(&p.at("seg_layers").at(j), w[0].features, spec.num_classes, spec.dims(), true))
            .collect::<Result<Vec<_>>>()?;
        let steps = layers.into_iter().zip(ups).zip(heads).map(|((stage, up), head)| Step { up, stage, head }).collect();
        Ok(Self { steps })
    }

    /// The encoder's outputs, finest first, to the logits of each head, finest first.
    pub(super) fn forward(&self, mut encoded: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let Some(mut x) = encoded.pop() else { bail!("the encoder gave no output") };
        let mut logits = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let Some(skip) = encoded.pop() else { bail!("the encoder gave fewer outputs than there are steps up") };
            x = step.up.forward(&x);
            let joined = Tensor::concat(&[&x, &skip], 1);
            // what the stage does not need gives its memory back before it runs
            drop((x, skip));
            x = step.stage.forward(joined);
            logits.push(step.head.forward(&x));
        }
        logits.reverse();
        Ok(logits)
    }
}

/// The decoder's share of the planner's figure, `layers` being the channels of all convolution outputs of a stage.
///
/// Heads below the finest one count only with deep supervision, which is off while nnU-Net plans.
pub(super) fn planning_size(spec: &NetworkSpec, stages: &[StageSpec], voxels: &Voxels, layers: impl Fn(&StageSpec) -> usize) -> u64 {
    stages[..stages.len().saturating_sub(1)]
        .iter()
        .map(|s| {
            let head = if s.index == 0 || spec.deep_supervision { spec.num_classes } else { 0 };
            (layers(s) + s.features + head) as u64 * voxels.at(s.index)
        })
        .sum()
}
