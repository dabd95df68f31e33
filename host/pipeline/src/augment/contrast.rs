use super::{Sample, Stream, Transform, factor, stats};

/// Channels stretched about their mean by a factor of their own.
#[derive(Clone, Debug)]
pub struct Contrast {
    /// Range of the factor; half the draws lie below 1.
    pub range: (f64, f64),
    /// Clips to the range that the channel had.
    pub clip: bool,
    /// Probability that a channel is stretched.
    pub p_channel: f64,
}

impl Contrast {
    /// Of every channel, clipped.
    pub fn within(range: (f64, f64)) -> Self {
        Self { range, clip: true, p_channel: 1.0 }
    }
}

impl Transform for Contrast {
    fn name(&self) -> &'static str {
        "contrast"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        for channel in sample.channels_mut() {
            if self.p_channel < 1.0 && !rng.chance(self.p_channel) {
                continue;
            }
            let factor = factor(rng, self.range) as f32;
            let mean = stats::mean(channel) as f32;
            let (low, high) = if self.clip { stats::min_max(channel) } else { (f32::NEG_INFINITY, f32::INFINITY) };
            channel.iter_mut().for_each(|voxel| *voxel = ((*voxel - mean) * factor + mean).max(low).min(high));
        }
    }
}
