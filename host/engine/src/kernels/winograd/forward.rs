//! A convolution through points: the forward pass, and the input's gradient as the adjoint's forward pass.

use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

use super::grid::{Grid, steps, values};
use super::points::Axis;
use super::product;
use super::tile::{self, POINTS, Sink, points};
use super::weights::{self, Channels};
use crate::kernels::buffer::Buffer;
use crate::kernels::cells::Cells;
use crate::kernels::level::{Job, Level};
use crate::kernels::shape::{ConvShape, volume};
use crate::kernels::shared::Shared;
use crate::kernels::vector::Vector;

/// Values of a block of tiles' points, about: they stay in the second cache.
const BLOCK: usize = 250_000;

/// (B, input, I) -> (B, output, O), or the adjoint's (B, output, O) -> (B, input, I).
pub(super) fn forward<D: Axis, H: Axis, W: Axis>(level: Level, s: &ConvShape, adjoint: bool, x: &[Cells], w: &[f32], bias: Option<&[f32]>) -> Buffer {
    let (inputs, outputs) = if adjoint { (s.output_channels, s.input_channels) } else { (s.input_channels, s.output_channels) };
    let channels = Channels::new(level, inputs, outputs);
    let (from, to) = if adjoint { (s.output(), s.input) } else { (s.input, s.output()) };
    let padding = std::array::from_fn(|a| if adjoint { s.kernel[a] - 1 - s.padding[a] } else { s.padding[a] });
    let grid = Grid::new::<D, H, W>(s, from, to, padding);
    let mut padded_bias = vec![0.0; channels.output_blocks() * channels.width()];
    if let Some(bias) = bias {
        padded_bias[..outputs].copy_from_slice(bias);
    }
    let weights = weights::transform::<D, H, W>(level, channels, w, adjoint);
    let mut y = Buffer::take(s.batch * volume(to) * outputs);
    let run = Run::<D, H, W> { level, channels, grid: &grid, x, weights: &weights, bias: &padded_bias, y: Shared::new(&mut y), axes: PhantomData };
    run.all();
    y
}

struct Run<'a, D, H, W> {
    level: Level,
    channels: Channels,
    grid: &'a Grid,
    x: &'a [Cells<'a>],
    weights: &'a [f32],
    bias: &'a [f32],
    y: Shared<'a>,
    axes: PhantomData<(D, H, W)>,
}

/// How many tiles a block has whose tiles have `values` values each; not much fewer than fill the product's registers.
pub(super) fn block_tiles(level: Level, vectors: usize, values: usize) -> usize {
    let rows = level.rows(vectors);
    (BLOCK / values).clamp(rows / 2, 4 * rows)
}

impl<D: Axis, H: Axis, W: Axis> Run<'_, D, H, W> {
    fn all(&self) {
        let (c, tiles) = (self.channels, self.grid.tiles);
        let values = points::<D, H, W>() * (c.input_blocks() * c.lanes + c.width());
        let count = block_tiles(self.level, c.vectors, values);
        (0..tiles.div_ceil(count)).into_par_iter().for_each(|b| self.block(b * count..((b + 1) * count).min(tiles)));
    }

    fn block(&self, tiles: Range<usize>) {
        let (c, count, first) = (self.channels, tiles.len(), tiles.start);
        let all = points::<D, H, W>();
        let mut x = Buffer::take(all * c.input_blocks() * count * c.lanes);
        let mut sums = Buffer::take(all * count * c.width());
        let to = Shared::new(&mut x);
        let inputs = Inputs::<D, H, W> { grid: self.grid, x: self.x, first, count, piece: 0..count, to, axes: PhantomData };
        self.level.run(inputs);
        for block in 0..c.output_blocks() {
            let to = Shared::new(&mut sums);
            self.level.run(product::Forward { channels: c, tiles: count, x: &x, weights: self.weights, block, points: 0..all, to });
            self.level.run(Outputs::<D, H, W> { run: self, sums: &sums, block, first, count });
        }
    }
}

/// Tiles of the input as (point, input block, tile, input).
pub(super) struct Inputs<'a, D, H, W> {
    pub(super) grid: &'a Grid,
    /// The channels, a whole number of vectors in each part but the last.
    pub(super) x: &'a [Cells<'a>],
    /// The block's first tile.
    pub(super) first: usize,
    /// Tiles of the block.
    pub(super) count: usize,
    /// Which of them.
    pub(super) piece: Range<usize>,
    pub(super) to: Shared<'a>,
    pub(super) axes: PhantomData<(D, H, W)>,
}

impl<D: Axis, H: Axis, W: Axis> Job for Inputs<'_, D, H, W> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let blocks: usize = self.x.iter().map(|part| part.channels.div_ceil(V::LANES)).sum();
        let to_step = blocks * self.count * V::LANES;
        let extent = [D::POINTS, H::POINTS, W::POINTS];
        let mut copy = [0f32; POINTS * 16];
        for tile in self.piece {
            let place = self.grid.inputs(self.first + tile);
            let inside = place.inside(extent, self.grid.input);
            let whole = (0..3).all(|a| inside[a].len() == extent[a]);
            let mut block = 0;
            for part in self.x {
                let origin = part.values.as_ptr().wrapping_offset(place.origin(self.grid.input, part.step));
                let apart = steps(self.grid.input, part.step);
                for channel in (0..part.channels).step_by(V::LANES) {
                    let to = self.to.at((block * self.count + tile) * V::LANES);
                    // SAFETY: the processor has the instructions, and this task alone writes this tile's points; of the inputs
                    // those inside the image are read.
                    unsafe {
                        let (x, step, whole) = if part.channels - channel < V::LANES {
                            let (x, step) = values::<V>(part, self.grid.input, &place, extent, channel, &mut copy);
                            (x, step, true)
                        } else {
                            (origin.wrapping_add(channel), apart, whole)
                        };
                        if whole {
                            tile::input::<V, D, H, W, true>(x, step, &inside, to, to_step);
                        } else {
                            tile::input::<V, D, H, W, false>(x, step, &inside, to, to_step);
                        }
                    }
                    block += 1;
                }
            }
        }
    }
}

/// Sums (point, tile, output) of a block of outputs to the result.
struct Outputs<'a, 'r, D, H, W> {
    run: &'a Run<'r, D, H, W>,
    sums: &'a [f32],
    block: usize,
    first: usize,
    count: usize,
}

impl<D: Axis, H: Axis, W: Axis> Job for Outputs<'_, '_, D, H, W> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Run { channels: c, grid, y, bias, .. } = self.run;
        let extent = [D::OUTPUTS, H::OUTPUTS, W::OUTPUTS];
        for tile in 0..self.count {
            let place = grid.outputs(self.first + tile);
            for vector in 0..c.vectors {
                let channel = self.block * c.width() + vector * V::LANES;
                if channel >= c.outputs {
                    continue;
                }
                // SAFETY: the processor has the instructions; the sums have this tile; the voxels that are written are inside
                // the image and those of this tile alone.
                unsafe {
                    let voxels = Voxels {
                        bias: V::load(bias.as_ptr().add(channel)),
                        y: *y,
                        origin: place.origin(grid.output, c.outputs) as usize + channel,
                        step: steps(grid.output, c.outputs),
                        live: (c.outputs - channel).min(V::LANES),
                        limit: place.inside(extent, grid.output).map(|range| range.end),
                    };
                    let sums = self.sums.as_ptr().add(tile * c.width() + vector * V::LANES);
                    if voxels.limit == extent && voxels.live == V::LANES {
                        tile::output::<V, D, H, W>(sums, self.count * c.width(), &mut Whole(voxels));
                    } else {
                        tile::output::<V, D, H, W>(sums, self.count * c.width(), &mut Part(voxels));
                    }
                }
            }
        }
    }
}

/// The voxels of a tile of the result.
struct Voxels<'a, V> {
    bias: V,
    y: Shared<'a>,
    origin: usize,
    step: [usize; 3],
    /// Channels of the vector.
    live: usize,
    /// Voxels inside the image along each axis.
    limit: [usize; 3],
}

impl<V> Voxels<'_, V> {
    #[inline(always)]
    fn at(&self, [d, h, w]: [usize; 3]) -> usize {
        self.origin + d * self.step[0] + h * self.step[1] + w * self.step[2]
    }
}

/// All voxels are inside the image, and all channels are there.
struct Whole<'a, V>(Voxels<'a, V>);

impl<V: Vector> Sink<V> for Whole<'_, V> {
    #[inline(always)]
    unsafe fn put(&mut self, voxel: [usize; 3], value: V) {
        // SAFETY: the processor has the instructions; the voxel is inside the image and its channels are this tile's alone.
        unsafe { value.add(self.0.bias).store(self.0.y.at(self.0.at(voxel))) }
    }
}

/// Some are.
struct Part<'a, V>(Voxels<'a, V>);

impl<V: Vector> Sink<V> for Part<'_, V> {
    #[inline(always)]
    unsafe fn put(&mut self, voxel: [usize; 3], value: V) {
        let Voxels { bias, y, live, limit, .. } = &self.0;
        if (0..3).any(|a| voxel[a] >= limit[a]) {
            return;
        }
        // SAFETY: as for the whole.
        unsafe {
            let mut lanes = [0f32; 16];
            value.add(*bias).store(lanes.as_mut_ptr());
            y.part(self.0.at(voxel), *live).copy_from_slice(&lanes[..*live]);
        }
    }
}
