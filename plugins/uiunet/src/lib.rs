//! UIU-Net: a U-Net whose every stage is a small U-Net, with attention between what comes from below and the skip.
//!
//! After Wu et al. 2023 (arXiv 2212.00968), whose stages are the residual U-blocks of Qin et al. 2020 (arXiv 2005.09007), on nnU-Net's
//! plans: 2D and 3D, anisotropic kernels and strides, plain and residual-encoder plans alike.
#![forbid(unsafe_code)]

mod attention;
mod levels;
mod network;
mod rsu;

#[cfg(test)]
mod tests;

use plugin_api::prelude::*;

plugin!("org.nnunet-host.uiunet");

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UiuNet {
    /// Levels of the U-Net inside each stage, finest stage first; the last one stands for all further stages. A patch that is too small for
    /// them caps them.
    heights: Vec<usize>,
    /// Channels are those of the plan divided by this.
    features_divisor: usize,
}

impl Default for UiuNet {
    fn default() -> Self {
        Self { heights: vec![7, 6, 5, 4], features_divisor: 1 }
    }
}

impl UiuNet {
    /// The height of a stage's U-Net, as far as the patch allows it.
    fn height(&self, stage: usize) -> usize {
        self.heights.get(stage).or(self.heights.last()).copied().unwrap_or(2)
    }
}

impl Architecture for UiuNet {
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        let mut stages = spec.stages()?;
        if stages.len() < 2 {
            bail!("the plan has {} stage; at least 2 are needed", stages.len());
        }
        if self.features_divisor == 0 || self.heights.is_empty() || self.heights.iter().any(|&h| h < 2) {
            bail!("features_divisor is {} and heights {:?}; wanted 1 or more, and heights of 2 or more", self.features_divisor, self.heights);
        }
        for stage in &mut stages {
            stage.features = (stage.features / self.features_divisor).max(2);
        }
        Ok(Box::new(network::UiuNet::new(&|stage| self.height(stage), spec, &stages, p)?))
    }
}

register_architecture!("uiunet", UiuNet, "U-Net whose stages are U-Nets, with attention at the skips (UIU-Net)");

register_config!("uiunet" => {
    description: "UIU-Net: stages of 7, 6, 5, 4, ... levels",
    architecture: "uiunet",
});
register_config!("uiunet_minimal" => {
    description: "UIU-Net with half of the channels and stages of 5, 4, 3, ... levels",
    architecture: json!({"name": "uiunet", "features_divisor": 2, "heights": [5, 4, 3]}),
});
