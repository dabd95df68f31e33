//! Sums over the voxels of a norm, part by part, and the parts together.

use super::{FEW, Lengths, Share, Steps, UNITS, affine, base, before, share};
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Adds up both lists over the units that lie a multiple of `width` apart: the sums are those of the first `width` units.
#[cube]
fn tree(a: &mut Shared<[f32]>, b: &mut Shared<[f32]>, #[comptime] units: usize, #[comptime] width: usize) {
    let unit = UNIT_POS as usize;
    sync_cube();
    #[unroll]
    for halving in 0..comptime!((units / width).ilog2()) {
        let step = comptime!(units >> (halving + 1));
        if unit < step {
            a[unit] += a[unit + step];
            b[unit] += b[unit + step];
        }
        sync_cube();
    }
}

/// Writes the sums of a cube's units: two for each part of each (batch, channel).
#[cube]
fn write(sums: &mut [f32], first: f32, second: f32, s: &Share, l: &Lengths, #[comptime] width: usize) {
    let unit = UNIT_POS as usize;
    let mut a = Shared::new_slice(UNITS);
    let mut b = Shared::new_slice(UNITS);
    a[unit] = first;
    b[unit] = second;
    tree(&mut a, &mut b, UNITS, width);
    if unit < width && s.channel < l.channels {
        let at = 2 * (s.plane * l.parts + CUBE_POS_X as usize);
        sums[at] = a[unit];
        sums[at + 1] = b[unit];
    }
}

/// Sums of x and of its squares, both of the distance to the first voxel of the (batch, channel), so that a mean far from 0 takes no digits.
#[cube(launch, address_type = "dynamic")]
pub(super) fn moments_kernel<F: Float>(x: &[F], sums: &mut [f32], steps: Steps, l: Lengths, #[comptime] width: usize, #[define(F)] _kind: ElemType) {
    let s = share(&l, width);
    let base = base(&s, &steps);
    let mut plain = 0f32;
    let mut squares = 0f32;
    if s.first < s.end {
        let pivot = f32::cast_from(x[base]);
        for voxel in range_stepped(s.first, s.end, UNITS / width) {
            let apart = f32::cast_from(x[base + voxel * steps.voxel]) - pivot;
            plain += apart;
            squares += apart * apart;
        }
    }
    write(sums, plain, squares, &s, &l, width);
}

/// The parts of a (batch, channel) added up, in the first unit's places.
#[cube]
fn together(sums: &[f32], plane: usize, parts: usize, a: &mut Shared<[f32]>, b: &mut Shared<[f32]>) {
    let unit = UNIT_POS as usize;
    let mut first = 0f32;
    let mut second = 0f32;
    for part in range_stepped(unit, parts, FEW) {
        first += sums[2 * (plane * parts + part)];
        second += sums[2 * (plane * parts + part) + 1];
    }
    sync_cube();
    a[unit] = first;
    b[unit] = second;
    tree(a, b, FEW, 1usize);
}

/// Mean and 1 / deviation of each (batch, group): channels join one after the other (Chan et al. 1979).
#[cube(launch, address_type = "dynamic")]
pub(super) fn statistics_kernel<F: Float>(
    x: &[F],
    sums: &[f32],
    stats: &mut [f32],
    steps: Steps,
    l: Lengths,
    eps: f32,
    #[define(F)] _kind: ElemType,
) {
    let mut a = Shared::new_slice(FEW);
    let mut b = Shared::new_slice(FEW);
    let per_group = l.channels / l.groups;
    let (group, image) = (CUBE_POS_X as usize, CUBE_POS_Y as usize);
    let count = f32::cast_from(l.voxels);
    let mut mean = 0f32;
    let mut squares = 0f32;
    for i in 0..per_group {
        let channel = group * per_group + i;
        together(sums, image * l.channels + channel, l.parts, &mut a, &mut b);
        let plain = a[0];
        let own = b[0] - plain * plain / count;
        let apart = f32::cast_from(x[image * steps.image + channel * steps.channel]) + plain / count - mean;
        let before = f32::cast_from(i);
        mean += apart / (before + 1.0);
        squares += own + apart * apart * count * before / (before + 1.0);
    }
    if UNIT_POS == 0 {
        let mut variance = squares / (count * f32::cast_from(per_group));
        if variance < 0.0 {
            variance = 0.0;
        }
        let row = image * l.groups + group;
        stats[2 * row] = mean;
        stats[2 * row + 1] = 1.0 / (variance + eps).sqrt();
    }
}

/// Sums of the gradient before the activation and of its product with x - mean.
#[cube(launch, address_type = "dynamic")]
pub(super) fn products_kernel<F: Float, G: Float>(
    x: &[F],
    dy: &[G],
    stats: &[f32],
    scale: &[f32],
    shift: &[f32],
    sums: &mut [f32],
    x_steps: Steps,
    dy_steps: Steps,
    l: Lengths,
    slope: f32,
    #[comptime] width: usize,
    #[define(F, G)] _kinds: [ElemType; 2],
) {
    let s = share(&l, width);
    let (x_base, dy_base) = (base(&s, &x_steps), base(&s, &dy_steps));
    let affine = affine(&s, stats, scale, shift);
    let mut plain = 0f32;
    let mut product = 0f32;
    for voxel in range_stepped(s.first, s.end, UNITS / width) {
        let centred = f32::cast_from(x[x_base + voxel * x_steps.voxel]) - affine.mean;
        let dz = before(f32::cast_from(dy[dy_base + voxel * dy_steps.voxel]), centred * affine.factor + affine.shift, slope);
        plain += dz;
        product += dz * centred;
    }
    write(sums, plain, product, &s, &l, width);
}

/// From the sums of each (batch, channel) its part of the gradients for shift and scale (`planes`), and what the gradient for x takes off in each
/// (batch, group): a constant, and a multiple of x - mean (`rows`).
#[cube(launch, address_type = "dynamic")]
pub(super) fn rows_kernel(sums: &[f32], stats: &[f32], scale: &[f32], planes: &mut [f32], rows: &mut [f32], l: Lengths) {
    let mut a = Shared::new_slice(FEW);
    let mut b = Shared::new_slice(FEW);
    let per_group = l.channels / l.groups;
    let (group, image) = (CUBE_POS_X as usize, CUBE_POS_Y as usize);
    let row = image * l.groups + group;
    let rstd = stats[2 * row + 1];
    let mut plain = 0f32;
    let mut product = 0f32;
    for i in 0..per_group {
        let channel = group * per_group + i;
        let plane = image * l.channels + channel;
        together(sums, plane, l.parts, &mut a, &mut b);
        plain += a[0] * scale[channel];
        product += b[0] * rstd * scale[channel];
        if UNIT_POS == 0 {
            planes[2 * plane] = a[0];
            planes[2 * plane + 1] = b[0] * rstd;
        }
    }
    if UNIT_POS == 0 {
        let count = f32::cast_from(l.voxels) * f32::cast_from(per_group);
        rows[2 * row] = rstd * plain / count;
        rows[2 * row + 1] = rstd * rstd * product / count;
    }
}

/// The gradients for scale and shift: sums over the batch.
#[cube(launch, address_type = "dynamic")]
pub(super) fn channels_kernel(planes: &[f32], dscale: &mut [f32], dshift: &mut [f32], channels: usize, batch: usize) {
    let channel = ABSOLUTE_POS;
    if channel >= channels {
        terminate!();
    }
    let mut scale = 0f32;
    let mut shift = 0f32;
    for image in 0..batch {
        shift += planes[2 * (image * channels + channel)];
        scale += planes[2 * (image * channels + channel) + 1];
    }
    dscale[channel] = scale;
    dshift[channel] = shift;
}
