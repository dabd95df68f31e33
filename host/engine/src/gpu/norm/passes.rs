//! The passes of a norm that write values: the result, and the gradient for x.

use super::{Lengths, Steps, UNITS, affine, base, before, share};
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// The norm and the activation.
#[cube(launch, address_type = "dynamic")]
pub(super) fn forward_kernel<F: Float>(
    x: &[F],
    stats: &[f32],
    scale: &[f32],
    shift: &[f32],
    y: &mut [F],
    x_steps: Steps,
    y_steps: Steps,
    l: Lengths,
    slope: f32,
    #[comptime] width: usize,
    #[define(F)] _kind: ElemType,
) {
    let s = share(&l, width);
    let (x_base, y_base) = (base(&s, &x_steps), base(&s, &y_steps));
    let affine = affine(&s, stats, scale, shift);
    for voxel in range_stepped(s.first, s.end, UNITS / width) {
        let z = (f32::cast_from(x[x_base + voxel * x_steps.voxel]) - affine.mean) * affine.factor + affine.shift;
        y[y_base + voxel * y_steps.voxel] = F::cast_from(before(z, z, slope));
    }
}

/// `rstd (scale dz - constant) - multiple (x - mean)`, dz the gradient before the activation; constant and multiple are those of `rows`.
#[cube(launch, address_type = "dynamic")]
pub(super) fn backward_kernel<F: Float, G: Float>(
    x: &[F],
    dy: &[G],
    stats: &[f32],
    scale: &[f32],
    shift: &[f32],
    rows: &[f32],
    dx: &mut [F],
    x_steps: Steps,
    dy_steps: Steps,
    dx_steps: Steps,
    l: Lengths,
    slope: f32,
    #[comptime] width: usize,
    #[define(F, G)] _kinds: [ElemType; 2],
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
        let centred = f32::cast_from(x[x_base + voxel * x_steps.voxel]) - affine.mean;
        let dz = before(f32::cast_from(dy[dy_base + voxel * dy_steps.voxel]), centred * affine.factor + affine.shift, slope);
        dx[dx_base + voxel * dx_steps.voxel] = F::cast_from(affine.factor * dz - constant - multiple * centred);
    }
}
