//! The outer U-Net.

use crate::{
    attention::Attention,
    levels::{Level, dilated, pooling},
    rsu::{Channels, Rsu, like, pool},
};
use plugin_api::{nn::Conv, prelude::*};

/// An encoder and a decoder of U-Nets, a head on each of the decoder's and on the bottleneck, and one on all heads.
pub(crate) struct UiuNet {
    down: Vec<(Vec<usize>, Rsu)>,
    /// Bottleneck first.
    up: Vec<Up>,
    deepest: Conv,
    fusion: Conv,
}

/// One stage of the decoder. The finest one has no attention, as in the paper.
struct Up {
    attention: Option<Attention>,
    stage: Rsu,
    head: Conv,
}

impl UiuNet {
    /// `stages` are the plan's with the channels that the settings ask for, two at least; `height` is asked by stage.
    ///
    /// What comes up to a stage has the stage's channels, as the attention there wants it: the bottleneck and each stage of the decoder give as
    /// many as the next finer stage has.
    pub(crate) fn new(height: &dyn Fn(usize) -> usize, spec: &NetworkSpec, stages: &[StageSpec], p: &Params) -> Result<Self> {
        let (block, bottleneck, classes) = (spec.block()?, stages.len() - 1, spec.num_classes);
        let above = |s: usize| stages[s.saturating_sub(1)].features;
        let levels = |s: usize| -> Vec<Level> {
            // the two coarsest stages have no room to pool; the finest always has
            let how = if s > 0 && s + 1 >= bottleneck { dilated } else { pooling };
            how(stages, &spec.patch_size, s, height(s))
        };
        let inner = |s: usize| (stages[s].features / 2).max(1);
        let (encoder, decoder, heads) = (p.at("encoder.stages"), p.at("decoder"), p.at("decoder.seg_layers"));
        let head = |p: &Params, input: usize, s: usize| Conv::same(p, input, classes, &stages[s].kernel, &vec![1; spec.dims()], true);
        let down = |s: &StageSpec| {
            let i = s.index;
            let c = Channels {
                input: if i == 0 { spec.input_channels } else { above(i) },
                inner: inner(i),
                output: if i == bottleneck { above(i) } else { s.features },
            };
            Ok((s.stride.clone(), Rsu::new(&encoder.at(i), c, &levels(i), &block)?))
        };
        let up = |(j, i): (usize, usize)| {
            let c = Channels { input: 2 * stages[i].features, inner: inner(i), output: above(i) };
            let attention = (i > 0).then(|| Attention::new(spec, &stages[i], &decoder.at("attention").at(j))).transpose()?;
            Ok(Up { attention, stage: Rsu::new(&decoder.at("stages").at(j), c, &levels(i), &block)?, head: head(&heads.at(j), c.output, i)? })
        };
        Ok(Self {
            down: stages.iter().map(down).collect::<Result<_>>()?,
            up: (0..bottleneck).rev().enumerate().map(up).collect::<Result<_>>()?,
            deepest: head(&heads.at("bottleneck"), above(bottleneck), bottleneck)?,
            fusion: Conv::pointwise(&heads.at("fusion"), stages.len() * classes, classes, spec.dims(), true)?,
        })
    }
}

impl Network for UiuNet {
    /// Logits of the fused heads first, then of the decoder's stages below the finest.
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let mut skips: Vec<Tensor> = vec![];
        for (by, stage) in &self.down {
            skips.push(stage.forward(&pool(skips.last().unwrap_or(x), by)));
        }
        let Some(mut y) = skips.pop() else { bail!("the encoder gave no output") };
        let mut heads = vec![self.deepest.forward(&y)];
        for (up, skip) in self.up.iter().zip(skips.iter().rev()) {
            let deep = like(&y, skip);
            let both = match &up.attention {
                Some(attention) => attention.forward(&deep, skip),
                None => Tensor::concat(&[&deep, skip], 1),
            };
            y = up.stage.forward(&both);
            heads.push(up.head.forward(&y));
        }
        heads.reverse();
        let whole: Vec<Tensor> = heads.iter().map(|head| like(head, x)).collect();
        let fused = self.fusion.forward(&Tensor::concat(&whole.iter().collect::<Vec<_>>(), 1));
        heads[0] = fused; // the finest stage's own head is supervised through it, and so is the bottleneck's
        heads.pop();
        Ok(heads)
    }
}
