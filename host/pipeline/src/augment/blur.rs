use super::separable::Taps;
use super::{Sample, Stream, Transform};

/// Gaussian blur, drawn anew for each channel. Axes of one voxel stay as they are.
#[derive(Clone, Debug)]
pub struct GaussianBlur {
    /// Range of the standard deviation in voxels.
    pub sigma: (f64, f64),
    /// Probability that a channel is blurred.
    pub p_channel: f64,
    /// The axes of a channel share a standard deviation.
    pub one_sigma: bool,
}

impl Transform for GaussianBlur {
    fn name(&self) -> &'static str {
        "gaussian blur"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let shape = sample.spatial();
        let mut scratch = Vec::new();
        for channel in sample.channels_mut() {
            if !rng.chance(self.p_channel) {
                continue;
            }
            let mut shared = None;
            for axis in (0..3).filter(|&axis| shape[axis] > 1) {
                let sigma = shared.unwrap_or_else(|| rng.uniform(self.sigma.0, self.sigma.1));
                shared = self.one_sigma.then_some(sigma);
                taps(sigma, shape[axis]).apply(channel, shape, axis, &mut scratch);
            }
        }
    }
}

/// A Gaussian of `sigma` voxels over an axis of `n`, reflected at both ends without repeating the end voxel.
fn taps(sigma: f64, n: usize) -> Taps {
    let size = kernel_size(sigma);
    let half = (size / 2) as isize;
    let weights: Vec<f64> = (0..size).map(|k| (-0.5 * ((k as isize - half) as f64 / sigma).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    Taps::new(n, size, |voxel, k| (reflect(voxel as isize + k as isize - half, n), (weights[k] / total) as f32))
}

/// The odd number nearest to 6 sigma + 0.5.
fn kernel_size(sigma: f64) -> usize {
    let wanted = 6.0 * sigma + 0.5;
    let rounded = wanted.round_ties_even();
    let odd = match rounded % 2.0 == 1.0 {
        true => rounded,
        false if wanted >= rounded => rounded + 1.0,
        false => rounded - 1.0,
    };
    odd.max(1.0) as usize
}

/// `position` folded into `0..n`; n > 1.
fn reflect(position: isize, n: usize) -> usize {
    let period = 2 * (n as isize - 1);
    let folded = position.rem_euclid(period);
    folded.min(period - folded) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_have_nnunets_sizes() {
        assert_eq!([0.5, 0.6, 0.75, 0.9, 1.0].map(kernel_size), [3, 5, 5, 5, 7]);
        assert_eq!([-2, -1, 0, 3, 4, 5].map(|i| reflect(i, 4)), [2, 1, 0, 3, 2, 1]);
        assert_eq!([-1, 0, 1, 2, 3].map(|i| reflect(i, 2)), [1, 0, 1, 0, 1]);
    }

    #[test]
    fn a_constant_stays_and_a_point_spreads_by_the_gaussian() {
        let blur = GaussianBlur { sigma: (0.8, 0.8), p_channel: 1.0, one_sigma: false };
        let mut sample = Sample { data: ndarray::Array4::from_elem((1, 9, 9, 9), 2.0), seg: ndarray::Array4::zeros((1, 9, 9, 9)) };
        blur.apply(&mut sample, &mut Stream::new(0, &[]));
        assert!(sample.data.iter().all(|v| (v - 2.0).abs() < 1e-5));
        sample.data.fill(0.0);
        sample.data[[0, 4, 4, 4]] = 1.0;
        blur.apply(&mut sample, &mut Stream::new(0, &[]));
        let ratio = sample.data[[0, 4, 5, 4]] / sample.data[[0, 4, 4, 4]];
        assert!((f64::from(ratio) - (-0.5f64 / 0.64).exp()).abs() < 1e-5);
        assert!((sample.data.sum() - 1.0).abs() < 1e-5);
    }
}
