use super::{Sample, Stream, Transform, factor, stats};

/// Each channel stretched about its mean by a factor of its own, and clipped to the range it had.
#[derive(Clone, Debug)]
pub struct Contrast {
    /// Range of the factor; half the draws lie below 1.
    pub range: (f64, f64),
}

impl Transform for Contrast {
    fn name(&self) -> &'static str {
        "contrast"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        for channel in sample.channels_mut() {
            let factor = factor(rng, self.range) as f32;
            let mean = stats::mean(channel) as f32;
            let (low, high) = stats::min_max(channel);
            channel.iter_mut().for_each(|voxel| *voxel = ((*voxel - mean) * factor + mean).max(low).min(high));
        }
    }
}
