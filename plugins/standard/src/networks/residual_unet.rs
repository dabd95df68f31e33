//! `ResidualUNet`: residual blocks on the way up as well. No planner chooses it; a plan or a trainer config may.

use super::{
    decoder::{self, Decoder},
    options,
    planning::Voxels,
    residual::{self, ResidualStack},
    residual_encoder::{self, ResidualEncoder},
};
use plugin_api::prelude::*;

/// Residual in encoder and decoder.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResidualUNet {}

impl Architecture for ResidualUNet {
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        options::check(spec)?;
        let block = spec.block()?;
        let encoder = ResidualEncoder::new(spec, p, &block)?;
        let decoder = Decoder::new(spec, p, |p, s| {
            ResidualStack::new(p, s.decoder_convs, 2 * s.features, s.features, &s.kernel, &vec![1; spec.dims()], &block)
        })?;
        Ok(Box::new(Residual { encoder, decoder }))
    }

    fn planning_size(&self, spec: &NetworkSpec) -> Result<Option<u64>> {
        let stages = spec.stages()?;
        let voxels = Voxels::new(spec, &stages);
        let stack = |s: &StageSpec| residual::planning_channels(s.decoder_convs, 2 * s.features, s.features, &vec![1; spec.dims()]);
        let decoder = decoder::planning_size(spec, &stages, &voxels, stack);
        Ok(Some(residual_encoder::planning_size(spec, &stages, &voxels) + decoder))
    }
}

struct Residual {
    encoder: ResidualEncoder,
    decoder: Decoder<ResidualStack>,
}

impl Network for Residual {
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        self.decoder.forward(self.encoder.forward(x))
    }
}

register_architecture!("ResidualUNet", ResidualUNet, "U-Net with residual blocks in encoder and decoder");
