//! From one grid to another, whole or block by block.

use super::axis::{self, Taps};
use super::{Order, ResampleOptions, clip_to_range_of};
use ndarray::{Array3, ArrayRef3, Axis, CowArray, s};
use std::ops::Range;

/// A box of voxels: a range of each of z, y, x.
pub type Block = [Range<usize>; 3];

/// How the voxels of one grid come from those of another.
///
/// A block of the new grid needs a block of the old one, and comes out as it would of the whole volume, bit by bit.
///
/// ```
/// use volume::resample::{Regrid, ResampleOptions};
/// let volume = ndarray::Array3::from_shape_fn((4, 3, 3), |(z, y, x)| (z * y + x) as f32);
/// let regrid = Regrid::new([4, 3, 3], [8, 3, 6], [2.0, 1.0, 2.0], [1.0; 3], Some(&ResampleOptions::LABELS));
/// let whole = regrid.resample(&volume, [0; 3], &[0..8, 0..3, 0..6]);
/// let source = regrid.source(&[2..4, 0..3, 0..6]);
/// assert_eq!(source, [0..3, 0..3, 0..3]);
/// let part = volume.slice(ndarray::s![0..3, .., ..]);
/// assert_eq!(regrid.resample(&part, [0; 3], &[2..4, 0..3, 0..6]), whole.slice(ndarray::s![2..4, .., ..]));
/// ```
#[derive(Debug, Clone)]
pub struct Regrid {
    old: [usize; 3],
    new: [usize; 3],
    /// In order; a separate axis comes last, and an axis that keeps its length has none.
    passes: Vec<Pass>,
    /// How many of the passes come before the overshoot of a spline is cut; `None`: there is none.
    cut_after: Option<usize>,
    /// The axis whose slices are cut each by itself.
    separate: Option<usize>,
}

#[derive(Debug, Clone)]
struct Pass {
    axis: usize,
    order: Order,
    taps: Vec<Taps>,
}

impl Regrid {
    /// From the shape `old` (z, y, x) to `new`; spacings are mm in the same order. Without options the grids are the same.
    ///
    /// # Panics
    /// Where `old` has no voxel but `new` has, or where they differ without options.
    pub fn new(old: [usize; 3], new: [usize; 3], current_spacing: [f64; 3], new_spacing: [f64; 3], options: Option<&ResampleOptions>) -> Self {
        let Some(options) = options.filter(|_| old != new) else {
            assert_eq!(old, new, "grids that differ need options");
            return Self { old, new, passes: Vec::new(), cut_after: None, separate: None };
        };
        assert!(new.contains(&0) || !old.contains(&0), "nothing comes of no voxels");
        let separate = options.separate_axis(current_spacing, new_spacing);
        let growth = |axis: usize| new[axis] as f64 / old[axis] as f64;
        let mut axes: Vec<usize> = (0..3).filter(|&axis| Some(axis) != separate).collect();
        // what shrinks goes first: less work for the others
        axes.sort_by(|&a, &b| growth(a).total_cmp(&growth(b)));
        let pass = |axis: usize, order| Pass { axis, order, taps: axis::taps(old[axis], new[axis], order) };
        let mut passes: Vec<Pass> = axes.into_iter().filter(|&axis| old[axis] != new[axis]).map(|axis| pass(axis, options.order)).collect();
        let cut_after = (options.order == Order::Cubic).then_some(passes.len());
        passes.extend(separate.filter(|&axis| old[axis] != new[axis]).map(|axis| pass(axis, options.order_z)));
        Self { old, new, passes, cut_after, separate }
    }

    /// The shape of the new grid (z, y, x).
    pub fn new_shape(&self) -> [usize; 3] {
        self.new
    }

    /// All of the new grid.
    pub fn whole(&self) -> Block {
        self.new.map(|length| 0..length)
    }

    /// Whether a block needs along `axis` only what lies around it; a cubic spline needs all.
    pub fn is_local(&self, axis: usize) -> bool {
        let cut = self.cut_after.is_some() && self.separate != Some(axis);
        !cut && !self.passes.iter().any(|pass| pass.axis == axis && pass.order == Order::Cubic)
    }

    /// The block of the old grid that `target`, a block of the new one, comes from.
    pub fn source(&self, target: &Block) -> Block {
        std::array::from_fn(|axis| {
            let (old, target) = (self.old[axis], target[axis].clone());
            if target.is_empty() {
                return 0..0;
            }
            if !self.is_local(axis) {
                return 0..old;
            }
            match self.passes.iter().find(|pass| pass.axis == axis) {
                Some(pass) => {
                    let first = |k: usize| pass.taps[k].first.unsigned_abs();
                    first(target.start)..(first(target.end - 1) + pass.order.taps()).min(old)
                }
                None => target,
            }
        })
    }

    /// How many voxels of the new grid along `axis`, from 0 on, come from the first `known` of the old one.
    pub fn complete(&self, axis: usize, known: usize) -> usize {
        let one = |k: usize| std::array::from_fn(|other| if other == axis { k..k + 1 } else { 0..self.new[other].min(1) });
        // sources are in order
        let (mut low, mut high) = (0, self.new[axis]);
        while low < high {
            let middle = (low + high) / 2;
            if self.source(&one(middle))[axis].end <= known { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The voxels of the block `target` of the new grid, from a part of the old one whose first voxel is `at`.
    ///
    /// Passes over the axes hold `f32` between them and reckon in `f64`.
    ///
    /// # Panics
    /// Where `part` does not hold [`Regrid::source`].
    pub fn resample(&self, part: &ArrayRef3<f32>, at: [usize; 3], target: &Block) -> Array3<f32> {
        let source = self.source(target);
        let [z, y, x]: Block = std::array::from_fn(|axis| source[axis].start - at[axis]..source[axis].end - at[axis]);
        let part = part.slice(s![z, y, x]);
        let mut block = CowArray::from(part);
        for (index, pass) in self.passes.iter().enumerate() {
            if self.cut_after == Some(index) {
                block = self.cut(&part, block.into_owned()).into();
            }
            let (taps, first) = (&pass.taps[target[pass.axis].clone()], source[pass.axis].start);
            block = axis::resize(block.view(), pass.axis, taps, first, pass.order).into();
        }
        if self.cut_after == Some(self.passes.len()) {
            block = self.cut(&part, block.into_owned()).into();
        }
        // an axis without a pass has more than was asked for where cutting wanted all of it
        let passes = |axis: usize| self.passes.iter().any(|pass| pass.axis == axis);
        for axis in (0..3).filter(|&axis| source[axis] != target[axis] && !passes(axis)) {
            block.slice_axis_inplace(Axis(axis), (target[axis].start - source[axis].start..target[axis].end - source[axis].start).into());
        }
        block.into_owned()
    }

    /// Cuts what a spline overshot the range of `source`.
    fn cut(&self, source: &ArrayRef3<f32>, mut block: Array3<f32>) -> Array3<f32> {
        match self.separate {
            None => clip_to_range_of(source, &mut block),
            Some(axis) => {
                for (slice, mut target) in source.axis_iter(Axis(axis)).zip(block.axis_iter_mut(Axis(axis))) {
                    clip_to_range_of(&slice, &mut target);
                }
            }
        }
        block
    }
}
