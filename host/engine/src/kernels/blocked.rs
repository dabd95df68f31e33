//! Activations in blocks of channels, channels last within a block, with zeros before and after each row.

use std::ops::Range;

use rayon::prelude::*;

use super::scratch::Scratch;
use super::transpose::interleave;

/// Most channels of a block.
const MOST: usize = 32;

/// (B, C, D, H, W) as (B, group, block, D, H, halo + W + halo, width): what the micro-kernels read.
pub(super) struct Blocked {
    /// The values.
    pub(super) values: Scratch,
    /// Channels of a block; the last block of a group may be filled up with zeros.
    pub(super) width: usize,
    /// Blocks of a group.
    pub(super) blocks: usize,
    groups: usize,
    size: [usize; 3],
    halo: [usize; 2],
}

/// Splits the channels of a group into even blocks of at most `most`.
pub(super) fn even_width(channels: usize, most: usize) -> usize {
    channels.div_ceil(channels.div_ceil(most).max(1)).max(1)
}

impl Blocked {
    /// Rearranges `x` (B, groups * channels, D, H, W).
    pub(super) fn pack(x: &[f32], groups: usize, channels: usize, width: usize, size: [usize; 3], halo: [usize; 2]) -> Self {
        let blocks = channels.div_ceil(width);
        let [depth, height, columns] = size;
        let voxels = depth * height * columns;
        let batch = if x.is_empty() { 0 } else { x.len() / (groups * channels * voxels) };
        let row = (halo[0] + columns + halo[1]) * width;
        let mut values = Scratch::take(batch * groups * blocks * depth * height * row);
        values.par_chunks_mut(row).with_min_len(8).enumerate().for_each(|(index, row)| {
            let (block, line) = (index / (depth * height), index % (depth * height));
            let (group, block) = (block / blocks, block % blocks);
            let plane = |channel| &x[(group * channels + channel) * voxels + line * columns..][..columns];
            let (before, rest) = row.split_at_mut(halo[0] * width);
            let (inside, after) = rest.split_at_mut(columns * width);
            let mut planes = [&x[..0]; MOST];
            let live = block_channels(channels, width, block);
            let planes = &mut planes[..live.len()];
            planes.iter_mut().zip(live).for_each(|(to, channel)| *to = plane(channel));
            before.fill(0.0);
            interleave(planes, inside, width);
            after.fill(0.0);
        });
        Self { values, width, blocks, groups, size, halo }
    }

    /// Where column `place` of a row lies; `place` may be in the halo.
    pub(super) fn at(&self, batch: usize, group: usize, block: usize, z: usize, y: usize, place: isize) -> usize {
        let row = (((batch * self.groups + group) * self.blocks + block) * self.size[0] + z) * self.size[1] + y;
        let columns = self.halo[0] + self.size[2] + self.halo[1];
        (row * columns + self.halo[0]).wrapping_add_signed(place) * self.width
    }
}

/// The channels of a group that lie in a block.
pub(super) fn block_channels(channels: usize, width: usize, block: usize) -> Range<usize> {
    block * width..((block + 1) * width).min(channels)
}
