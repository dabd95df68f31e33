//! Activations in blocks of channels with zeros before and after each row: what the direct kernels read, in f32 or in pairs of bf16.

use std::ops::{Deref, Range};

use rayon::prelude::*;

use super::buffer::Buffer;
use super::rounded;

/// What a value of a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// An f32.
    Single,
    /// Two neighbouring channels of a voxel, bf16.
    Channels,
    /// A channel of every `every`-th voxel of a row and of the voxel `apart` further, bf16.
    Columns { apart: usize, every: usize },
}

/// (B, D, H, W, C) as (B, group, block, D, H, halo + W + halo, width); or as it is, where that is all the same.
pub(super) struct Blocked<'a> {
    /// The values.
    pub(super) values: Values<'a>,
    /// Values of a block's voxel; the last block of a group may be filled up with zeros.
    pub(super) width: usize,
    /// Values between neighbouring voxels of a block.
    pub(super) step: usize,
    /// Blocks of a group.
    pub(super) blocks: usize,
    groups: usize,
    /// Rows of an image.
    lines: usize,
    height: usize,
    /// Cells of a row.
    columns: usize,
    /// Cells before a row's first.
    before: usize,
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
    /// Rearranges `x` (B, D, H, W, groups * channels); `width` values of this form make a block, whatever they stand for.
    pub(super) fn pack(x: &'a [f32], groups: usize, channels: usize, width: usize, size: [usize; 3], halo: [usize; 2], form: Form) -> Self {
        let [depth, height, columns] = size;
        let (all, lines) = (groups * channels, depth * height);
        // channels of a block
        let wide = if form == Form::Channels { 2 * width } else { width };
        let blocks = channels.div_ceil(wide);
        if form == Form::Single && halo == [0, 0] && channels.is_multiple_of(width) {
            return Self { values: Values::Given(x), width, step: all, blocks, groups, lines, height, columns, before: 0 };
        }
        let batch = if x.is_empty() { 0 } else { x.len() / (all * lines * columns) };
        let padded = halo[0] + columns + halo[1];
        let cells = if let Form::Columns { every, .. } = form { padded.div_ceil(every) } else { padded };
        let fill = |index: usize, row: &mut [f32]| {
            let (block, line) = (index / lines, index % lines);
            let (image, group, block) = (block / blocks / groups, block / blocks % groups, block % blocks);
            let x = &x[(image * lines + line) * columns * all..][..columns * all];
            let live = block_channels(channels, wide, block);
            fill_row(row, x, all, group * channels + live.start..group * channels + live.end, wide, halo[0] * wide);
        };
        let mut values = Buffer::take(batch * groups * blocks * lines * cells * width);
        let rows = values.par_chunks_mut(cells * width).with_min_len(8).enumerate();
        let scratch = || Buffer::take(padded * wide);
        match form {
            Form::Single => rows.for_each(|(index, row)| fill(index, row)),
            Form::Channels => rows.for_each_init(scratch, |scratch, (index, row)| {
                fill(index, scratch);
                rounded::neighbours(scratch, row);
            }),
            Form::Columns { apart, every } => rows.for_each_init(scratch, |scratch, (index, row)| {
                fill(index, scratch);
                rounded::cells(scratch, width, apart, every, row);
            }),
        }
        Self { values: Values::Made(values), width, step: width, blocks, groups, lines, height, columns: cells, before: halo[0] }
    }

    /// Where cell `place` of a row lies; `place` may be in the halo.
    pub(super) fn at(&self, batch: usize, group: usize, block: usize, z: usize, y: usize, place: isize) -> usize {
        let line = z * self.height + y;
        if let Values::Given(_) = self.values {
            let column = ((batch * self.lines + line) * self.columns).wrapping_add_signed(place);
            return column * self.step + (group * self.blocks + block) * self.width;
        }
        let row = ((batch * self.groups + group) * self.blocks + block) * self.lines + line;
        (row * self.columns + self.before).wrapping_add_signed(place) * self.width
    }
}

/// Some channels of a row of voxels with `all` channels each, `width` values a cell, `before` zeros before and zeros behind them.
fn fill_row(row: &mut [f32], x: &[f32], all: usize, channels: Range<usize>, width: usize, before: usize) {
    let (before, rest) = row.split_at_mut(before);
    let (inside, after) = rest.split_at_mut(x.len() / all * width);
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
}

/// The channels of a group that lie in a block.
pub(super) fn block_channels(channels: usize, width: usize, block: usize) -> Range<usize> {
    block * width..((block + 1) * width).min(channels)
}
