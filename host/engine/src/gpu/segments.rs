//! Sums over the voxels of each segment. A cube looks at some voxels together; each of its units has a segment of its own and adds up, in order, what
//! belongs to it, so that no two units add to one place.

use super::parts::{add_up, room};
use burn::tensor::Shape;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Units of a cube: voxels that it looks at together, and segments.
const UNITS: usize = 256;
/// How often it takes voxels.
const TILES: usize = 16;

/// (B, C, k)
pub(super) fn shape(x: &Shape, k: usize) -> Shape {
    Shape::from(vec![x[0], x[1], k])
}

/// Sums of x (B, C, spatial...) over the voxels of each of `k` ids (B, 1 or C, spatial...): (B, C, k).
pub(super) fn sums(x: CubeTensor, ids: CubeTensor, k: usize) -> CubeTensor {
    let (x, ids) = (into_contiguous(x), into_contiguous(ids));
    let lengths = x.meta.shape().clone();
    let (rows, channels, voxels) = (lengths[0] * lengths[1], lengths[1], lengths.iter().skip(2).product::<usize>());
    let parts = voxels.div_ceil(UNITS * TILES).max(1);
    let sums = room(vec![rows, parts, k], &x);
    let shared = channels / ids.meta.shape()[1];
    segments_kernel::launch(
        &x.client,
        CubeCount::Static(parts as u32, rows as u32, k.div_ceil(UNITS) as u32),
        CubeDim::new_1d(UNITS as u32),
        x.required_address_type().max(sums.required_address_type()),
        x.clone().into_buffer_arg(),
        ids.into_buffer_arg(),
        sums.clone().into_buffer_arg(),
        voxels,
        parts,
        k,
        shared,
    );
    add_up(sums, shape(&lengths, k).iter().copied().collect())
}

/// `shared` rows of x have the same row of ids.
#[cube(launch, address_type = "dynamic")]
fn segments_kernel(x: &[f32], ids: &[i32], sums: &mut [f32], voxels: usize, parts: usize, k: usize, shared: usize) {
    let unit = UNIT_POS as usize;
    let (part, row) = (CUBE_POS_X as usize, CUBE_POS_Y as usize);
    let segment = CUBE_POS_Z as usize * UNITS + unit;
    let own = i32::cast_from(segment);
    let mut values = Shared::new_slice(UNITS);
    let mut places = Shared::new_slice(UNITS);
    let mut total = 0f32;
    for tile in 0..TILES {
        let voxel = (part * TILES + tile) * UNITS + unit;
        let mut value = 0f32;
        let mut place = 0i32;
        if voxel < voxels {
            value = x[row * voxels + voxel];
            place = ids[row / shared * voxels + voxel];
        }
        sync_cube();
        values[unit] = value;
        places[unit] = place;
        sync_cube();
        for other in 0..UNITS {
            if places[other] == own {
                total += values[other];
            }
        }
    }
    if segment < k {
        sums[(row * parts + part) * k + segment] = total;
    }
}
