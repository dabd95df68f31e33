//! The passes of a norm that write values: the result, and the gradient for x.

use super::{Lengths, Steps, UNITS, affine, base, before, share};
use cubecl::prelude::*;

/// The norm and the activation.
#[cube(launch, address_type = "dynamic")]
pub(super) fn forward_kernel(
    x: &[f32],
    stats: &[f32],
    scale: &[f32],
    shift: &[f32],
    y: &mut [f32],
    x_steps: Steps,
    y_steps: Steps,
    l: Lengths,
    slope: f32,
    #[comptime] width: usize,
) {
    let s = share(&l, width);
    let (x_base, y_base) = (base(&s, &x_steps), base(&s, &y_steps));
    let affine = affine(&s, stats, scale, shift);
    for voxel in range_stepped(s.first, s.end, UNITS / width) {
        let z = (x[x_base + voxel * x_steps.voxel] - affine.mean) * affine.factor + affine.shift;
        y[y_base + voxel * y_steps.voxel] = before(z, z, slope);
    }
}

/// `rstd (scale dz - constant) - multiple (x - mean)`, dz the gradient before the activation; constant and multiple are those of `rows`.
#[cube(launch, address_type = "dynamic")]
pub(super) fn backward_kernel(
    x: &[f32],
    dy: &[f32],
    stats: &[f32],
    scale: &[f32],
    shift: &[f32],
    rows: &[f32],
    dx: &mut [f32],
    x_steps: Steps,
    dy_steps: Steps,
    dx_steps: Steps,
    l: Lengths,
    slope: f32,
    #[comptime] width: usize,
) {
    let s = share(&l, width);
    let (x_base, dy_base, dx_base) = (base(&s, &x_steps), base(&s, &dy_steps), base(&s, &dx_steps));
    let affine = affine(&s, stats, scale, shift);
    let mut constant = 0f32;
    let mut multiple = 0f32;
    if s.first < s.end {
        constant = rows[2 * s.row];
        multiple = rows[2 * s.row + 1];
    }
    for voxel in range_stepped(s.first, s.end, UNITS / width) {
        let centred = x[x_base + voxel * x_steps.voxel] - affine.mean;
        let dz = before(dy[dy_base + voxel * dy_steps.voxel], centred * affine.factor + affine.shift, slope);
        dx[dx_base + voxel * dx_steps.voxel] = affine.factor * dz - constant - multiple * centred;
    }
}
