//! Group normalisation with the leaky ReLU behind it; with as many groups as channels, instance normalisation.
//!
//! All passes over voxels have one form: a cube of 256 units takes `width` neighbouring channels of an image, 1 where voxels are neighbours in memory
//! and up to 32 where channels are, and a part of the voxels; a unit keeps its channel. Sums are f32: within a unit, then as a tree
//! over the cube, then over the parts in order. How many parts there are depends on shapes alone.

mod passes;
mod sums;

use super::parts::room;
use super::planes::{Planes, Steps};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::AddressType;
use cubecl::prelude::*;

/// Units of a cube that passes over voxels.
const UNITS: usize = 256;
/// Units of a cube that adds parts up.
const FEW: usize = 64;
/// Voxels that a unit takes at least, so that a cube is worth its start.
const DEPTH: usize = 16;
/// Cubes of a pass over voxels that are enough for any GPU.
const CUBES: usize = 4096;

/// Lengths.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Lengths {
    channels: usize,
    groups: usize,
    voxels: usize,
    /// Voxels of a part.
    part: usize,
    /// Parts of an image's voxels.
    parts: usize,
}

/// How the voxels are shared out.
#[derive(Clone, Copy)]
struct Pass {
    batch: usize,
    channels: usize,
    groups: usize,
    voxels: usize,
    width: usize,
    part: usize,
    parts: usize,
}

impl Pass {
    fn over(x: &Planes, groups: usize) -> Self {
        let width = if x.channels_last() { x.channels.next_power_of_two().min(32) } else { 1 };
        let columns = x.batch * x.channels.div_ceil(width);
        let height = UNITS / width;
        let most = x.voxels.div_ceil(height * DEPTH).max(1);
        let part = x.voxels.div_ceil((CUBES / columns.max(1)).clamp(1, most)).max(1);
        Self { batch: x.batch, channels: x.channels, groups, voxels: x.voxels, width, part, parts: x.voxels.div_ceil(part).max(1) }
    }

    /// A cube for each part of each set of channels.
    fn cubes(&self) -> CubeCount {
        CubeCount::Static(self.parts as u32, self.channels.div_ceil(self.width) as u32, self.batch as u32)
    }

    /// A cube for each (batch, group).
    fn rows(&self) -> CubeCount {
        CubeCount::Static(self.groups as u32, self.batch as u32, 1)
    }

    fn lengths(&self) -> LengthsLaunch {
        LengthsLaunch::new(self.channels, self.groups, self.voxels, self.part, self.parts)
    }

    /// Two sums for each part of each (batch, channel).
    fn room(&self, beside: &CubeTensor) -> CubeTensor {
        room(vec![self.batch * self.channels, self.parts, 2], beside)
    }
}

fn of_units(units: usize) -> CubeDim {
    CubeDim::new_1d(units as u32)
}

/// Mean and 1 / deviation of each (batch, group).
pub(super) fn statistics(x: CubeTensor, groups: usize, eps: f32) -> CubeTensor {
    let x = Planes::of(x);
    let pass = Pass::over(&x, groups);
    let client = x.tensor.client.clone();
    let (sums, stats) = (pass.room(&x.tensor), room(vec![pass.batch * groups, 2], &x.tensor));
    let addresses = x.addresses();
    sums::moments_kernel::launch(
        &client,
        pass.cubes(),
        of_units(UNITS),
        addresses,
        x.arg(),
        sums.clone().into_buffer_arg(),
        x.steps(),
        pass.lengths(),
        pass.width,
        x.kind(),
    );
    sums::statistics_kernel::launch(
        &client,
        pass.rows(),
        of_units(FEW),
        addresses,
        x.arg(),
        sums.into_buffer_arg(),
        stats.clone().into_buffer_arg(),
        x.steps(),
        pass.lengths(),
        eps,
        x.kind(),
    );
    stats
}

/// The norm and the activation.
pub(super) fn forward(x: CubeTensor, stats: CubeTensor, scale: CubeTensor, shift: CubeTensor, slope: f32) -> CubeTensor {
    let x = Planes::of(x);
    let pass = Pass::over(&x, stats.meta.shape()[0] / x.batch.max(1));
    let y = Planes::of(x.like(x.tensor.meta.shape().clone(), x.tensor.dtype));
    passes::forward_kernel::launch(
        &x.tensor.client,
        pass.cubes(),
        of_units(UNITS),
        x.addresses(),
        x.arg(),
        into_contiguous(stats).into_buffer_arg(),
        into_contiguous(scale).into_buffer_arg(),
        into_contiguous(shift).into_buffer_arg(),
        y.arg(),
        x.steps(),
        y.steps(),
        pass.lengths(),
        slope,
        pass.width,
        x.kind(),
    );
    y.tensor
}

/// The gradients for x, scale and shift from that of the activation's output.
pub(super) fn backward(
    x: CubeTensor,
    stats: CubeTensor,
    affine: [CubeTensor; 2],
    dy: CubeTensor,
    slope: f32,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let (x, dy) = (Planes::of(x), Planes::of(dy));
    let pass = Pass::over(&x, stats.meta.shape()[0] / x.batch.max(1));
    let client = x.tensor.client.clone();
    let addresses: AddressType = x.addresses().max(dy.addresses());
    let [scale, shift] = affine.map(into_contiguous);
    let stats = into_contiguous(stats);
    let dx = Planes::of(x.like(x.tensor.meta.shape().clone(), x.tensor.dtype));
    let (sums, rows, planes) =
        (pass.room(&x.tensor), room(vec![pass.batch * pass.groups, 2], &x.tensor), room(vec![pass.batch * pass.channels, 2], &x.tensor));
    let (dscale, dshift) = (room(vec![pass.channels], &x.tensor), room(vec![pass.channels], &x.tensor));
    sums::products_kernel::launch(
        &client,
        pass.cubes(),
        of_units(UNITS),
        addresses,
        x.arg(),
        dy.arg(),
        stats.clone().into_buffer_arg(),
        scale.clone().into_buffer_arg(),
        shift.clone().into_buffer_arg(),
        sums.clone().into_buffer_arg(),
        x.steps(),
        dy.steps(),
        pass.lengths(),
        slope,
        pass.width,
        [x.kind(), dy.kind()],
    );
    sums::rows_kernel::launch(
        &client,
        pass.rows(),
        of_units(FEW),
        addresses,
        sums.into_buffer_arg(),
        stats.clone().into_buffer_arg(),
        scale.clone().into_buffer_arg(),
        planes.clone().into_buffer_arg(),
        rows.clone().into_buffer_arg(),
        pass.lengths(),
    );
    sums::channels_kernel::launch(
        &client,
        CubeCount::Static(pass.channels.div_ceil(FEW) as u32, 1, 1),
        of_units(FEW),
        addresses,
        planes.into_buffer_arg(),
        dscale.clone().into_buffer_arg(),
        dshift.clone().into_buffer_arg(),
        pass.channels,
        pass.batch,
    );
    passes::backward_kernel::launch(
        &client,
        pass.cubes(),
        of_units(UNITS),
        addresses,
        x.arg(),
        dy.arg(),
        stats.into_buffer_arg(),
        scale.into_buffer_arg(),
        shift.into_buffer_arg(),
        rows.into_buffer_arg(),
        dx.arg(),
        x.steps(),
        dy.steps(),
        dx.steps(),
        pass.lengths(),
        slope,
        pass.width,
        [x.kind(), dy.kind()],
    );
    (dx.tensor, dscale, dshift)
}

/// What a unit works on: its channel of an image, and the voxels from `first` to before `end`, each `height`-th.
#[derive(CubeType, Clone, Copy)]
struct Share {
    image: usize,
    channel: usize,
    /// (batch, channel) and (batch, group).
    plane: usize,
    row: usize,
    first: usize,
    end: usize,
}

#[cube]
fn share(l: &Lengths, #[comptime] width: usize) -> Share {
    let unit = UNIT_POS as usize;
    let image = CUBE_POS_Z as usize;
    let channel = CUBE_POS_Y as usize * width + unit % width;
    let start = CUBE_POS_X as usize * l.part;
    // beyond the last channel there is nothing to do
    let end = select(channel < l.channels, clamp_max(start + l.part, l.voxels), 0usize);
    Share {
        image,
        channel,
        plane: image * l.channels + channel,
        row: image * l.groups + channel / (l.channels / l.groups),
        first: start + unit / width,
        end,
    }
}

#[cube]
fn base(s: &Share, steps: &Steps) -> usize {
    s.image * steps.image + s.channel * steps.channel
}

/// `(x - mean) * factor + shift`.
#[derive(CubeType, Clone, Copy)]
struct Affine {
    mean: f32,
    factor: f32,
    shift: f32,
}

/// The unit's; where it has no channel, that of none.
#[cube]
fn affine(s: &Share, stats: &[f32], scale: &[f32], shift: &[f32]) -> Affine {
    let mut mean = 0f32;
    let mut factor = 0f32;
    let mut add = 0f32;
    if s.first < s.end {
        mean = stats[2 * s.row];
        factor = stats[2 * s.row + 1] * scale[s.channel];
        add = shift[s.channel];
    }
    Affine { mean, factor, shift: add }
}

/// A gradient behind a leaky ReLU as that before it.
#[cube]
fn before(dy: f32, z: f32, slope: f32) -> f32 {
    select(z > 0.0, dy, slope * dy)
}
