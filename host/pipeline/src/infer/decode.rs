//! From logits to labels, class by class.

use ndarray::{Array3, ArrayRef3, ArrayView4, ArrayViewMut3, Axis, Zip};
use rayon::prelude::*;
use volume::resample::{Block, Regrid};

use crate::dataset::LabelManager;

/// Voxels along z, y, x that are decoded together: few enough for a core's cache.
const TOGETHER: [usize; 3] = [16, 64, 64];

/// Gives each voxel of `block` of the new grid its label: the class with the largest logit, of several the first; or the last region
/// in `regions_class_order` whose sigmoid exceeds 1/2.
///
/// `logits` (K, z, y, x) are a part of the old grid whose first voxel is `at`, and hold what the block comes from. Classes are resampled one
/// after the other, so that it takes the memory of a few, however many there are.
pub(super) fn decode(
    labels: &LabelManager,
    regrid: &Regrid,
    (logits, at): (ArrayView4<'_, f32>, [usize; 3]),
    block: &Block,
    segmentation: ArrayViewMut3<'_, i16>,
) {
    if segmentation.is_empty() {
        return;
    }
    let mut pieces = vec![(block.clone(), segmentation)];
    // where a voxel comes from all others along an axis, each piece would be the whole work again
    for axis in (0..3).filter(|&axis| regrid.is_local(axis)) {
        pieces = pieces.into_iter().flat_map(|piece| cut(piece, axis, TOGETHER[axis])).collect();
    }
    pieces.into_par_iter().for_each(|(block, mut segmentation)| {
        let rivals = Rivals::among(labels, regrid, &logits, at, &block);
        let mut vote = Vote::new(labels, &mut segmentation);
        for (class, logits) in logits.outer_iter().enumerate().filter(|&(class, _)| rivals.may_win(class)) {
            vote.class(class, &regrid.resample(&logits, at, &block));
        }
    });
}

/// Cuts a block and its labels every `side` voxels along an axis.
fn cut<'a>((block, segmentation): (Block, ArrayViewMut3<'a, i16>), axis: usize, side: usize) -> Vec<(Block, ArrayViewMut3<'a, i16>)> {
    let (mut pieces, mut rest, mut start) = (Vec::new(), segmentation, block[axis].start);
    while start < block[axis].end {
        let end = block[axis].end.min(start + side);
        let (piece, after) = rest.split_at(Axis(axis), end - start);
        let mut own = block.clone();
        own[axis] = start..end;
        pieces.push((own, piece));
        (rest, start) = (after, end);
    }
    pieces
}

/// The labels of a block while its classes come one after the other.
struct Vote<'a, 'b> {
    labels: &'a LabelManager,
    segmentation: &'a mut ArrayViewMut3<'b, i16>,
    /// The largest logit so far; regions have no need of it.
    best: Array3<f32>,
}

impl<'a, 'b> Vote<'a, 'b> {
    fn new(labels: &'a LabelManager, segmentation: &'a mut ArrayViewMut3<'b, i16>) -> Self {
        segmentation.fill(0);
        let shape = if labels.has_regions() { Default::default() } else { segmentation.raw_dim() };
        Self { labels, best: Array3::from_elem(shape, f32::NEG_INFINITY), segmentation }
    }

    fn class(&mut self, class: usize, logits: &ArrayRef3<f32>) {
        if self.labels.has_regions() {
            let value = self.labels.regions_class_order()[class];
            Zip::from(&mut *self.segmentation).and(logits).for_each(|label, &logit| {
                if 1.0 / (1.0 + (-logit).exp()) > 0.5 {
                    *label = value;
                }
            });
        } else {
            let value = self.labels.labels()[class];
            Zip::from(&mut *self.segmentation).and(&mut self.best).and(logits).for_each(|label, best, &logit| {
                if logit > *best {
                    (*label, *best) = (value, logit);
                }
            });
        }
    }
}

/// Which classes can have a voxel of a block at all. What lies between voxels is nowhere larger than the largest of them or smaller
/// than the smallest, and no rounding changes that, so the others need not be resampled.
struct Rivals {
    /// The largest logit of each class around the block.
    largest: Vec<f32>,
    /// No voxel's winner has less.
    floor: f32,
}

impl Rivals {
    fn among(labels: &LabelManager, regrid: &Regrid, logits: &ArrayView4<'_, f32>, at: [usize; 3], block: &Block) -> Self {
        let none = Self { largest: Vec::new(), floor: f32::NEG_INFINITY };
        if !(0..3).all(|axis| regrid.is_local(axis)) {
            // a spline can overshoot
            return none;
        }
        let source = regrid.source(block);
        let [z, y, x]: Block = std::array::from_fn(|axis| source[axis].start - at[axis]..source[axis].end - at[axis]);
        let range = |class: ndarray::ArrayView3<'_, f32>| {
            let class = class.slice(ndarray::s![z.clone(), y.clone(), x.clone()]);
            class.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &logit| (logit.min(low), logit.max(high)))
        };
        let ranges: Vec<(f32, f32)> = logits.outer_iter().map(range).collect();
        let floor = match labels.has_regions() {
            true => 0.0,
            false => ranges.iter().fold(f32::NEG_INFINITY, |floor, &(low, _)| floor.max(low)),
        };
        Self { largest: ranges.into_iter().map(|(_, high)| high).collect(), floor }
    }

    fn may_win(&self, class: usize) -> bool {
        self.largest.get(class).is_none_or(|&largest| largest >= self.floor)
    }
}
