//! Activations in blocks of channels with zeros before and after each row: what the direct kernels read.

use std::ops::{Deref, Range};

use rayon::prelude::*;

use super::buffer::Buffer;

/// (B, D, H, W, C) as (B, group, block, D, H, halo + W + halo, width); or as it is, where no halo is asked for and all blocks are full.
pub(super) struct Blocked<'a> {
    /// The values.
    pub(super) values: Values<'a>,
    /// Channels of a block; the last block of a group may be filled up with zeros.
    pub(super) width: usize,
    /// Values between neighbouring voxels of a block.
    pub(super) step: usize,
    /// Blocks of a group.
    pub(super) blocks: usize,
    groups: usize,
    size: [usize; 3],
    halo: [usize; 2],
}

/// Values in place, or rearranged.
pub(super) enum Values<'a> {
    Given(&'a [f32]),
    Made(Buffer),
}

impl Deref for Values<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Given(values) => values,
            Self::Made(values) => values,
        }
    }
}

/// Splits the channels of a group into even blocks of at most `most`.
pub(super) fn even_width(channels: usize, most: usize) -> usize {
    channels.div_ceil(channels.div_ceil(most).max(1)).max(1)
}

impl<'a> Blocked<'a> {
    /// Rearranges `x` (B, D, H, W, groups * channels).
    pub(super) fn pack(x: &'a [f32], groups: usize, channels: usize, width: usize, size: [usize; 3], halo: [usize; 2]) -> Self {
        let blocks = channels.div_ceil(width);
        let [depth, height, columns] = size;
        let (all, lines) = (groups * channels, depth * height);
        if halo == [0, 0] && channels.is_multiple_of(width) {
            return Self { values: Values::Given(x), width, step: all, blocks, groups, size, halo };
        }
        let batch = if x.is_empty() { 0 } else { x.len() / (all * lines * columns) };
        let row = (halo[0] + columns + halo[1]) * width;
        let mut values = Buffer::take(batch * groups * blocks * lines * row);
        values.par_chunks_mut(row).with_min_len(8).enumerate().for_each(|(index, row)| {
            let (block, line) = (index / lines, index % lines);
            let (image, group, block) = (block / blocks / groups, block / blocks % groups, block % blocks);
            let x = &x[(image * lines + line) * columns * all..][..columns * all];
            let live = block_channels(channels, width, block);
            let channels = group * channels + live.start..group * channels + live.end;
            let (before, rest) = row.split_at_mut(halo[0] * width);
            let (inside, after) = rest.split_at_mut(columns * width);
            before.fill(0.0);
            if channels.len() == all && width == all {
                inside.copy_from_slice(x);
            } else {
                for (cell, voxel) in inside.chunks_exact_mut(width).zip(x.chunks_exact(all)) {
                    let (live, rest) = cell.split_at_mut(channels.len());
                    live.copy_from_slice(&voxel[channels.clone()]);
                    rest.fill(0.0);
                }
            }
            after.fill(0.0);
        });
        Self { values: Values::Made(values), width, step: width, blocks, groups, size, halo }
    }

    /// Where column `place` of a row lies; `place` may be in the halo.
    pub(super) fn at(&self, batch: usize, group: usize, block: usize, z: usize, y: usize, place: isize) -> usize {
        let line = z * self.size[1] + y;
        let lines = self.size[0] * self.size[1];
        if let Values::Given(_) = self.values {
            let column = ((batch * lines + line) * self.size[2]).wrapping_add_signed(place);
            return column * self.step + (group * self.blocks + block) * self.width;
        }
        let row = ((batch * self.groups + group) * self.blocks + block) * lines + line;
        let columns = self.halo[0] + self.size[2] + self.halo[1];
        (row * columns + self.halo[0]).wrapping_add_signed(place) * self.width
    }
}

/// The channels of a group that lie in a block.
pub(super) fn block_channels(channels: usize, width: usize, block: usize) -> Range<usize> {
    block * width..((block + 1) * width).min(channels)
}
