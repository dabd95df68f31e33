//! Changes that act here more and there less: the weight of a voxel is a Gaussian bump, which may lie beyond the patch.

use super::{Sample, Stream, Transform, stats};

/// Brightness that is added under a bump.
#[derive(Clone, Debug)]
pub struct BrightnessGradient {
    /// Range of the greatest change, in units of the normalised image; half the draws are negative.
    pub strength: (f64, f64),
    /// Probability that a channel is changed.
    pub p_channel: f64,
}

/// Intensities raised to a power under a bump, within the channel's range.
#[derive(Clone, Debug)]
pub struct LocalGamma {
    /// Two ranges of the exponent, each as likely.
    pub ranges: [(f64, f64); 2],
    /// Probability that a channel is changed.
    pub p_channel: f64,
}

impl Transform for BrightnessGradient {
    fn name(&self) -> &'static str {
        "brightness gradient"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let shape = sample.spatial();
        for channel in sample.channels_mut() {
            if !rng.chance(self.p_channel) {
                continue;
            }
            let bump = Bump::draw(shape, rng);
            let sign = if rng.chance(0.5) { -1.0 } else { 1.0 };
            let strength = (sign * rng.uniform(self.strength.0, self.strength.1)) as f32;
            bump.over(channel, |voxel, weight| *voxel += strength * weight);
        }
    }
}

impl Transform for LocalGamma {
    fn name(&self) -> &'static str {
        "local gamma"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let shape = sample.spatial();
        for channel in sample.channels_mut() {
            if !rng.chance(self.p_channel) {
                continue;
            }
            let bump = Bump::draw(shape, rng);
            let (from, to) = self.ranges[usize::from(rng.chance(0.5))];
            let gamma = rng.uniform(from, to) as f32;
            let (low, high) = stats::min_max(channel);
            let range = (high - low).max(1e-8);
            bump.over(channel, |voxel, weight| {
                let old = (*voxel - low) / range;
                *voxel = (old * (1.0 - weight) + old.powf(gamma) * weight) * range + low;
            });
        }
    }
}

/// A product of Gaussians, one an axis, stretched to 0..1 over the patch.
struct Bump {
    /// Their values at the voxels of each axis.
    sides: [Vec<f32>; 3],
    low: f32,
    high: f32,
}

impl Bump {
    /// Centres from half a patch before it to half a patch behind, standard deviations from a sixth of the patch to all of it.
    fn draw(shape: [usize; 3], rng: &mut Stream) -> Self {
        let sides = shape.map(|n| {
            if n == 1 {
                return vec![1.0];
            }
            let centre = rng.uniform(-0.5, 1.5) * n as f64;
            let least = (n / 6).max(1) as f64;
            let sigma = rng.uniform(least.ln(), (n as f64).ln()).exp();
            (0..n).map(|at| (-0.5 * ((at as f64 - centre) / sigma).powi(2)).exp() as f32).collect()
        });
        let over_all = |pick: fn(f32, f32) -> f32, start: f32| -> f32 { sides.iter().map(|s| s.iter().copied().fold(start, pick)).product() };
        let (low, high) = (over_all(f32::min, f32::INFINITY), over_all(f32::max, 0.0));
        Self { sides, low, high }
    }

    /// Calls `change` with each voxel and its weight.
    fn over(&self, channel: &mut [f32], change: impl Fn(&mut f32, f32)) {
        let range = self.high - self.low;
        if range <= 0.0 {
            return;
        }
        let [_, rows, columns] = &self.sides;
        for (row, voxels) in channel.chunks_exact_mut(columns.len()).enumerate() {
            let along = self.sides[0][row / rows.len()] * rows[row % rows.len()];
            voxels.iter_mut().zip(columns).for_each(|(voxel, side)| change(voxel, (along * side - self.low) / range));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_fill_0_to_1() {
        for (draw, shape) in [[8, 9, 10], [1, 30, 7], [2, 2, 64]].into_iter().cycle().take(90).enumerate() {
            let bump = Bump::draw(shape, &mut Stream::new(1, &[draw as u64]));
            let mut weights = vec![0.0; shape.iter().product()];
            bump.over(&mut weights, |voxel, weight| *voxel = weight);
            let (low, high) = stats::min_max(&weights);
            assert!(low.abs() < 1e-6 && (high - 1.0).abs() < 1e-6, "{shape:?}: {low} {high}");
        }
    }
}
