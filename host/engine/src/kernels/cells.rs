//! Whole voxels: copies and sums of channels-last values, some of whose voxels lie further apart than they are long.

use rayon::prelude::*;

use super::buffer::Buffer;

/// Values of a task, about.
const TASK: usize = 1 << 14;

/// Voxels of `channels` values each, `step` values apart.
#[derive(Clone, Copy)]
pub struct Cells<'a> {
    /// From the first voxel to the last.
    pub values: &'a [f32],
    /// Values between the starts of neighbouring voxels.
    pub step: usize,
    /// Values of a voxel.
    pub channels: usize,
}

impl<'a> Cells<'a> {
    /// Voxels without gaps.
    pub fn whole(values: &'a [f32], channels: usize) -> Self {
        Self { values, step: channels, channels }
    }

    fn part(&self, first: usize, count: usize) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let (values, step, channels) = (self.values, self.step, self.channels);
        (first..first + count).map(move |voxel| &values[voxel * step..][..channels])
    }
}

/// The channels of all parts side by side, `voxels` of them; of one part a copy without gaps.
pub fn join(parts: &[Cells], voxels: usize) -> Buffer {
    let channels: usize = parts.iter().map(|part| part.channels).sum();
    let mut y = Buffer::take(voxels * channels);
    let together = (TASK / channels.max(1)).max(1);
    y.par_chunks_mut((together * channels).max(1)).enumerate().for_each(|(chunk, y)| {
        let (count, mut first) = (y.len() / channels, 0);
        for part in parts {
            for (to, from) in y.chunks_exact_mut(channels).zip(part.part(chunk * together, count)) {
                to[first..first + part.channels].copy_from_slice(from);
            }
            first += part.channels;
        }
    });
    y
}

/// The sum of two values of one shape, without gaps.
pub fn add(a: Cells, b: Cells, voxels: usize) -> Buffer {
    assert_eq!(a.channels, b.channels, "two shapes");
    let mut y = Buffer::take(voxels * a.channels);
    let together = (TASK / a.channels.max(1)).max(1);
    y.par_chunks_mut((together * a.channels).max(1)).enumerate().for_each(|(chunk, y)| {
        let (first, count) = (chunk * together, y.len() / a.channels);
        for ((y, a), b) in y.chunks_exact_mut(a.channels).zip(a.part(first, count)).zip(b.part(first, count)) {
            y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (a, b))| *y = a + b);
        }
    });
    y
}
