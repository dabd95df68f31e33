//! `PlainConvUNet`: stacks of convolutions, down-sampling by stride (Isensee et al. 2021).

use super::{
    decoder::{self, Decoder},
    encode, encoder_params, options,
    planning::Voxels,
};
use plugin_api::{nn::ConvStack, prelude::*};

/// nnU-Net's default network.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainConvUNet {}

impl Architecture for PlainConvUNet {
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        options::check(spec)?;
        let (stages, block) = (spec.stages()?, spec.block()?);
        let encoder =
            stages.iter().map(|s| ConvStack::of_stage(&encoder_params(p).at("stages").at(s.index).at(0), spec, s.index)).collect::<Result<_>>()?;
        let decoder =
            Decoder::new(spec, p, |p, s| ConvStack::new(p, s.decoder_convs, 2 * s.features, s.features, &s.kernel, &vec![1; spec.dims()], &block))?;
        Ok(Box::new(Plain { encoder, decoder }))
    }

    fn planning_size(&self, spec: &NetworkSpec) -> Result<Option<u64>> {
        let stages = spec.stages()?;
        let voxels = Voxels::new(spec, &stages);
        let encoder: u64 = stages.iter().map(|s| (s.convs * s.features) as u64 * voxels.at(s.index)).sum();
        Ok(Some(encoder + decoder::planning_size(spec, &stages, &voxels, |s| s.decoder_convs * s.features)))
    }
}

struct Plain {
    encoder: Vec<ConvStack>,
    decoder: Decoder<ConvStack>,
}

impl Network for Plain {
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        self.decoder.forward(encode(&self.encoder, x))
    }
}

register_architecture!("PlainConvUNet", PlainConvUNet, "U-Net of plain convolutions, nnU-Net's default");
