use super::sample::contiguous;
use super::{Sample, Stream, Transform};

/// Mirrors each of the axes half the time.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Axes of (D, H, W).
    pub axes: Vec<usize>,
}

impl Transform for Mirror {
    fn name(&self) -> &'static str {
        "mirror"
    }

    fn apply(&self, sample: &mut Sample, rng: &mut Stream) {
        let shape = sample.spatial();
        for &axis in &self.axes {
            if rng.chance(0.5) {
                flip(contiguous(&mut sample.data), shape, axis);
                flip(contiguous(&mut sample.seg), shape, axis);
            }
        }
    }
}

/// Reverses `axis` of each volume in `values`, (.., D, H, W) in C order.
pub(super) fn flip<T>(values: &mut [T], shape: [usize; 3], axis: usize) {
    let inner: usize = shape[axis + 1..].iter().product();
    for block in values.chunks_exact_mut((shape[axis] * inner).max(1)) {
        if inner == 1 {
            block.reverse();
            continue;
        }
        for low in 0..shape[axis] / 2 {
            let high = shape[axis] - 1 - low;
            let (left, right) = block.split_at_mut(high * inner);
            left[low * inner..][..inner].swap_with_slice(&mut right[..inner]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array4, Axis};

    #[test]
    fn a_flip_is_ndarrays_and_twice_is_none() {
        let before = Array4::from_shape_fn((2, 3, 4, 5), |(c, z, y, x)| (c * 1000 + z * 100 + y * 10 + x) as i16);
        for axis in 0..3 {
            let mut array = before.clone();
            flip(contiguous(&mut array), [3, 4, 5], axis);
            let mut wanted = before.clone();
            wanted.invert_axis(Axis(axis + 1));
            assert_eq!(array, wanted);
            flip(contiguous(&mut array), [3, 4, 5], axis);
            assert_eq!(array, before);
        }
    }
}
