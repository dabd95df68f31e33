//! Attention U-Net (Oktay et al. 2018) on nnU-Net's plans.

mod gate;

use gate::Gate;
use plugin_api::{
    nn::{Conv, ConvStack, ConvTranspose},
    prelude::*,
};

plugin!("org.example.attention-unet");

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AttentionUNet {
    /// A gate has 1 / `inner` of the skip's channels inside.
    inner: usize,
}

impl Default for AttentionUNet {
    fn default() -> Self {
        Self { inner: 2 }
    }
}

impl AttentionUNet {
    fn inner(&self, features: usize) -> Result<usize> {
        match features.checked_div(self.inner) {
            Some(channels) => Ok(channels.max(1)),
            None => bail!("inner is 0; wanted 1 or more"),
        }
    }
}

/// One stage of the decoder.
struct Up {
    gate: Option<Gate>,
    up: ConvTranspose,
    convs: ConvStack,
    head: Conv,
}

struct Built {
    down: Vec<ConvStack>,
    /// Coarsest first.
    up: Vec<Up>,
}

impl Architecture for AttentionUNet {
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        let (stages, block, dims) = (spec.stages()?, spec.block()?, spec.dims());
        let down = (0..stages.len()).map(|s| ConvStack::of_stage(&p.at("encoder.stages").at(s), spec, s)).collect::<Result<_>>()?;
        let decoder = p.at("decoder");
        let stage = |(j, pair): (usize, &[StageSpec])| {
            let (fine, coarse) = (&pair[0], &pair[1]);
            let (f, stack) = (fine.features, decoder.at("stages").at(j));
            let gate = || Gate::new(&decoder.at("gates").at(j), fine, coarse, self.inner(f)?);
            Ok(Up {
                gate: (fine.index > 0).then(gate).transpose()?,
                up: ConvTranspose::new(&decoder.at("transpconvs").at(j), coarse.features, f, &coarse.stride, block.conv_bias)?,
                convs: ConvStack::new(&stack, fine.decoder_convs, 2 * f, f, &fine.kernel, &vec![1; dims], &block)?,
                head: Conv::pointwise(&decoder.at("seg_layers").at(j), f, spec.num_classes, dims, true)?,
            })
        };
        let up = stages.windows(2).rev().enumerate().map(stage).collect::<Result<_>>()?;
        Ok(Box::new(Built { down, up }))
    }
}

impl Network for Built {
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let mut skips: Vec<Tensor> = vec![];
        for stage in &self.down {
            skips.push(stage.forward(skips.last().unwrap_or(x)));
        }
        let Some(mut y) = skips.pop() else { bail!("the plan has no stage") };
        let mut heads = vec![];
        for (stage, skip) in self.up.iter().zip(skips.iter().rev()) {
            let skip = stage.gate.as_ref().map_or_else(|| skip.clone(), |gate| gate.forward(skip, &y));
            y = stage.convs.forward_owned(Tensor::concat(&[&stage.up.forward(&y), &skip], 1));
            heads.push(stage.head.forward(&y));
        }
        heads.reverse(); // finest first
        Ok(heads)
    }
}

register_architecture!("attention_unet", AttentionUNet, "U-Net with attention gates on its skips");
register_config!("attention_unet" => { description: "Attention U-Net (Oktay et al. 2018)", architecture: "attention_unet" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_inside_a_gate() {
        let channels = |inner, features| AttentionUNet { inner }.inner(features);
        assert_eq!((channels(2, 64).unwrap(), channels(4, 2).unwrap()), (32, 1));
        assert!(channels(0, 64).unwrap_err().message().contains("inner is 0"));
    }
}
