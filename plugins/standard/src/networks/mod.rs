//! nnU-Net's networks: U-Nets (an encoder, a decoder with a head on each of its stages, and skips between them), and Primus.
//!
//! Parameters carry the names of nnU-Net's state dict and are made in its order, so that weights and optimiser
//! states can be exchanged. Outputs are (B, classes, spatial...), finest head first.

mod decoder;
mod options;
mod plain_conv_unet;
mod planning;
mod primus;
mod residual;
mod residual_encoder;
mod residual_encoder_unet;
mod residual_unet;

use plugin_api::{Params, Tensor};

/// The places of the encoder's parameters: the decoder holds the encoder too, so a state dict lists it twice.
fn encoder_params(p: &Params) -> Params {
    p.at_each(&["encoder", "decoder.encoder"])
}

/// Layers at one resolution, of the encoder or of the decoder.
trait Stage: Send + Sync + 'static {
    /// (B, I, spatial...) to (B, O, spatial'...). Nobody else may hold `x`: then its memory is free as soon as it has been read.
    fn forward(&self, x: Tensor) -> Tensor;
}

impl Stage for plugin_api::nn::ConvStack {
    #[track_caller]
    fn forward(&self, x: Tensor) -> Tensor {
        self.forward_owned(x)
    }
}

/// The output of each stage, finest first; the last one is the bottleneck.
fn encode<S: Stage>(stages: &[S], x: &Tensor) -> Vec<Tensor> {
    let mut outputs: Vec<Tensor> = Vec::with_capacity(stages.len());
    for stage in stages {
        outputs.push(stage.forward(outputs.last().unwrap_or(x).clone()));
    }
    outputs
}
