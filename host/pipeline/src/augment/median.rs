use super::{Sample, Stream, Transform};

/// Each voxel becomes the median of a cube around it (a square for slices), of a side drawn for each channel.
#[derive(Clone, Debug)]
pub struct MedianFilter {
    /// Least and greatest side in voxels.
    pub side: (usize, usize),
    /// Probability that a channel is filtered.
    pub p_channel: f64,
}

impl Transform for MedianFilter {
    fn name(&self) -> &'static str {
        "median filter"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let shape = sample.spatial();
        for channel in sample.channels_mut() {
            if !rng.chance(self.p_channel) {
                continue;
            }
            let side = self.side.0 + rng.below(self.side.1 - self.side.0 + 1);
            let filtered = median(channel, shape, side);
            channel.copy_from_slice(&filtered);
        }
    }
}

/// The median (the upper one of two) over windows that begin `side / 2` voxels before their voxel. Beyond the border the image is
/// reflected with the border voxel repeated. Axes of one voxel have no window.
fn median(values: &[f32], shape: [usize; 3], side: usize) -> Vec<f32> {
    let reach = shape.map(|n| if n > 1 { side } else { 1 });
    // for each axis, the voxels of every window
    let windows: [Vec<usize>; 3] = std::array::from_fn(|axis| {
        let (n, k) = (shape[axis], reach[axis]);
        (0..n * k).map(|i| reflect((i / k + i % k) as isize - (k / 2) as isize, n)).collect()
    });
    let window = |axis: usize, at: usize| &windows[axis][at * reach[axis]..][..reach[axis]];
    let (mut out, mut seen) = (Vec::with_capacity(values.len()), Vec::new());
    for z in 0..shape[0] {
        for y in 0..shape[1] {
            for x in 0..shape[2] {
                seen.clear();
                for &z in window(0, z) {
                    for &y in window(1, y) {
                        let row = &values[(z * shape[1] + y) * shape[2]..][..shape[2]];
                        seen.extend(window(2, x).iter().map(|&x| row[x]));
                    }
                }
                let middle = seen.len() / 2;
                out.push(*seen.select_nth_unstable_by(middle, f32::total_cmp).1);
            }
        }
    }
    out
}

/// `position` folded into `0..n`, the ends standing there twice.
fn reflect(position: isize, n: usize) -> usize {
    let folded = position.rem_euclid(2 * n as isize) as usize;
    folded.min(2 * n - 1 - folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_scipys() {
        // scipy.ndimage.median_filter([5, 1, 4, 9, 2, 7], size)
        let row = [5.0, 1.0, 4.0, 9.0, 2.0, 7.0];
        assert_eq!(median(&row, [1, 1, 6], 2), [5.0, 5.0, 4.0, 9.0, 9.0, 7.0]);
        assert_eq!(median(&row, [1, 1, 6], 3), [5.0, 4.0, 4.0, 4.0, 7.0, 7.0]);
        // scipy.ndimage.median_filter(arange(12).reshape(3, 4) ** 2 % 13, 3)
        let square: Vec<f32> = (0..12).map(|i| (i * i % 13) as f32).collect();
        assert_eq!(median(&square, [1, 3, 4], 3), [1.0, 3.0, 9.0, 9.0, 3.0, 4.0, 9.0, 9.0, 12.0, 9.0, 9.0, 9.0]);
        assert_eq!(median(&square, [1, 3, 4], 2), [0.0, 1.0, 4.0, 9.0, 3.0, 3.0, 10.0, 10.0, 12.0, 12.0, 10.0, 10.0]);
        assert_eq!([-2, -1, 0, 3, 4, 5].map(|i| reflect(i, 4)), [1, 0, 0, 3, 3, 2]);
    }
}
