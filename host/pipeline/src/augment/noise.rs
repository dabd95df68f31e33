use super::{Sample, Stream, Transform};

/// Gaussian noise, the same for every channel.
#[derive(Clone, Debug)]
pub struct GaussianNoise {
    /// Range of the standard deviation, in units of the normalised image.
    pub sigma: (f64, f64),
}

impl Transform for GaussianNoise {
    fn name(&self) -> &'static str {
        "gaussian noise"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let sigma = rng.uniform(self.sigma.0, self.sigma.1) as f32;
        let mut noise = vec![0.0; sample.spatial().iter().product()];
        rng.fill_normal(&mut noise, sigma);
        for channel in sample.channels_mut() {
            channel.iter_mut().zip(&noise).for_each(|(voxel, noise)| *voxel += noise);
        }
    }
}
