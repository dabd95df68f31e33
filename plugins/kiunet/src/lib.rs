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

use plugin_api::prelude::*;

plugin!("org.nnunet-host.kiunet");

/// How the U-Net gets from a stage to the next coarser one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum DownSampling {
    /// Max-pooling in front of the stage, as in the paper.
    Pool,
    /// The stride of the stage's first convolution, as nnU-Net has it.
    Conv,
}

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KiUNet {
    /// Levels of the overcomplete branch above the input. Each one multiplies its voxels by the stride of the U-Net's stage.
    levels: usize,
    /// Channels of the first level; each further level has twice as many.
    overcomplete_features: usize,
    /// The U-Net's channels are those of the plan divided by this.
    features_divisor: usize,
    /// How the U-Net goes down.
    down_sampling: DownSampling,
}

impl Default for KiUNet {
    fn default() -> Self {
        Self { levels: 1, overcomplete_features: 8, features_divisor: 1, down_sampling: DownSampling::Pool }
    }
}

impl Architecture for KiUNet {
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        let mut stages = spec.stages()?;
        if self.levels == 0 || self.levels >= stages.len() {
            bail!("levels is {}; the plan has {} stages, so 1 to {} levels are possible", self.levels, stages.len(), stages.len().saturating_sub(1));
        }
        if self.overcomplete_features == 0 || self.features_divisor == 0 {
            bail!("overcomplete_features is {} and features_divisor {}; both must be 1 or more", self.overcomplete_features, self.features_divisor);
        }
        for stage in &mut stages {
            stage.features = (stage.features / self.features_divisor).max(1);
        }
        Ok(Box::new(network::KiUNet::new(self, spec, &stages, p)?))
    }
}

register_architecture!("kiunet", KiUNet, "U-Net with an overcomplete branch for small structures (KiU-Net)");

register_config!("kiunet" => {
    description: "KiU-Net: a branch finer than the input beside a U-Net that pools",
    architecture: "kiunet",
});
register_config!("kiunet_conv" => {
    description: "KiU-Net whose U-Net goes down by strided convolutions",
    architecture: json!({"name": "kiunet", "down_sampling": "conv"}),
});
register_config!("kiunet_minimal" => {
    description: "KiU-Net with half the plan's channels in its U-Net",
    architecture: json!({"name": "kiunet", "down_sampling": "conv", "features_divisor": 2}),
});
register_config!("kiunet_large" => {
    description: "KiU-Net with twice the channels in its overcomplete branch",
    architecture: json!({"name": "kiunet", "down_sampling": "conv", "overcomplete_features": 16}),
});
