use super::{Sample, Stream, Transform};

/// The image less a part of its Laplacian (neighbours along the axes, the border voxel repeated), so that edges stand out.
#[derive(Clone, Debug)]
pub struct Sharpen {
    /// Range of the part.
    pub strength: (f64, f64),
    /// Probability that a channel is sharpened.
    pub p_channel: f64,
}

impl Transform for Sharpen {
    fn name(&self) -> &'static str {
        "sharpen"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let shape = sample.spatial();
        for channel in sample.channels_mut() {
            if rng.chance(self.p_channel) {
                let strength = rng.uniform(self.strength.0, self.strength.1) as f32;
                sharpen(channel, shape, strength);
            }
        }
    }
}

fn sharpen(channel: &mut [f32], shape: [usize; 3], strength: f32) {
    let before = channel.to_vec();
    for (axis, &n) in shape.iter().enumerate() {
        let step: usize = shape[axis + 1..].iter().product();
        for (i, voxel) in channel.iter_mut().enumerate() {
            let at = i / step % n;
            let (here, last) = (before[i], n - 1);
            let low = if at == 0 { here } else { before[i - step] };
            let high = if at == last { here } else { before[i + step] };
            *voxel += strength * (2.0 * here - low - high);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_stands_out_and_a_constant_stays() {
        let mut point = vec![0.0; 27];
        point[13] = 1.0;
        sharpen(&mut point, [3, 3, 3], 0.5);
        assert_eq!((point[13], point[12], point[4], point[22], point[0]), (4.0, -0.5, -0.5, -0.5, 0.0));
        let mut flat = vec![2.0; 12];
        sharpen(&mut flat, [1, 3, 4], 0.7);
        assert!(flat.iter().all(|&v| v == 2.0));
    }
}
