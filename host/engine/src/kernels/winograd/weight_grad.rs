//! The gradient for a convolution's weights, through points.

use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

use super::forward::{Inputs, block_tiles};
use super::grid::{Grid, values};
use super::points::Axis;
use super::product;
use super::tile::{self, POINTS, points};
use super::weights::{self, Channels};
use crate::kernels::buffer::Buffer;
use crate::kernels::cells::Cells;
use crate::kernels::level::{Job, Level};
use crate::kernels::shape::ConvShape;
use crate::kernels::shared::Shared;
use crate::kernels::vector::Vector;

/// Weights' points above which the tasks share the points, not the tiles: there is one sum, not one for each part of the tiles.
const WIDE: usize = 1 << 20;
/// Parts that sum their tiles, at most. Sums depend on it, so it is no function of the threads.
const PARTS: usize = 12;
/// Values of all parts' sums, about.
const SUMS: usize = 1 << 22;
/// Values of all tiles' points, at most, where they go together.
const TOGETHER: usize = 1 << 24;

/// (O, I, taps) from `x` (B, input, I) and `dy` (B, output, O).
pub(super) fn weight_grad<D: Axis, H: Axis, W: Axis>(level: Level, s: &ConvShape, x: &[Cells], dy: &[f32]) -> Buffer {
    let channels = Channels::new(level, s.input_channels, s.output_channels);
    let grid = Grid::new::<D, H, W>(s, s.input, s.output(), s.padding);
    let run = Run::<D, H, W> { level, channels, grid: &grid, x, dy: Cells::whole(dy, s.output_channels), axes: PhantomData };
    let (tiles, sums) = (grid.tiles, points::<D, H, W>() * channels.weights());
    let values = points::<D, H, W>() * (channels.input_blocks() * channels.lanes + channels.output_blocks() * channels.width());
    let parts: Vec<Buffer> = if sums > WIDE {
        let together = (TOGETHER / values).clamp(1, tiles);
        let mut sum = Buffer::zeros(sums);
        let blocks = tiles.div_ceil(together);
        (0..blocks).for_each(|b| run.block(b * tiles / blocks..(b + 1) * tiles / blocks, true, &mut sum));
        vec![sum]
    } else {
        let count = block_tiles(level, channels.vectors, values);
        let blocks = tiles.div_ceil(count);
        let parts = (SUMS / sums).clamp(1, PARTS.min(blocks));
        let part = |part: usize| {
            let mut sum = Buffer::zeros(sums);
            for b in part * blocks / parts..(part + 1) * blocks / parts {
                run.block(b * count..((b + 1) * count).min(tiles), false, &mut sum);
            }
            sum
        };
        (0..parts).into_par_iter().map(part).collect()
    };
    let mut dw = Buffer::take(s.weight_len());
    weights::back::<D, H, W>(level, channels, &parts, &mut dw);
    dw
}

struct Run<'a, D, H, W> {
    level: Level,
    channels: Channels,
    grid: &'a Grid,
    x: &'a [Cells<'a>],
    dy: Cells<'a>,
    axes: PhantomData<(D, H, W)>,
}

impl<D: Axis, H: Axis, W: Axis> Run<'_, D, H, W> {
    /// Adds some tiles' products, by one task or by many.
    fn block(&self, tiles: Range<usize>, spread: bool, sum: &mut [f32]) {
        let (c, count, first) = (self.channels, tiles.len(), tiles.start);
        let all = points::<D, H, W>();
        let mut x = Buffer::take(all * c.input_blocks() * count * c.lanes);
        let mut dy = Buffer::take(all * c.output_blocks() * count * c.width());
        let (to_x, to_dy) = (Shared::new(&mut x), Shared::new(&mut dy));
        pieces(spread, count, |piece| {
            let inputs = Inputs::<D, H, W> { grid: self.grid, x: self.x, first, count, piece: piece.clone(), to: to_x, axes: PhantomData };
            self.level.run(inputs);
            self.level.run(Gradients { run: self, first, count, piece, to: to_dy });
        });
        let to = Shared::new(sum);
        pieces(spread, all, |points| self.level.run(product::Gradient { channels: c, tiles: count, x: &x, dy: &dy, points, to }));
    }
}

/// Calls `f` with all of `0..count`, or with its pieces from several threads.
fn pieces(spread: bool, count: usize, f: impl Fn(Range<usize>) + Sync) {
    const PIECE: usize = 4;
    if !spread {
        return f(0..count);
    }
    (0..count.div_ceil(PIECE)).into_par_iter().for_each(|i| f(i * PIECE..((i + 1) * PIECE).min(count)));
}

/// Tiles of the output's gradient as (point, output block, tile, output).
struct Gradients<'a, 'r, D, H, W> {
    run: &'a Run<'r, D, H, W>,
    first: usize,
    count: usize,
    piece: Range<usize>,
    to: Shared<'a>,
}

impl<D: Axis, H: Axis, W: Axis> Job for Gradients<'_, '_, D, H, W> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Run { channels: c, grid, dy, .. } = self.run;
        let extent = [D::OUTPUTS, H::OUTPUTS, W::OUTPUTS];
        let mut copy = [0f32; POINTS * 16];
        for tile in self.piece {
            let place = grid.outputs(self.first + tile);
            for vector in 0..c.output_blocks() * c.vectors {
                let (block, part) = (vector / c.vectors, vector % c.vectors);
                let to = self.to.at((block * self.count + tile) * c.width() + part * V::LANES);
                let to_step = c.output_blocks() * self.count * c.width();
                let channel = vector * V::LANES;
                // SAFETY: the processor has the instructions, and this task alone writes this tile's points.
                unsafe {
                    if channel >= c.outputs {
                        for point in 0..points::<D, H, W>() {
                            V::splat(0.0).store(to.wrapping_add(point * to_step));
                        }
                        continue;
                    }
                    let (dy, step) = values::<V>(dy, grid.output, &place, extent, channel, &mut copy);
                    tile::gradient::<V, D, H, W>(dy, step, to, to_step);
                }
            }
        }
    }
}
