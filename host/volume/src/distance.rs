//! Exact Euclidean distances to a mask, and which of its voxels is nearest.
//!
//! One pass an axis over the lower envelope of parabolas (Felzenszwalb and Huttenlocher 2012, doi 10.4086/toc.2012.v008a019),
//! so the time is linear in the number of voxels whatever the mask.

use ndarray::{Array3, ArrayRef3, ArrayViewMut1, Axis, Zip};

/// [`Nearest::index`] where the mask is empty.
pub const NOWHERE: u32 = u32::MAX;

/// The nearest voxel of a mask, for each voxel of a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// (z, y, x) squared distance in mm²: 0 on the mask, infinite where the mask is empty.
    pub squared: Array3<f64>,
    /// (z, y, x) row-major index of the nearest voxel of the mask, [`NOWHERE`] where it is empty.
    pub index: Array3<u32>,
}

/// Finds the nearest voxel of `mask` (z, y, x) for each voxel; `spacing` in mm, z, y, x.
///
/// Where several are equally near, which one is named is unspecified but does not depend on the number of threads.
pub fn nearest(mask: &ArrayRef3<bool>, spacing: [f64; 3]) -> Nearest {
    let mut squared = mask.mapv(|inside| if inside { 0.0 } else { f64::INFINITY });
    let mut index = Array3::from_elem(mask.raw_dim(), NOWHERE);
    for (position, (index, &inside)) in index.iter_mut().zip(mask).enumerate() {
        if inside {
            *index = position as u32;
        }
    }
    for axis in [2, 1, 0] {
        let step = spacing[axis] * spacing[axis];
        Zip::from(squared.lanes_mut(Axis(axis))).and(index.lanes_mut(Axis(axis))).par_for_each(|squared, index| pass(squared, index, step));
    }
    Nearest { squared, index }
}

/// Distance of each voxel to the nearest voxel of `mask` (z, y, x) in mm; infinite where the mask is empty.
pub fn distance(mask: &ArrayRef3<bool>, spacing: [f64; 3]) -> Array3<f32> {
    nearest(mask, spacing).squared.mapv(|squared| squared.sqrt() as f32)
}

/// A parabola of the lower envelope.
struct Parabola {
    /// Sample on which it stands.
    vertex: usize,
    /// Its value there.
    height: f64,
    /// The voxel it comes from.
    index: u32,
    /// From here on it is the lowest, until the next one begins.
    from: f64,
}

/// `squared[i]` becomes the least of `squared[j] + step * (i - j)^2`, and `index[i]` that `index[j]`.
fn pass(mut squared: ArrayViewMut1<'_, f64>, mut index: ArrayViewMut1<'_, u32>, step: f64) {
    let mut envelope: Vec<Parabola> = Vec::with_capacity(squared.len());
    for (vertex, (&height, &index)) in squared.iter().zip(&index).enumerate() {
        if index == NOWHERE {
            continue;
        }
        let mut from = f64::NEG_INFINITY;
        while let Some(last) = envelope.last() {
            let (a, b) = (last.vertex as f64, vertex as f64);
            from = (height - last.height) / (2.0 * step * (b - a)) + (a + b) / 2.0;
            if from > last.from {
                break;
            }
            envelope.pop();
            from = f64::NEG_INFINITY;
        }
        envelope.push(Parabola { vertex, height, index, from });
    }
    let mut lowest = envelope.iter().peekable();
    let Some(mut current) = lowest.next() else { return };
    for (i, (squared, index)) in squared.iter_mut().zip(&mut index).enumerate() {
        while let Some(next) = lowest.next_if(|next| next.from <= i as f64) {
            current = next;
        }
        let along = i.abs_diff(current.vertex) as f64;
        *squared = current.height + step * along * along;
        *index = current.index;
    }
}
