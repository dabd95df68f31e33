//! A network whose logits are its one parameter, so that a loss's gradient can be had logit by logit.
//! The validator and the parity report look at losses so.

use plugin_api::{Init, abi::host::Library, prelude::*};

/// The name that it is registered under; two underscores keep it out of lists.
const NAME: &str = "__logits";

#[derive(Deserialize)]
struct Logits {
    /// (B, C, spatial...)
    shape: Vec<usize>,
}

struct Given(Param);

impl Architecture for Logits {
    fn build(&self, _: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        Ok(Box::new(Given(p.param("logits", &self.shape, Init::Normal { deviation: 1.0 })?)))
    }
}

impl Network for Given {
    fn forward(&self, _: &Tensor) -> Result<Vec<Tensor>> {
        Ok(vec![self.0.tensor() * 1.0])
    }
}

register_architecture!("__logits", Logits, "logits of a shape that the settings give, to look at losses");

/// A model that returns logits of this shape (B, C, spatial...), whatever its input; at first standard normal. Its parameter is `logits`.
///
/// # Errors
/// The shape is none of a batch.
pub fn model(shape: &[usize], seed: u64) -> crate::Result<crate::Model> {
    let architecture = Library::builtin().architecture(NAME, &json!({"shape": shape}).to_string())?;
    let spec = NetworkSpec {
        input_channels: 1,
        num_classes: shape.get(1).copied().unwrap_or(1),
        patch_size: shape.get(2..).unwrap_or_default().to_vec(),
        deep_supervision: false,
        network_class_name: NAME.into(),
        arch_kwargs: json!({}),
    };
    crate::Model::build(&crate::Device::cpu(), &architecture, &spec, seed)
}
