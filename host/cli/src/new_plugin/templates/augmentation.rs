//! The augmentation `{{name}}`: the image's intensities are multiplied by one random number.
#![forbid(unsafe_code)]

use plugin_api::prelude::*;

#[cfg(test)]
mod tests;

plugin!("{{id}}");

/// The fields are the augmentation's settings; a config may give each.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct {{Type}} {
    /// The number is drawn from 1 - range to 1 + range.
    range: f64,
}

impl Default for {{Type}} {
    fn default() -> Self {
        Self { range: 0.1 }
    }
}

impl Augmentation for {{Type}} {
    /// Changes a sample in place. All that is random comes from `rng`, so that a run can be repeated.
    fn apply(&self, sample: &mut Sample<'_>, rng: &mut Rng) -> Result<()> {
        let factor = rng.uniform(1.0 - self.range, 1.0 + self.range) as f32;
        sample.image.values_mut().iter_mut().for_each(|v| *v *= factor);
        Ok(())
    }
}

register_augmentation!("{{name}}", {{Type}}, "one factor a sample");
register_config!("{{name}}" => { description: "trained with the augmentation {{name}}", augmentation: "{{name}}" });
