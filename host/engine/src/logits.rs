//! A network whose logits are its parameters, one a head, so that a loss's gradient can be had logit by logit.
//! The validator and the parity report look at losses so.

use plugin_api::{Init, abi::host::Library, prelude::*};

/// The name that it is registered under; two underscores keep it out of lists.
const NAME: &str = "__logits";

#[derive(Deserialize)]
struct Logits {
    /// (B, C, spatial...) of each head, finest first
    shapes: Vec<Vec<usize>>,
}

struct Given(Vec<Param>);

impl Architecture for Logits {
    fn build(&self, _: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        let head = |(i, shape): (usize, &Vec<usize>)| p.at("logits").param(&i.to_string(), shape, Init::Normal { deviation: 1.0 });
        Ok(Box::new(Given(self.shapes.iter().enumerate().map(head).collect::<Result<_>>()?)))
    }
}

impl Network for Given {
    fn forward(&self, _: &Tensor) -> Result<Vec<Tensor>> {
        Ok(self.0.iter().map(|logits| logits.tensor() * 1.0).collect())
    }
}

register_architecture!("__logits", Logits, "logits of shapes that the settings give, to look at losses");

/// A model that returns logits of these shapes (B, C, spatial...), finest first, whatever its input; at first standard normal. Its parameters are
/// `logits.0`, `logits.1` and so on.
///
/// # Errors
/// A shape is none of a batch.
pub fn model(shapes: &[Vec<usize>], seed: u64) -> crate::Result<crate::Model> {
    let architecture = Library::builtin().architecture(NAME, &json!({"shapes": shapes}).to_string())?;
    let finest = shapes.first().map_or(&[][..], Vec::as_slice);
    let spec = NetworkSpec {
        input_channels: 1,
        num_classes: finest.get(1).copied().unwrap_or(1),
        patch_size: finest.get(2..).unwrap_or_default().to_vec(),
        deep_supervision: false,
        network_class_name: NAME.into(),
        arch_kwargs: json!({}),
    };
    crate::Model::build(&crate::Device::cpu(), &architecture, &spec, seed)
}
