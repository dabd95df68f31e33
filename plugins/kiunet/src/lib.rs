//! KiU-Net: beside the U-Net, which goes down, a branch that goes up and keeps what is small.
//!
//! After Valanarasu et al. 2020 (arXiv 2006.04878) and 2022 (arXiv 2010.01663), on nnU-Net's plans: 2D and 3D, anisotropic
//! kernels and strides, plain and residual-encoder plans alike. Level l of the overcomplete branch is as much finer than
//! the input as stage l of the U-Net is coarser.
#![forbid(unsafe_code)]

mod network;
mod overcomplete;
mod refine;
mod unet;

#[cfg(test)]
mod tests;

use plugin_api::{Value, prelude::*};

plugin!("org.nnunet-host.kiunet");

/// How the U-Net gets from a stage to the next coarser one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum PoolType {
    /// Max-pooling in front of the stage, as in the paper.
    Max,
    /// The mean in front of the stage.
    Avg,
    /// The stride of the stage's first convolution, as nnU-Net has it.
    Conv,
}

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KiUNet {
    /// Levels of the overcomplete branch above the input. Each one multiplies its voxels by the stride of the U-Net's stage. Left out, the
    /// plan says how many (`overcomplete_levels` in its `arch_kwargs`, which the planner puts there), and else it is one.
    levels: Option<usize>,
    /// Channels of the first level; each further level has twice as many.
    overcomplete_features: usize,
    /// Channels of both branches are divided by this.
    features_divisor: usize,
    /// How the U-Net goes down.
    pool_type: PoolType,
    /// Convolutions of each stage of the U-Net; left out, the plan's (of a residual plan, one a block).
    n_blocks: Option<usize>,
}

impl Default for KiUNet {
    fn default() -> Self {
        Self { levels: None, overcomplete_features: 16, features_divisor: 1, pool_type: PoolType::Max, n_blocks: None }
    }
}

/// The plan's key for the number of levels.
const LEVELS: &str = "overcomplete_levels";
/// The paper's number of levels.
const MOST_LEVELS: usize = 3;

impl KiUNet {
    fn levels(&self, spec: &NetworkSpec, stages: usize) -> Result<usize> {
        let planned = spec.arch_kwargs.get(LEVELS).filter(|v| !v.is_null());
        let levels = match (self.levels, planned) {
            (Some(levels), _) => levels,
            (None, None) => 1,
            (None, Some(value)) => match value.as_u64() {
                Some(levels) => levels as usize,
                None => bail!("arch_kwargs.{LEVELS} of the plan is {value}; wanted a number of levels"),
            },
        };
        if levels == 0 || levels >= stages {
            bail!("levels is {levels}; the plan has {stages} stages, so 1 to {} levels are possible", stages.saturating_sub(1));
        }
        Ok(levels)
    }
}

impl Architecture for KiUNet {
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        let mut stages = spec.stages()?;
        let levels = self.levels(spec, stages.len())?;
        if self.overcomplete_features == 0 || self.features_divisor == 0 {
            bail!("overcomplete_features is {} and features_divisor {}; both must be 1 or more", self.overcomplete_features, self.features_divisor);
        }
        if self.n_blocks == Some(0) {
            bail!("n_blocks is 0; wanted 1 or more convolutions a stage");
        }
        for stage in &mut stages {
            stage.features = (stage.features / self.features_divisor).max(1);
            stage.convs = self.n_blocks.unwrap_or(stage.convs);
            stage.decoder_convs = self.n_blocks.unwrap_or(stage.decoder_convs);
        }
        let branch = Branch { levels, features: (self.overcomplete_features / self.features_divisor).max(1) };
        Ok(Box::new(network::KiUNet::new(self.pool_type, &branch, spec, &stages, p)?))
    }

    /// As many levels as fit, unless the settings say how many.
    fn planning_choices(&self, spec: &NetworkSpec) -> Result<Vec<Value>> {
        let most = MOST_LEVELS.min(spec.stages()?.len().saturating_sub(1));
        Ok(if self.levels.is_some() { vec![] } else { (1..=most).rev().map(|levels| json!({LEVELS: levels})).collect() })
    }
}

/// The overcomplete branch: how many levels, and the channels of the first.
struct Branch {
    levels: usize,
    features: usize,
}

register_architecture!("kiunet", KiUNet, "U-Net with an overcomplete branch for small structures (KiU-Net)");

register_config!("kiunet" => {
    description: "KiU-Net: a branch finer than the input beside a U-Net that pools",
    architecture: "kiunet",
});
register_config!("kiunet_conv" => {
    description: "KiU-Net whose U-Net goes down by strided convolutions",
    architecture: json!({"name": "kiunet", "pool_type": "conv"}),
});
register_config!("kiunet_minimal" => {
    description: "KiU-Net with half of the channels in both branches",
    architecture: json!({"name": "kiunet", "pool_type": "conv", "features_divisor": 2}),
});
register_config!("kiunet_large" => {
    description: "KiU-Net with twice the channels in its overcomplete branch",
    architecture: json!({"name": "kiunet", "pool_type": "conv", "overcomplete_features": 32}),
});
