//! MedNeXt (Roy et al. 2023) on nnU-Net's plans.

mod block;

use block::{Block, Change, Shape};
use plugin_api::{nn::Conv, prelude::*};

plugin!("org.example.mednext");

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MedNeXt {
    /// Edge of the depthwise kernels, odd.
    kernel: usize,
    /// The inner layer of a block has as many times the channels.
    expansion: usize,
    /// Blocks of each stage.
    blocks: usize,
}

impl Default for MedNeXt {
    fn default() -> Self {
        Self { kernel: 3, expansion: 2, blocks: 2 }
    }
}

impl MedNeXt {
    fn check(&self) -> Result<()> {
        if self.kernel % 2 == 0 || self.expansion == 0 || self.blocks == 0 {
            bail!(
                "kernel is {}, expansion {}, blocks {}; wanted an odd kernel and 1 or more of the others",
                self.kernel,
                self.expansion,
                self.blocks
            );
        }
        Ok(())
    }

    /// Along an axis where the plan has no neighbours to look at, neither has the block.
    fn kernel(&self, stage: &StageSpec) -> Vec<usize> {
        stage.kernel.iter().map(|&k| if k == 1 { 1 } else { self.kernel }).collect()
    }
}

/// Blocks of one stage, the one that changes the resolution first.
struct Stage(Vec<Block>);

impl Stage {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.0.iter().fold(x.clone(), |x, block| block.forward(&x))
    }
}

struct Built {
    stem: Conv,
    down: Vec<Stage>,
    /// Coarsest first: the way up, the stage, its head.
    up: Vec<(Block, Stage, Conv)>,
}

impl Architecture for MedNeXt {
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        self.check()?;
        let (stages, dims) = (spec.stages()?, spec.dims());
        let same = |p: &Params, s: &StageSpec, shape: &Shape<'_>| {
            (0..self.blocks).map(|b| Block::new(&p.at("blocks").at(b), s.features, s.features, shape, Change::None)).collect::<Result<Vec<_>>>()
        };
        let encoder = |s: &StageSpec| {
            let (kernel, p) = (self.kernel(s), p.at("encoder.stages").at(s.index));
            let shape = Shape { kernel: &kernel, expansion: self.expansion };
            let finer = s.index.checked_sub(1).map(|i| stages[i].features);
            let down = finer.map(|f| Block::new(&p.at("down"), f, s.features, &shape, Change::Down(s.stride.clone()))).transpose()?;
            Ok(Stage(down.into_iter().chain(same(&p, s, &shape)?).collect()))
        };
        let decoder = |(j, pair): (usize, &[StageSpec])| {
            let (fine, coarse, p) = (&pair[0], &pair[1], p.at("decoder"));
            let kernel = self.kernel(fine);
            let shape = Shape { kernel: &kernel, expansion: self.expansion };
            Ok((
                Block::new(&p.at("up").at(j), coarse.features, fine.features, &shape, Change::Up(coarse.stride.clone()))?,
                Stage(same(&p.at("stages").at(j), fine, &shape)?),
                Conv::pointwise(&p.at("seg_layers").at(j), fine.features, spec.num_classes, dims, true)?,
            ))
        };
        Ok(Box::new(Built {
            stem: Conv::pointwise(&p.at("encoder.stem"), spec.input_channels, stages[0].features, dims, true)?,
            down: stages.iter().map(encoder).collect::<Result<_>>()?,
            up: stages.windows(2).rev().enumerate().map(decoder).collect::<Result<_>>()?,
        }))
    }
}

impl Network for Built {
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let mut skips: Vec<Tensor> = vec![];
        let stem = self.stem.forward(x);
        for stage in &self.down {
            skips.push(stage.forward(skips.last().unwrap_or(&stem)));
        }
        let Some(mut y) = skips.pop() else { bail!("the plan has no stage") };
        let mut heads = vec![];
        for ((up, stage, head), skip) in self.up.iter().zip(skips.iter().rev()) {
            y = stage.forward(&(up.forward(&y) + skip));
            heads.push(head.forward(&y));
        }
        heads.reverse(); // finest first
        Ok(heads)
    }
}

register_architecture!("mednext", MedNeXt, "U-Net of depthwise blocks with large kernels");
register_config!("mednext" => {
    description: "MedNeXt (Roy et al. 2023), the small one",
    architecture: "mednext",
    optimizer: "adamw",
    initial_lr: 1e-3,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_of_1_stays_and_wrong_settings_are_refused() {
        let stage = StageSpec { index: 0, features: 4, kernel: vec![1, 3, 3], stride: vec![1; 3], convs: 1, decoder_convs: 1 };
        assert_eq!(MedNeXt { kernel: 5, ..MedNeXt::default() }.kernel(&stage), [1, 5, 5]);
        assert!(MedNeXt::default().check().is_ok());
        for wrong in [MedNeXt { kernel: 4, ..MedNeXt::default() }, MedNeXt { blocks: 0, ..MedNeXt::default() }] {
            assert!(wrong.check().unwrap_err().message().contains("odd kernel"));
        }
    }
}
