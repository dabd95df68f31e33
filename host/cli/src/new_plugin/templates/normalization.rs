//! The normalization scheme `{{name}}`: the median becomes 0, the distance between the quartiles 1.
#![forbid(unsafe_code)]

use plugin_api::prelude::*;

#[cfg(test)]
mod tests;

plugin!("{{id}}");

/// The fields are the scheme's settings.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct {{Type}} {}

impl Normalization for {{Type}} {
    /// Changes a channel (D, H, W) in place; with a mask only what lies in it.
    fn normalize(&self, channel: &mut Channel<'_, f32>, mask: Option<Mask<'_>>, _: &ChannelFacts) -> Result<()> {
        let inside = |i: usize| mask.is_none_or(|m| m.contains(i));
        let mut sorted: Vec<f32> = channel.voxels.iter().enumerate().filter(|(i, _)| inside(*i)).map(|(_, v)| *v).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let quartile = |k: usize| sorted.get(k * sorted.len().saturating_sub(1) / 4).copied().unwrap_or(0.0);
        let (middle, width) = (quartile(2), (quartile(3) - quartile(1)).max(1e-8));
        channel.voxels.iter_mut().enumerate().filter(|(i, _)| inside(*i)).for_each(|(_, v)| *v = (*v - middle) / width);
        Ok(())
    }
}

register_normalization!("{{name}}", {{Type}}, "median 0, distance between the quartiles 1");
