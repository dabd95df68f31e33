//! Sums over the voxels of each class, which losses are made of, and their gradient; see [`crate::kernels::ClassSums`]. First each voxel's largest logit and
//! the sum of its exponentials; then a cube takes a class and a part of the voxels; back, a unit takes a voxel.

use super::parts::{add_up, room};
use super::planes::{Planes, Steps};
use crate::kernels::ClassSums;
use burn::backend::fusion::custom::TensorSpec;
use burn::tensor::Shape;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

const UNITS: usize = 256;
/// Voxels that a unit takes at most.
const DEPTH: usize = 32;
/// Sums of a class.
const SUMS: usize = ClassSums::SUMS;

/// Lengths.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Lengths {
    classes: usize,
    voxels: usize,
    /// Voxels of the whole batch.
    all: usize,
    /// Parts of a sample's voxels.
    parts: usize,
}

/// The sums (B, C, 4), and the largest logit and the sum of each voxel (B, voxels, 2).
pub(super) fn results(x: &Shape) -> (TensorSpec, TensorSpec) {
    let voxels = x.iter().skip(2).product();
    (super::f32_of(Shape::from(vec![x[0], x[1], SUMS])), super::f32_of(Shape::from(vec![x[0], voxels, 2])))
}

fn parts(x: &Planes) -> usize {
    x.voxels.div_ceil(UNITS * DEPTH).max(1)
}

fn lengths(x: &Planes) -> LengthsLaunch {
    LengthsLaunch::new(x.channels, x.voxels, x.batch * x.voxels, parts(x))
}

/// Whether there is a weight for each voxel, and not a single 1 for all.
fn weighted(x: &Planes, weights: &CubeTensor) -> bool {
    weights.meta.shape().num_elements() == x.batch * x.voxels
}

pub(super) fn forward(x: CubeTensor, labels: CubeTensor, weights: CubeTensor) -> (CubeTensor, CubeTensor) {
    let x = Planes::of(x);
    let [labels, weights] = [labels, weights].map(into_contiguous);
    let (parts, weighted) = (parts(&x), weighted(&x, &weights));
    let scales = room(vec![x.batch, x.voxels, 2], &x.tensor);
    let sums = room(vec![x.batch, parts, x.channels * SUMS], &x.tensor);
    let client = x.tensor.client.clone();
    let addresses = x.addresses().max(scales.required_address_type());
    scales_kernel::launch(
        &client,
        super::in_rows(x.batch * x.voxels, UNITS),
        CubeDim::new_1d(UNITS as u32),
        addresses,
        x.arg(),
        scales.clone().into_buffer_arg(),
        x.steps(),
        lengths(&x),
        x.kind(),
    );
    sums_kernel::launch(
        &client,
        CubeCount::Static(parts as u32, x.channels as u32, x.batch as u32),
        CubeDim::new_1d(UNITS as u32),
        addresses,
        x.arg(),
        labels.into_buffer_arg(),
        weights.into_buffer_arg(),
        scales.clone().into_buffer_arg(),
        sums.clone().into_buffer_arg(),
        x.steps(),
        lengths(&x),
        weighted,
        x.kind(),
    );
    (add_up(sums, vec![x.batch, x.channels, SUMS]), scales)
}

/// The gradient for x from that of the sums; `scales` is what `forward` gave.
pub(super) fn backward(x: CubeTensor, labels: CubeTensor, weights: CubeTensor, scales: CubeTensor, g: CubeTensor) -> CubeTensor {
    let x = Planes::of(x);
    let [labels, weights, scales, g] = [labels, weights, scales, g].map(into_contiguous);
    let weighted = weighted(&x, &weights);
    let dx = Planes::of(x.like(x.tensor.meta.shape().clone(), x.tensor.dtype));
    grad_kernel::launch(
        &x.tensor.client,
        super::in_rows(x.batch * x.voxels, UNITS),
        CubeDim::new_1d(UNITS as u32),
        x.addresses().max(scales.required_address_type()),
        x.arg(),
        labels.into_buffer_arg(),
        weights.into_buffer_arg(),
        scales.into_buffer_arg(),
        g.into_buffer_arg(),
        dx.arg(),
        x.steps(),
        dx.steps(),
        lengths(&x),
        weighted,
        x.kind(),
    );
    dx.tensor
}

/// A voxel's largest logit, and the sum of the exponentials of what they are below it.
#[cube(launch, address_type = "dynamic")]
fn scales_kernel<F: Float>(x: &[F], scales: &mut [f32], steps: Steps, l: Lengths, #[define(F)] _kind: ElemType) {
    let at = ABSOLUTE_POS;
    if at >= l.all {
        terminate!();
    }
    let base = at / l.voxels * steps.image + at % l.voxels * steps.voxel;
    let mut top = f32::cast_from(x[base]);
    for class in 1..l.classes {
        let value = f32::cast_from(x[base + class * steps.channel]);
        top = select(value > top, value, top);
    }
    let mut sum = 0f32;
    for class in 0..l.classes {
        sum += (f32::cast_from(x[base + class * steps.channel]) - top).exp();
    }
    scales[2 * at] = top;
    scales[2 * at + 1] = sum;
}

/// (B, parts, C, 4)
#[cube(launch, address_type = "dynamic")]
fn sums_kernel<F: Float>(
    x: &[F],
    labels: &[i32],
    weights: &[f32],
    scales: &[f32],
    sums: &mut [f32],
    steps: Steps,
    l: Lengths,
    #[comptime] weighted: bool,
    #[define(F)] _kind: ElemType,
) {
    let unit = UNIT_POS as usize;
    let (part, class, image) = (CUBE_POS_X as usize, CUBE_POS_Y as usize, CUBE_POS_Z as usize);
    let own = i32::cast_from(class);
    let first = part * (UNITS * DEPTH);
    let end = clamp_max(first + UNITS * DEPTH, l.voxels);
    let base = image * steps.image + class * steps.channel;
    let mut overlap = 0f32;
    let mut predicted = 0f32;
    let mut actual = 0f32;
    let mut surprise = 0f32;
    for voxel in range_stepped(first + unit, end, UNITS) {
        let at = image * l.voxels + voxel;
        let apart = f32::cast_from(x[base + voxel * steps.voxel]) - scales[2 * at];
        let sum = scales[2 * at + 1];
        let mut weight = 1f32;
        if comptime!(weighted) {
            weight = weights[at];
        }
        let p = weight * apart.exp() / sum;
        predicted += p;
        if labels[at] == own {
            overlap += p;
            actual += weight;
            surprise += weight * (sum.ln() - apart);
        }
    }
    let mut lists = Shared::new_slice(comptime!(SUMS * UNITS));
    lists[unit] = overlap;
    lists[UNITS + unit] = predicted;
    lists[2 * UNITS + unit] = actual;
    lists[3 * UNITS + unit] = surprise;
    sync_cube();
    #[unroll]
    for halving in 0..comptime!(UNITS.ilog2()) {
        let step = comptime!(UNITS >> (halving + 1));
        if unit < step {
            #[unroll]
            for list in 0..SUMS {
                lists[list * UNITS + unit] += lists[list * UNITS + unit + step];
            }
        }
        sync_cube();
    }
    if unit < SUMS {
        sums[((image * l.parts + part) * l.classes + class) * SUMS + unit] = lists[unit * UNITS];
    }
}

/// See `Back` in `kernels/class_sums.rs` for the formula.
#[cube(launch, address_type = "dynamic")]
fn grad_kernel<F: Float>(
    x: &[F],
    labels: &[i32],
    weights: &[f32],
    scales: &[f32],
    g: &[f32],
    dx: &mut [F],
    x_steps: Steps,
    dx_steps: Steps,
    l: Lengths,
    #[comptime] weighted: bool,
    #[define(F)] _kind: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at >= l.all {
        terminate!();
    }
    let (image, voxel) = (at / l.voxels, at % l.voxels);
    let (base, dx_base) = (image * x_steps.image + voxel * x_steps.voxel, image * dx_steps.image + voxel * dx_steps.voxel);
    let (top, sum) = (scales[2 * at], scales[2 * at + 1]);
    let own = usize::cast_from(labels[at]);
    let row = image * l.classes * SUMS;
    let of_own = row + own * SUMS;
    let own_p = (f32::cast_from(x[base + own * x_steps.channel]) - top).exp() / sum;
    let mut share = g[of_own + 3] - own_p * g[of_own];
    for class in 0..l.classes {
        share -= (f32::cast_from(x[base + class * x_steps.channel]) - top).exp() / sum * g[row + class * SUMS + 1];
    }
    let mut weight = 1f32;
    if comptime!(weighted) {
        weight = weights[at];
    }
    for class in 0..l.classes {
        let p = (f32::cast_from(x[base + class * x_steps.channel]) - top).exp() / sum;
        let mut value = p * (g[row + class * SUMS + 1] + share);
        if class == own {
            value += p * g[of_own] - g[of_own + 3];
        }
        dx[dx_base + class * dx_steps.channel] = F::cast_from(weight * value);
    }
}
