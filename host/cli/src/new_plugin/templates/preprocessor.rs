//! The preprocessor `{{name}}`: outliers are cut off before the standard steps.
#![forbid(unsafe_code)]

use plugin_api::prelude::*;

#[cfg(test)]
mod tests;

plugin!("{{id}}");

/// The fields are the preprocessor's settings.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct {{Type}} {
    /// The share of voxels, 0 to 1, that are cut to the brightest of the others.
    share: f64,
}

impl Default for {{Type}} {
    fn default() -> Self {
        Self { share: 0.001 }
    }
}

impl Preprocessor for {{Type}} {
    /// In training and prediction alike. `case.image` is (C, D, H, W) in host memory, as it was read, and is changed in place.
    fn before(&self, case: &mut Case<'_>) -> Result<()> {
        case.image.channels_mut().for_each(|channel| self.cut(channel.voxels));
        Ok(())
    }
}

impl {{Type}} {
    fn cut(&self, voxels: &mut [f32]) {
        let mut sorted = voxels.to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let kept = ((1.0 - self.share.clamp(0.0, 1.0)) * sorted.len() as f64) as usize;
        let Some(&highest) = sorted.get(kept.clamp(1, sorted.len().max(1)) - 1) else { return };
        voxels.iter_mut().for_each(|v| *v = v.min(highest));
    }
}

register_preprocessor!("{{name}}", {{Type}}, "cuts outliers off, then the standard steps");
