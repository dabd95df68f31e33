//! Blocks of voxels as rows of a matrix, and back: a transposed convolution without gaps or overlap is a product of such matrices, and so are its gradients.

use super::planes::{Planes, Steps, kind};
use burn::tensor::Shape;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::{numeric::empty_device_contiguous_dtype, permute_nhwc_to_nchw};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

const UNITS: usize = 256;
/// Neighbouring channels that a unit moves.
const RUN: usize = 8;

/// Lengths: of blocks, and blocks along each axis.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Grid {
    depth: usize,
    height: usize,
    width: usize,
    blocks_deep: usize,
    blocks_high: usize,
    blocks_wide: usize,
    channels: usize,
}

/// From (B, C, D, H, W) the rows (blocks, voxels of a block times C).
pub(super) fn gather(x: CubeTensor, block: [usize; 3]) -> CubeTensor {
    let shape = shape(x.meta.shape(), block);
    let x = Planes::of(x);
    let rows = empty_device_contiguous_dtype(x.tensor.client.clone(), x.tensor.device.clone(), shape, x.tensor.dtype);
    launch(&rows, &x, block, true);
    rows
}

/// That of `gather`.
pub(super) fn shape(x: &Shape, block: [usize; 3]) -> Shape {
    let voxels: usize = block.iter().product();
    Shape::from(vec![x.num_elements() / (x[1] * voxels).max(1), voxels * x[1]])
}

/// From rows those of which [`gather`] would make them; channels last in memory.
pub(super) fn spread(rows: CubeTensor, block: [usize; 3], whole: [usize; 5]) -> CubeTensor {
    let rows = into_contiguous(rows);
    let [batch, channels, d, h, w] = whole;
    let room = empty_device_contiguous_dtype(rows.client.clone(), rows.device.clone(), Shape::from(vec![batch, d, h, w, channels]), rows.dtype);
    let x = Planes::of(permute_nhwc_to_nchw(room));
    launch(&rows, &x, block, false);
    x.tensor
}

fn launch(rows: &CubeTensor, big: &Planes, block: [usize; 3], gathers: bool) {
    let (small, voxels) = (rows.clone().into_buffer_arg(), big.arg());
    let (from, to) = if gathers { (voxels, small) } else { (small, voxels) };
    let shape = big.tensor.meta.shape();
    let run = if big.channels.is_multiple_of(RUN) { RUN } else { 1 };
    let blocks: [usize; 3] = std::array::from_fn(|a| shape[a + 2] / block[a]);
    let count = shape.num_elements() / run;
    move_kernel::launch(
        &rows.client,
        super::in_rows(count, UNITS),
        CubeDim::new_1d(UNITS as u32),
        rows.required_address_type().max(big.addresses()),
        from,
        to,
        big.steps(),
        GridLaunch::new(block[0], block[1], block[2], blocks[0], blocks[1], blocks[2], big.channels),
        count,
        run,
        gathers,
        kind(rows),
    );
}

/// A unit moves `run` channels of a voxel.
#[cube(launch, address_type = "dynamic")]
fn move_kernel<F: Float>(
    from: &[F],
    to: &mut [F],
    steps: Steps,
    g: Grid,
    count: usize,
    #[comptime] run: usize,
    #[comptime] gathers: bool,
    #[define(F)] _kind: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at >= count {
        terminate!();
    }
    let runs = g.channels / run;
    let channel = at % runs * run;
    let voxel = at / runs;
    let (high, wide) = (g.blocks_high * g.height, g.blocks_wide * g.width);
    let (x, y, slice) = (voxel % wide, voxel / wide % high, voxel / (wide * high));
    let deep = g.blocks_deep * g.depth;
    let (z, image) = (slice % deep, slice / deep);
    let row = ((image * g.blocks_deep + z / g.depth) * g.blocks_high + y / g.height) * g.blocks_wide + x / g.width;
    let tap = (z % g.depth * g.height + y % g.height) * g.width + x % g.width;
    let small = (row * (g.depth * g.height * g.width) + tap) * g.channels + channel;
    let big = image * steps.image + ((z * high + y) * wide + x) * steps.voxel + channel * steps.channel;
    #[unroll]
    for i in 0..run {
        if comptime!(gathers) {
            to[small + i] = from[big + i * steps.channel];
        } else {
            to[big + i * steps.channel] = from[small + i];
        }
    }
}
