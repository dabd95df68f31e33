//! Indices: gather, scatter, segments, one-hot, argmax, top-k.

use super::Tensor;
use crate::Op;

impl Tensor {
    /// Values at `index` (Int, same rank) along an axis.
    #[track_caller]
    pub fn gather(&self, axis: usize, index: &Tensor) -> Tensor {
        Tensor::apply(Op::Gather, &[self, index], &[axis as i64], &[])
    }

    /// `self` with `source` added at `index` along an axis.
    #[track_caller]
    pub fn scatter_add(&self, axis: usize, index: &Tensor, source: &Tensor) -> Tensor {
        Tensor::apply(Op::ScatterAdd, &[self, index, source], &[axis as i64], &[])
    }

    /// The slices of an axis that `index` (1-D Int) names.
    #[track_caller]
    pub fn index_select(&self, axis: usize, index: &Tensor) -> Tensor {
        Tensor::apply(Op::IndexSelect, &[self, index], &[axis as i64], &[])
    }

    /// Sums of `self` (B, C, spatial...) over the voxels of each id, (B, C, k). `ids` is (B, 1 or C, spatial...) Int below k.
    #[track_caller]
    pub fn segment_sum(&self, ids: &Tensor, k: usize) -> Tensor {
        Tensor::apply(Op::SegmentSum, &[self, ids], &[k as i64], &[])
    }

    /// Labels (B, 1, spatial...) Int as (B, classes, spatial...) of 0 and 1.
    #[track_caller]
    pub fn one_hot(&self, classes: usize) -> Tensor {
        Tensor::apply(Op::OneHot, &[self], &[classes as i64], &[])
    }

    /// Index of the largest along an axis, which keeps length 1.
    #[track_caller]
    pub fn argmax(&self, axis: usize) -> Tensor {
        Tensor::apply(Op::ArgMax, &[self], &[axis as i64], &[])
    }

    /// The k largest along an axis in falling order, and their indices.
    #[track_caller]
    pub fn topk(&self, k: usize, axis: usize) -> (Tensor, Tensor) {
        let mut both = Tensor::apply_all(Op::TopK, &[self], &[k as i64, axis as i64], &[]);
        let indices = both.swap_remove(1);
        (both.swap_remove(0), indices)
    }

    /// Running sum along an axis.
    #[track_caller]
    pub fn cumsum(&self, axis: usize) -> Tensor {
        Tensor::apply(Op::CumSum, &[self], &[axis as i64], &[])
    }
}
