use super::separable::Taps;
use super::{Sample, Stream, Transform};

/// Each channel sampled down (nearest voxel) and up again (linear), as if acquired at a lower resolution.
#[derive(Clone, Debug)]
pub struct LowResolution {
    /// Range of the size relative to the patch, one value for all axes of a channel.
    pub scale: (f64, f64),
    /// Probability that a channel is changed.
    pub p_channel: f64,
    /// Leave the first axis alone.
    pub planar: bool,
}

impl Transform for LowResolution {
    fn name(&self) -> &'static str {
        "low resolution"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let shape = sample.spatial();
        let mut scratch = Vec::new();
        for channel in sample.channels_mut() {
            if !rng.chance(self.p_channel) {
                continue;
            }
            let scale = rng.uniform(self.scale.0, self.scale.1);
            for axis in usize::from(self.planar)..3 {
                let low = (shape[axis] as f64 * scale).round_ties_even().max(1.0) as usize;
                if low < shape[axis] {
                    taps(shape[axis], low).apply(channel, shape, axis, &mut scratch);
                }
            }
        }
    }
}

/// Down to `low` voxels and up again, which both act on one axis at a time and so are one sum of two taps.
fn taps(n: usize, low: usize) -> Taps {
    let step = n as f64 / low as f64;
    let nearest = |at: usize| (((at as f64 + 0.5) * step) as usize).min(n - 1);
    Taps::new(n, 2, |voxel, k| {
        let at = ((voxel as f64 + 0.5) / step - 0.5).max(0.0);
        let weight = (at - at.floor()) as f32;
        match k {
            0 => (nearest(at as usize), 1.0 - weight),
            _ => (nearest((at as usize + 1).min(low - 1)), weight),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_resolution_of_a_row_is_torchs() {
        // interpolate(interpolate(x, 4, mode="nearest-exact"), 8, mode="linear") takes voxels 1, 3, 5, 7
        let mut row: Vec<f32> = (0..8).map(|v| v as f32).collect();
        taps(8, 4).apply(&mut row, [1, 1, 8], 2, &mut Vec::new());
        assert_eq!(row, [1.0, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.0]);
    }

    #[test]
    fn full_resolution_and_the_first_axis_of_slices_stay() {
        let data = ndarray::Array4::from_shape_fn((1, 5, 6, 7), |(_, z, _, _)| z as f32);
        let before = Sample { data, seg: ndarray::Array4::zeros((1, 5, 6, 7)) };
        for (scale, planar, same) in [(1.0, false, true), (0.5, true, true), (0.5, false, false)] {
            let mut sample = before.clone();
            LowResolution { scale: (scale, scale), p_channel: 1.0, planar }.apply(&mut sample, &mut Stream::new(0, &[]));
            assert_eq!(sample == before, same, "{scale} {planar}");
        }
    }
}
