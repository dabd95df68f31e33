//! How tiles cover an image, and how a tile's values are reached.

use std::ops::Range;

use super::points::Axis;
use super::tile::POINTS;
use crate::kernels::cells::Cells;
use crate::kernels::shape::{ConvShape, volume};
use crate::kernels::vector::Vector;

/// Tiles over images (B, D, H, W, C).
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// Voxels of the input.
    pub(super) input: [usize; 3],
    /// Voxels of the output.
    pub(super) output: [usize; 3],
    /// Zeros before the input.
    padding: [usize; 3],
    /// Outputs of a tile.
    step: [usize; 3],
    /// Tiles an axis.
    count: [usize; 3],
    /// Tiles of all images.
    pub(super) tiles: usize,
}

/// A box of voxels of one image, which may reach beyond it.
pub(super) struct Place {
    image: usize,
    first: [isize; 3],
}

impl Grid {
    pub(super) fn new<D: Axis, H: Axis, W: Axis>(s: &ConvShape, input: [usize; 3], output: [usize; 3], padding: [usize; 3]) -> Self {
        let step = [D::OUTPUTS, H::OUTPUTS, W::OUTPUTS];
        let count: [usize; 3] = std::array::from_fn(|a| output[a].div_ceil(step[a]));
        Self { input, output, padding, step, count, tiles: s.batch * volume(count) }
    }

    /// Where a tile's outputs lie.
    pub(super) fn outputs(&self, tile: usize) -> Place {
        let [_, rows, columns] = self.count;
        let place = [tile / (rows * columns) % self.count[0], tile / columns % rows, tile % columns];
        Place { image: tile / volume(self.count), first: std::array::from_fn(|a| (place[a] * self.step[a]) as isize) }
    }

    /// Where a tile's inputs lie.
    pub(super) fn inputs(&self, tile: usize) -> Place {
        let place = self.outputs(tile);
        Place { first: std::array::from_fn(|a| place.first[a] - self.padding[a] as isize), ..place }
    }
}

impl Place {
    /// Which of the box's voxels lie within an image of this size.
    pub(super) fn inside(&self, extent: [usize; 3], size: [usize; 3]) -> [Range<usize>; 3] {
        std::array::from_fn(|a| {
            let within = |v: isize| v.clamp(0, extent[a] as isize) as usize;
            within(-self.first[a])..within(size[a] as isize - self.first[a])
        })
    }

    /// The place of the box's first voxel in an image whose voxels lie `step` values apart. It may lie outside.
    pub(super) fn origin(&self, size: [usize; 3], step: usize) -> isize {
        let [d, h, w] = self.first;
        let [depth, height, width] = size.map(|n| n as isize);
        (((self.image as isize * depth + d) * height + h) * width + w) * step as isize
    }
}

/// Values between neighbours along each axis, of voxels that lie `step` values apart.
pub(super) fn steps(size: [usize; 3], step: usize) -> [usize; 3] {
    [size[1] * size[2] * step, size[2] * step, step]
}

/// Room for a copy of a box.
pub(super) type Copy = [f32; POINTS * 16];

/// Where the values of a box are for the vector of channels from `channel` on, and their steps: in `x` itself, or in
/// `copy` where the box reaches beyond the image or the vector beyond the channels; what lies outside is zero there.
///
/// # Safety
/// The processor has `V`'s instructions.
#[inline(always)]
pub(super) unsafe fn values<V: Vector>(
    x: &Cells,
    size: [usize; 3],
    place: &Place,
    extent: [usize; 3],
    channel: usize,
    copy: &mut Copy,
) -> (*const f32, [usize; 3]) {
    let [depths, heights, widths] = place.inside(extent, size);
    let origin = place.origin(size, x.step) + channel as isize;
    let step = steps(size, x.step);
    let (live, x) = ((x.channels - channel).min(V::LANES), x.values);
    let inside = depths.len() == extent[0] && heights.len() == extent[1] && widths.len() == extent[2];
    if live == V::LANES && inside {
        return (x.as_ptr().wrapping_offset(origin), step);
    }
    copy[..extent[0] * extent[1] * extent[2] * V::LANES].fill(0.0);
    let local = [extent[1] * extent[2] * V::LANES, extent[2] * V::LANES, V::LANES];
    for d in depths {
        for h in heights.clone() {
            for w in widths.clone() {
                let from = origin.wrapping_add_unsigned(d * step[0] + h * step[1] + w * step[2]) as usize;
                let to = d * local[0] + h * local[1] + w * local[2];
                if live == V::LANES {
                    // SAFETY: the voxel is inside the image and the vector within its channels.
                    unsafe { V::load(x.as_ptr().add(from)).store(copy.as_mut_ptr().add(to)) };
                } else {
                    copy[to..to + live].copy_from_slice(&x[from..from + live]);
                }
            }
        }
    }
    (copy.as_ptr(), local)
}
