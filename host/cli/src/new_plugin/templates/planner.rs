//! The planner `{{name}}`: nnU-Net's, with voxels as long as wide where slices are thick.
#![forbid(unsafe_code)]

use plugin_api::prelude::*;

#[cfg(test)]
mod tests;

plugin!("{{id}}");

/// The fields are the planner's settings.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct {{Type}} {
    /// The coarsest axis is at most this many times the finest.
    ratio: f64,
}

impl Default for {{Type}} {
    fn default() -> Self {
        Self { ratio: 2.0 }
    }
}

impl Planner for {{Type}} {
    /// Each step gets a question and the host's answer, and may return another; a step that is left out is the host's. Here: mm, axes as in the images.
    fn target_spacing(&self, _: &SpacingQuestion, host: Spacing) -> Result<Spacing> {
        let longest = host.min() * self.ratio;
        // 2D images have a first axis of 999 mm, which means that there is none
        Ok(Spacing(host.map(|mm| if mm >= 999.0 { mm } else { mm.min(longest) })))
    }
}

register_planner!("{{name}}", {{Type}}, "the default planner with less anisotropic voxels");
