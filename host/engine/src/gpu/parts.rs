//! Sums that cubes took of their part of the voxels, added up in the order of the parts.

use burn::tensor::{DType, Shape};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

const UNITS: usize = 64;

/// Room for f32.
pub(super) fn room(shape: Vec<usize>, beside: &CubeTensor) -> CubeTensor {
    empty_device_contiguous_dtype(beside.client.clone(), beside.device.clone(), Shape::from(shape), DType::F32)
}

/// Of (rows, parts, n) the sums over the parts, as `shape`, which has rows * n values.
pub(super) fn add_up(sums: CubeTensor, shape: Vec<usize>) -> CubeTensor {
    let of_sums = sums.meta.shape().clone();
    let (parts, n) = (of_sums[1], of_sums[2]);
    let all = room(shape, &sums);
    add_up_kernel::launch(
        &all.client,
        super::in_rows(of_sums[0] * n, UNITS),
        CubeDim::new_1d(UNITS as u32),
        sums.required_address_type(),
        sums.into_buffer_arg(),
        all.clone().into_buffer_arg(),
        parts,
        n,
        of_sums[0] * n,
    );
    all
}

#[cube(launch, address_type = "dynamic")]
fn add_up_kernel(sums: &[f32], all: &mut [f32], parts: usize, n: usize, count: usize) {
    let at = ABSOLUTE_POS;
    if at >= count {
        terminate!();
    }
    let base = at / n * parts * n + at % n;
    let mut total = 0f32;
    for part in 0..parts {
        total += sums[base + part * n];
    }
    all[at] = total;
}
