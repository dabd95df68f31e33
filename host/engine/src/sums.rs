//! Sums of weighted logits that stay on the device of the network: a sliding window's logits need not go over to the host tile by tile.

use crate::{
    device::{Device, Precision},
    error::Result,
    value::Value,
};
use std::ops::Range;

/// Where the logits of one image go, axes in the order (z, y, x).
#[derive(Clone, Debug)]
pub struct Part {
    /// The axes along which the network saw the image mirrored.
    pub flip: [bool; 3],
    /// The part of the tile, mirrored back, that is wanted.
    pub tile: [Range<usize>; 3],
    /// The place of its first voxel in the sums.
    pub to: [usize; 3],
}

/// Sums (K, z, y, x) on a device, of tiles whose voxels do not all count the same.
pub struct LogitSums {
    device: Device,
    sums: Value,
    /// (1, z, y, x) of a tile.
    weights: Value,
}

impl LogitSums {
    /// Zeros of the shape (K, z, y, x). `weights` says how much each voxel of a tile counts, `tile` is its (z, y, x).
    ///
    /// # Errors
    /// The device has no memory for them.
    pub fn new(device: &Device, shape: [usize; 4], weights: &[f32], tile: [usize; 3]) -> Result<Self> {
        let [d, h, w] = tile;
        let weights = Value::from_f32(weights.to_vec(), &[1, d, h, w], device);
        let sums = Value::zeros(&shape, Precision::F32, device);
        let sums = Self { device: device.clone(), sums, weights };
        sums.wait()?;
        Ok(sums)
    }

    /// The device that has them.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Waits for the device, which says only when it is asked for values that something failed.
    fn wait(&self) -> Result<()> {
        (0..4).fold(self.sums.clone(), |value, axis| value.slice(axis, 0, 1, 1)).to_vec()?;
        Ok(())
    }

    /// Adds to the sums what `parts` say of the logits (B, K, tile...), in order, each voxel times its weight and `share`, and waits for the device.
    pub(crate) fn add(&mut self, logits: &Value, parts: &[Part], share: f32) -> Result<()> {
        let (classes, tile) = (self.sums.shape()[0], self.weights.shape()[1..].to_vec());
        let shape: Vec<usize> = [&[parts.len(), classes], &tile[..]].concat();
        let logits = logits.reshape(&shape);
        for (i, part) in parts.iter().enumerate().filter(|(_, part)| !part.tile.iter().any(Range::is_empty)) {
            let own = logits.slice(0, i, i + 1, 1).reshape(&shape[1..]);
            let mirrored: Vec<usize> = (0..3).filter(|&axis| part.flip[axis]).map(|axis| axis + 1).collect();
            let own = cut(if mirrored.is_empty() { own } else { own.flip(&mirrored) }, &part.tile);
            let weights = cut(self.weights.clone(), &part.tile).scale(f64::from(share)).expand(own.shape());
            let to: [Range<usize>; 3] = std::array::from_fn(|axis| part.to[axis]..part.to[axis] + part.tile[axis].len());
            let sum = cut(self.sums.clone(), &to).add(&weights.mul(&own));
            let [z, y, x] = part.to;
            // nobody else looks at the sums, so that they are written in place
            let sums = std::mem::replace(&mut self.sums, self.weights.clone());
            self.sums = sums.assign(&[0, z, y, x], &[1; 4], &sum);
        }
        // so that no more than these images are under way
        self.wait()
    }

    /// The sums of some slices, (K, z, y, x), last axis fastest.
    ///
    /// # Errors
    /// The device failed in what it was asked to do.
    pub fn read(&self, slices: Range<usize>) -> Result<Vec<f32>> {
        Ok(self.sums.slice(1, slices.start, slices.end, 1).to_vec()?)
    }

    /// Gives up the first slices and puts as many of zeros behind the last one.
    pub fn move_on(&mut self, slices: usize) {
        let (mut shape, depth) = (self.sums.shape().to_vec(), self.sums.shape()[1]);
        shape[1] = slices.min(depth);
        let zeros = Value::zeros(&shape, Precision::F32, &self.device);
        self.sums = match shape[1] {
            0 => return,
            gone if gone == depth => zeros,
            gone => Value::concat(&[self.sums.slice(1, gone, depth, 1), zeros], 1),
        };
    }
}

/// A box of (K, z, y, x), all of its first axis.
fn cut(value: Value, within: &[Range<usize>; 3]) -> Value {
    let cut = |value: Value, (axis, part): (usize, &Range<usize>)| match part.len() == value.shape()[axis + 1] {
        true => value,
        false => value.slice(axis + 1, part.start, part.end, 1),
    };
    within.iter().enumerate().fold(value, cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_mirrored_back_cut_and_added() {
        let device = Device::cpu();
        let weights: Vec<f32> = vec![1.0, 2.0, 3.0, 4.0];
        let mut sums = LogitSums::new(&device, [2, 1, 3, 3], &weights, [1, 2, 2]).unwrap();
        // two images, two classes, one slice of 2 x 2
        let logits = Value::from_f32((1..=16).map(|v| v as f32).collect(), &[2, 2, 2, 2], &device);
        let whole = Part { flip: [false; 3], tile: [0..1, 0..2, 0..2], to: [0, 0, 0] };
        let mirrored = Part { flip: [false, false, true], tile: [0..1, 0..2, 0..1], to: [0, 1, 2] };
        sums.add(&logits, &[whole, mirrored], 0.5).unwrap();
        let class = |own: [f32; 4], seen: [f32; 2]| {
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| 0.5 * weights[i] * own[i]);
            [a, b, 0.0, c, d, 0.5 * weights[0] * seen[0], 0.0, 0.0, 0.5 * weights[2] * seen[1]]
        };
        let wanted = [class([1.0, 2.0, 3.0, 4.0], [10.0, 12.0]), class([5.0, 6.0, 7.0, 8.0], [14.0, 16.0])].concat();
        assert_eq!(sums.read(0..1).unwrap(), wanted);
    }

    #[test]
    fn slices_move_on() {
        let mut sums = LogitSums::new(&Device::cpu(), [1, 3, 1, 1], &[1.0; 3], [3, 1, 1]).unwrap();
        let logits = Value::from_f32(vec![1.0, 2.0, 3.0], &[1, 1, 3, 1, 1], &Device::cpu());
        sums.add(&logits, &[Part { flip: [true, false, false], tile: [0..3, 0..1, 0..1], to: [0; 3] }], 1.0).unwrap();
        assert_eq!(sums.read(0..3).unwrap(), [3.0, 2.0, 1.0]);
        sums.move_on(0);
        assert_eq!(sums.read(1..3).unwrap(), [2.0, 1.0]);
        sums.move_on(2);
        assert_eq!(sums.read(0..3).unwrap(), [1.0, 0.0, 0.0]);
        sums.move_on(7);
        assert_eq!(sums.read(0..3).unwrap(), [0.0; 3]);
    }
}
