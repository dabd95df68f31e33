//! Intensities made comparable, before resampling.

use ndarray::{Array3, Array4, ArrayRef3, Zip};
use volume::numpy::{mean_f32, std_f32};

use super::Plugins;
use crate::dataset::DatasetJson;
use crate::error::{Error, Result};
use crate::plan::{Configuration, Plans};
use plugin_api::ChannelFacts;

/// Smallest number to divide by.
const EPSILON: f32 = 1e-8;

/// The host's own schemes.
pub(crate) const SCHEMES: [&str; 5] =
    ["ZScoreNormalization", "CTNormalization", "NoNormalization", "RescaleTo01Normalization", "RGBTo01Normalization"];

/// Normalises each channel of `data` (C, z, y, x) as the configuration says; `seg` (z, y, x) is negative outside the nonzero mask.
pub(super) fn normalize(
    data: &mut Array4<f32>,
    seg: &Array3<i16>,
    plans: &Plans,
    configuration: &Configuration,
    dataset: &DatasetJson,
    plugins: &Plugins,
) -> Result<()> {
    let schemes = configuration.normalization_schemes.iter().zip(&configuration.use_mask_for_norm);
    for (index, (mut channel, (scheme, &use_mask))) in data.outer_iter_mut().zip(schemes).enumerate() {
        let channel: &mut ArrayRef3<f32> = &mut channel;
        match scheme.as_str() {
            "ZScoreNormalization" if use_mask => z_score_inside(channel, seg),
            "ZScoreNormalization" => z_score(channel),
            "CTNormalization" => {
                let known = plans.intensities(index)?;
                let (low, high) = (known.percentile_00_5 as f32, known.percentile_99_5 as f32);
                let (mean, std) = (known.mean as f32, (known.std as f32).max(EPSILON));
                channel.mapv_inplace(|v| (v.max(low).min(high) - mean) / std);
            }
            "NoNormalization" => {}
            "RescaleTo01Normalization" => {
                let (low, high) = range(channel);
                let scale = (high - low).max(EPSILON);
                channel.mapv_inplace(|v| (v - low) / scale);
            }
            "RGBTo01Normalization" => {
                let (low, high) = range(channel);
                if low < 0.0 || high > 255.0 {
                    return Err(Error::invalid(format!("channel {index} is named rgb_to_0_1 but holds {low} to {high}; it must be within 0 to 255")));
                }
                channel.mapv_inplace(|v| v / 255.0);
            }
            other => {
                let intensities = plans.intensities(index).ok().and_then(|known| serde_json::to_value(known).ok());
                let intensities = intensities.and_then(|known| serde_json::from_value(known).ok());
                let name = dataset.channel_names.get(index).cloned().unwrap_or_default();
                plugins.normalize(other, &ChannelFacts { index, name, intensities }, channel, use_mask.then_some(seg))?;
            }
        }
    }
    Ok(())
}

fn z_score(channel: &mut ArrayRef3<f32>) {
    let copy;
    let values = match channel.as_slice() {
        Some(values) => values,
        None => {
            copy = channel.iter().copied().collect::<Vec<_>>();
            &copy
        }
    };
    let (mean, std) = (mean_f32(values), std_f32(values).max(EPSILON));
    channel.mapv_inplace(|v| (v - mean) / std);
}

/// Outside the mask everything stays, which is zero.
fn z_score_inside(channel: &mut ArrayRef3<f32>, seg: &Array3<i16>) {
    let inside: Vec<f32> = channel.iter().zip(seg).filter(|(_, label)| **label >= 0).map(|(value, _)| *value).collect();
    let (mean, std) = (mean_f32(&inside), std_f32(&inside).max(EPSILON));
    Zip::from(channel).and(seg).for_each(|value, &label| {
        if label >= 0 {
            *value = (*value - mean) / std;
        }
    });
}

fn range(channel: &ArrayRef3<f32>) -> (f32, f32) {
    channel.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
}
