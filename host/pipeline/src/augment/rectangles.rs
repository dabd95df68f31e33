use super::{Sample, Stream, Transform, stats};

/// Boxes of a channel that lose their content: each voxel of one becomes the box's mean.
#[derive(Clone, Debug)]
pub struct BlankRectangles {
    /// Least and greatest number of boxes a channel.
    pub count: (usize, usize),
    /// Least and greatest side in voxels, for each of (D, H, W).
    pub sides: [(usize, usize); 3],
    /// Probability that a channel gets any.
    pub p_channel: f64,
}

impl Transform for BlankRectangles {
    fn name(&self) -> &'static str {
        "blank rectangles"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let shape = sample.spatial();
        let between = |rng: &mut Stream, (low, high): (usize, usize)| low + rng.below(high.saturating_sub(low) + 1);
        let mut inside = Vec::new();
        for channel in sample.channels_mut() {
            if !rng.chance(self.p_channel) {
                continue;
            }
            for _ in 0..between(rng, self.count) {
                let size: [usize; 3] = std::array::from_fn(|axis| between(rng, self.sides[axis]).min(shape[axis]));
                let start: [usize; 3] = std::array::from_fn(|axis| rng.below(shape[axis] - size[axis] + 1));
                let rows = (0..size[0] * size[1]).map(|row| {
                    let (z, y) = (start[0] + row / size[1], start[1] + row % size[1]);
                    let first = (z * shape[1] + y) * shape[2] + start[2];
                    first..first + size[2]
                });
                inside.clear();
                rows.clone().for_each(|row| inside.extend_from_slice(&channel[row]));
                let mean = stats::mean(&inside) as f32;
                rows.for_each(|row| channel[row].fill(mean));
            }
        }
    }
}
