//! Resizing axis after axis: a unit blends two values, or gathers the gradient from the blends that took from its value.

use super::planes::table;
use super::with_length;
use crate::kernels::Blend;
use burn::tensor::DType;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

/// (outer, from, inner) -> (outer, to, inner). `places` are [low, high] of each blend, `weights` the high one's.
#[cube(launch, address_type = "dynamic")]
fn blend_kernel(x: &[f32], places: &[u32], weights: &[f32], y: &mut [f32], from: usize, to: usize, inner: usize, units: usize) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let blend = ABSOLUTE_POS / inner % to;
    let base = ABSOLUTE_POS / (inner * to) * (from * inner) + ABSOLUTE_POS % inner;
    let weight = weights[blend];
    let mut value = x[base + places[2 * blend] as usize * inner];
    if weight != 0.0 {
        value = (1.0 - weight) * value + weight * x[base + places[2 * blend + 1] as usize * inner];
    }
    y[ABSOLUTE_POS] = value;
}

/// (outer, to, inner) -> (outer, from, inner). `takers` are the first blend that takes from a place and the one behind the last.
#[cube(launch, address_type = "dynamic")]
fn blend_grad_kernel(
    dy: &[f32],
    places: &[u32],
    weights: &[f32],
    takers: &[u32],
    dx: &mut [f32],
    from: usize,
    to: usize,
    inner: usize,
    units: usize,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let here = ABSOLUTE_POS / inner % from;
    let base = ABSOLUTE_POS / (inner * from) * (to * inner) + ABSOLUTE_POS % inner;
    let mut total = 0f32;
    for blend in takers[2 * here] as usize..takers[2 * here + 1] as usize {
        let (weight, dy) = (weights[blend], dy[base + blend * inner]);
        if places[2 * blend] as usize == here {
            total += (1.0 - weight) * dy;
        }
        if places[2 * blend + 1] as usize == here {
            total += weight * dy;
        }
    }
    dx[ABSOLUTE_POS] = total;
}

/// [low, high] of each blend, and the weights.
fn listed(blends: &[Blend]) -> (Vec<u32>, Vec<u32>) {
    let places = blends.iter().flat_map(|blend| [blend.low as u32, blend.high as u32]).collect();
    (places, blends.iter().map(|blend| blend.weight.to_bits()).collect())
}

/// For each place the first blend that takes from it and the one behind the last; places only rise.
fn takers(blends: &[Blend], from: usize) -> Vec<u32> {
    let place = |here: usize| {
        let first = blends.partition_point(|blend| blend.high < here);
        [first as u32, blends.partition_point(|blend| blend.low <= here).max(first) as u32]
    };
    (0..from).flat_map(place).collect()
}

/// Contiguous input, output, how many values lie behind the axis, and cubes for one unit an output.
fn sides(x: CubeTensor, axis: usize, to: usize) -> (CubeTensor, CubeTensor, usize, CubeCount, CubeDim, usize) {
    let x = into_contiguous(x);
    let inner = x.meta.shape().iter().skip(axis + 1).product();
    let y = empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), with_length(x.meta.shape(), axis, to), DType::F32);
    let units = y.meta.shape().num_elements();
    let dim = CubeDim::new(&y.client, units);
    let count = calculate_cube_count_elemwise(&y.client, units, dim);
    (x, y, inner, count, dim, units)
}

pub(super) fn blend(x: CubeTensor, axis: usize, blends: &[Blend]) -> CubeTensor {
    let from = x.meta.shape()[axis];
    let (x, y, inner, count, dim, units) = sides(x, axis, blends.len());
    let (places, weights) = listed(blends);
    blend_kernel::launch(
        &y.client,
        count,
        dim,
        x.required_address_type().max(y.required_address_type()),
        x.into_buffer_arg(),
        table(&places, &y),
        table(&weights, &y),
        y.clone().into_buffer_arg(),
        from,
        blends.len(),
        inner,
        units,
    );
    y
}

pub(super) fn blend_grad(dy: CubeTensor, axis: usize, from: usize, blends: &[Blend]) -> CubeTensor {
    let (dy, dx, inner, count, dim, units) = sides(dy, axis, from);
    let (places, weights) = listed(blends);
    blend_grad_kernel::launch(
        &dx.client,
        count,
        dim,
        dy.required_address_type().max(dx.required_address_type()),
        dy.into_buffer_arg(),
        table(&places, &dx),
        table(&weights, &dx),
        table(&takers(blends, from), &dx),
        dx.clone().into_buffer_arg(),
        from,
        blends.len(),
        inner,
        units,
    );
    dx
}
