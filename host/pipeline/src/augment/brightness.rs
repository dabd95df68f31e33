use super::{Sample, Stream, Transform, factor};

/// Each channel times a factor of its own.
#[derive(Clone, Debug)]
pub struct Brightness {
    /// Range of the factor; half the draws lie below 1.
    pub range: (f64, f64),
}

impl Transform for Brightness {
    fn name(&self) -> &'static str {
        "brightness"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        for channel in sample.channels_mut() {
            let factor = factor(rng, self.range) as f32;
            channel.iter_mut().for_each(|voxel| *voxel *= factor);
        }
    }
}
