//! `ResidualEncoderUNet`: a deep residual encoder and a light decoder (Isensee et al. 2024, the ResEnc presets).

use super::{
    decoder::{self, Decoder},
    options,
    planning::Voxels,
    residual_encoder::{self, ResidualEncoder},
};
use plugin_api::{nn::ConvStack, prelude::*};

/// The network of the ResEnc plans.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResidualEncoderUNet {}

impl Architecture for ResidualEncoderUNet {
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        options::check(spec)?;
        let block = spec.block()?;
        let encoder = ResidualEncoder::new(spec, p, &block)?;
        let decoder =
            Decoder::new(spec, p, |p, s| ConvStack::new(p, s.decoder_convs, 2 * s.features, s.features, &s.kernel, &vec![1; spec.dims()], &block))?;
        Ok(Box::new(ResEnc { encoder, decoder }))
    }

    fn planning_size(&self, spec: &NetworkSpec) -> Result<Option<u64>> {
        let stages = spec.stages()?;
        let voxels = Voxels::new(spec, &stages);
        let decoder = decoder::planning_size(spec, &stages, &voxels, |s| s.decoder_convs * s.features);
        Ok(Some(residual_encoder::planning_size(spec, &stages, &voxels) + decoder))
    }
}

struct ResEnc {
    encoder: ResidualEncoder,
    decoder: Decoder<ConvStack>,
}

impl Network for ResEnc {
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        self.decoder.forward(self.encoder.forward(x))
    }
}

register_architecture!("ResidualEncoderUNet", ResidualEncoderUNet, "U-Net with a residual encoder, of the ResEnc presets");
