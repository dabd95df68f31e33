use super::{Sample, Stream, Transform};

/// A number added to all of a channel, normally distributed about 0.
#[derive(Clone, Debug)]
pub struct Shift {
    /// Its standard deviation, in units of the normalised image.
    pub sigma: f64,
    /// Probability that a channel is shifted.
    pub p_channel: f64,
}

impl Transform for Shift {
    fn name(&self) -> &'static str {
        "shift"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        for channel in sample.channels_mut() {
            if rng.chance(self.p_channel) {
                let by = rng.normals()[0] * self.sigma as f32;
                channel.iter_mut().for_each(|voxel| *voxel += by);
            }
        }
    }
}
