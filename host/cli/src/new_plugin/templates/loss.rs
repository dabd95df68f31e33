//! The loss `{{name}}`: nnU-Net's usual one, plus the squared error of the probabilities.
#![forbid(unsafe_code)]

use plugin_api::prelude::*;

#[cfg(test)]
mod tests;

plugin!("{{id}}");

/// `dice + ce + weight * brier`. The fields are the loss's settings; a config may give each.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct {{Type}} {
    /// Weight of the squared error.
    weight: f64,
}

impl Default for {{Type}} {
    fn default() -> Self {
        Self { weight: 1.0 }
    }
}

impl Loss for {{Type}} {
    /// One head of the network. `logits` (B, outputs, D, H, W) or (B, outputs, H, W), before softmax; one number comes back.
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        let usual = losses::dice_ce(logits, target, &losses::DiceCe::default())?;
        let p = if target.task().regions { logits.sigmoid() } else { logits.softmax(1) };
        let error = p - target.one_hot();
        // voxels that nobody annotated do not count
        let brier = (&error * &error).mean_where(target.valid());
        Ok(usual + brier * self.weight)
    }
}

register_loss!("{{name}}", {{Type}}, "Dice, cross entropy and squared error");
register_config!("{{name}}" => { description: "trained with {{name}}", loss: "{{name}}" });
