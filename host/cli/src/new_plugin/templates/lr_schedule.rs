//! The learning-rate schedule `{{name}}`: constant, then linearly to 0.
#![forbid(unsafe_code)]

use plugin_api::prelude::*;

#[cfg(test)]
mod tests;

plugin!("{{id}}");

/// The fields are the schedule's settings; a config may give each.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct {{Type}} {
    /// The share of the epochs, 0 to 1, that keep the initial rate.
    constant: f64,
}

impl Default for {{Type}} {
    fn default() -> Self {
        Self { constant: 0.5 }
    }
}

impl Schedule for {{Type}} {
    /// The learning rate of `epoch`, counted from 0, of `epochs`.
    fn lr(&self, epoch: usize, epochs: usize, initial: f64) -> Result<f64> {
        if !(0.0..1.0).contains(&self.constant) {
            bail!("`constant` is {}; wanted a share of the epochs from 0 to below 1", self.constant);
        }
        let left = 1.0 - epoch as f64 / epochs as f64;
        Ok(initial * (left / (1.0 - self.constant)).min(1.0))
    }
}

register_lr_schedule!("{{name}}", {{Type}}, "constant, then linearly to 0");
register_config!("{{name}}" => { description: "trained with the schedule {{name}}", lr_schedule: "{{name}}" });
