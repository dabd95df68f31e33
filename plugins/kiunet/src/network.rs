//! The two branches together.

use crate::{
    Branch, PoolType,
    overcomplete::{Level, channels},
    refine::Refine,
    unet::{Down, Up},
};
use plugin_api::{nn::Conv, prelude::*};

/// U-Net, overcomplete branch, and what they exchange at each level of the latter.
pub(crate) struct KiUNet {
    down: Vec<Down>,
    /// The stage that comes out and how to get there, bottleneck first.
    up: Vec<(usize, Up)>,
    heads: Vec<Conv>,
    /// Level 1 first.
    levels: Vec<Level>,
    /// Of the encoders, level 1 first.
    refine_down: Vec<Refine>,
    /// Of the decoders, level 1 first; the bottleneck has none.
    refine_up: Vec<Refine>,
}

impl KiUNet {
    /// `stages` are the plan's with the channels that the settings ask for.
    pub(crate) fn new(how: PoolType, branch: &Branch, spec: &NetworkSpec, stages: &[StageSpec], p: &Params) -> Result<Self> {
        let (base, top) = (branch.features, branch.levels);
        let bottleneck = stages.len() - 1;
        let steps = || (0..bottleneck).rev().enumerate();
        let head = |(j, fine): (usize, usize)| {
            let input = stages[fine].features + if fine == 0 { channels(base, 0) } else { 0 };
            Conv::pointwise(&p.at("decoder.seg_layers").at(j), input, spec.num_classes, spec.dims(), true)
        };
        let refine = |branch: &str, levels: std::ops::RangeInclusive<usize>| {
            let p = p.at("refine").at(branch);
            levels.map(|l| Refine::new(spec, stages, l, channels(base, l), &p)).collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            down: stages.iter().map(|s| Down::new(spec, stages, s, how, p)).collect::<Result<_>>()?,
            up: steps().map(|(j, fine)| Ok((fine, Up::new(spec, &stages[fine + 1], &stages[fine], j, p)?))).collect::<Result<_>>()?,
            heads: steps().map(head).collect::<Result<_>>()?,
            levels: (1..=top).map(|l| Level::new(spec, stages, l, base, p)).collect::<Result<_>>()?,
            refine_down: refine("encoder", 1..=top)?,
            refine_up: refine("decoder", 1..=top.min(bottleneck - 1))?,
        })
    }

    /// Outputs of the U-Net's stages, finest first, and of the levels, the input's resolution (the image) first.
    fn encode(&self, x: &Tensor) -> (Vec<Tensor>, Vec<Tensor>) {
        let (mut stages, mut levels): (Vec<Tensor>, Vec<Tensor>) = (vec![], vec![x.clone()]);
        for (s, down) in self.down.iter().enumerate() {
            let mut u = down.forward(stages.last().unwrap_or(x));
            if let Some(l) = s.checked_sub(1).filter(|&l| l < self.levels.len()) {
                let ki = self.levels[l].rise(&levels[l]);
                let (refined, ki) = self.refine_down[l].forward(&u, &ki);
                u = refined;
                levels.push(ki);
            }
            stages.push(u);
        }
        (stages, levels)
    }
}

impl Network for KiUNet {
    /// Logits of the fused branches first, then of the U-Net's coarser stages.
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let (mut stages, mut levels) = self.encode(x);
        let (Some(mut u), Some(mut ki)) = (stages.pop(), levels.pop()) else { bail!("the encoder gave no output") };
        let mut level = self.levels.len();
        let mut logits = vec![];
        for ((fine, up), head) in self.up.iter().zip(&self.heads) {
            u = up.forward(&u, &stages[*fine]);
            if level > *fine {
                ki = self.levels[level - 1].fall(&ki);
                level -= 1;
                if level > 0 {
                    ki = ki + &levels[level];
                }
            }
            if level == *fine && level > 0 {
                (u, ki) = self.refine_up[level - 1].forward(&u, &ki);
            }
            logits.push(if *fine == 0 { head.forward(&Tensor::concat(&[&u, &ki], 1)) } else { head.forward(&u) });
        }
        logits.reverse();
        Ok(logits)
    }
}
