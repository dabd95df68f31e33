use super::{Sample, Stream, Transform, factor, stats};

/// Each channel's intensities raised to a power of their own, within their range; mean and standard deviation stay.
#[derive(Clone, Debug)]
pub struct Gamma {
    /// Range of the exponent; half the draws lie below 1.
    pub range: (f64, f64),
    /// Act on the negative image.
    pub inverted: bool,
}

/// Keeps constant channels from dividing by zero.
const SMALLEST: f64 = 1e-7;

impl Transform for Gamma {
    fn name(&self) -> &'static str {
        if self.inverted { "gamma of the inverted image" } else { "gamma" }
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let sign = if self.inverted { -1.0 } else { 1.0 };
        for channel in sample.channels_mut() {
            let gamma = factor(rng, self.range) as f32;
            channel.iter_mut().for_each(|voxel| *voxel *= sign);
            let (mean, std) = stats::mean_std(channel);
            let (low, high) = stats::min_max(channel);
            let range = high - low;
            let scale = 1.0 / range.max(SMALLEST as f32);
            channel.iter_mut().for_each(|voxel| *voxel = ((*voxel - low) * scale).powf(gamma) * range + low);
            let (new_mean, new_std) = stats::mean_std(channel);
            let stretch = std / new_std.max(SMALLEST);
            let (new_mean, stretch, mean) = (new_mean as f32, stretch as f32, mean as f32);
            channel.iter_mut().for_each(|voxel| *voxel = sign * ((*voxel - new_mean) * stretch + mean));
        }
    }
}
