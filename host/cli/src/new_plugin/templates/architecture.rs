//! The architecture `{{name}}`: a U-Net of the plan's stages that adds its skips instead of joining them.
#![forbid(unsafe_code)]

use plugin_api::{
    nn::{Conv, ConvStack, ConvTranspose},
    prelude::*,
};

#[cfg(test)]
mod tests;

plugin!("{{id}}");

/// The fields are the architecture's settings; a config may give each.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct {{Type}} {}

/// A level of the decoder: up-sampling, convolutions, and the head that makes logits.
struct Level {
    up: ConvTranspose,
    stack: ConvStack,
    head: Conv,
}

struct Built {
    encoder: Vec<ConvStack>,
    decoder: Vec<Level>,
}

impl Architecture for {{Type}} {
    /// Parameters are made here and only here; `p.at(..)` names them, and checkpoints know them by these names.
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        let (stages, block) = (spec.stages()?, spec.block()?);
        let encoder = (0..stages.len()).map(|i| ConvStack::of_stage(&p.at("encoder").at(i), spec, i)).collect::<Result<_>>()?;
        let mut decoder = Vec::new();
        for pair in stages.windows(2).rev() {
            let (fine, coarse) = (&pair[0], &pair[1]);
            let p = p.at("decoder").at(fine.index);
            let ones = vec![1; spec.dims()];
            decoder.push(Level {
                up: ConvTranspose::new(&p.at("up"), coarse.features, fine.features, &coarse.stride, true)?,
                stack: ConvStack::new(&p.at("stack"), fine.decoder_convs, fine.features, fine.features, &fine.kernel, &ones, &block)?,
                // heads are built whatever deep supervision says
                head: Conv::pointwise(&p.at("head"), fine.features, spec.num_classes, spec.dims(), true)?,
            });
        }
        Ok(Box::new(Built { encoder, decoder }))
    }
}

impl Network for Built {
    /// (B, C, D, H, W) or (B, C, H, W) in; the logits of each head out, finest first. Runs on values and on shapes alone.
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let mut skips: Vec<Tensor> = Vec::new();
        for stage in &self.encoder {
            let next = stage.forward(skips.last().unwrap_or(x));
            skips.push(next);
        }
        let Some(mut x) = skips.pop() else { bail!("the plan has no stage") };
        let mut heads = Vec::new();
        for (level, skip) in self.decoder.iter().zip(skips.iter().rev()) {
            x = level.stack.forward(&(level.up.forward(&x) + skip));
            heads.push(level.head.forward(&x));
        }
        heads.reverse();
        Ok(heads)
    }
}

register_architecture!("{{name}}", {{Type}}, "a U-Net that adds its skips");
register_config!("{{name}}" => { description: "the plan's stages in {{name}}", architecture: "{{name}}" });
