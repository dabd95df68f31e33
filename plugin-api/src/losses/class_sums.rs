//! What the soft Dice and the cross entropy of labels are made of.

use super::{SoftDice, dice};
use crate::{Op, Tensor};

/// Sums over the voxels of each sample and class, (B, C) each, with p the softmax of the logits.
///
/// They are taken in one pass over the logits, which is all that is kept for the gradient: a loss made of them needs no memory of the logits' size,
/// where a softmax, a one-hot map and their product would need three.
#[derive(Clone)]
pub struct ClassSums {
    /// p of the class over its own voxels: the soft true positives.
    pub overlap: Tensor,
    /// p of the class over all voxels.
    pub predicted: Tensor,
    /// Voxels of the class.
    pub actual: Tensor,
    /// `-log p` of the class over its own voxels.
    pub surprise: Tensor,
}

impl ClassSums {
    /// `logits` (B, C, spatial...), `labels` (B, 1, spatial...) Int below C, `valid` (B, 1, spatial...): what a voxel counts, 1 each without it. No
    /// gradient flows to `valid`.
    #[track_caller]
    pub fn of(logits: &Tensor, labels: &Tensor, valid: Option<&Tensor>) -> Self {
        let inputs = [Some(logits), Some(labels), valid];
        let sums = Tensor::apply(Op::ClassSums, &inputs.into_iter().flatten().collect::<Vec<_>>(), &[], &[]);
        let (batch, classes) = (sums.size(0) as i64, sums.size(1) as i64);
        let [overlap, predicted, actual, surprise] = [0, 1, 2, 3].map(|i| sums.slice(2, i, i + 1).reshape(&[batch, classes]));
        Self { overlap, predicted, actual, surprise }
    }

    /// [`soft_dice`](super::soft_dice) of the softmax against the labels.
    #[track_caller]
    pub fn soft_dice(&self, s: &SoftDice) -> Tensor {
        dice::of_sums(&self.overlap, &self.predicted, &self.actual, s)
    }

    /// [`cross_entropy`](super::cross_entropy): mean over valid voxels; 0 where there is none.
    #[track_caller]
    pub fn cross_entropy(&self) -> Tensor {
        self.surprise.sum() / self.actual.sum().clamp(1e-8, f64::MAX)
    }

    /// [`weighted_cross_entropy`](super::weighted_cross_entropy), one weight a class.
    #[track_caller]
    pub fn weighted_cross_entropy(&self, weights: &[f64]) -> Tensor {
        let weights: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
        let weights = Tensor::from_f32(&[weights.len()], &weights);
        (&self.surprise * &weights).sum() / (&self.actual * &weights).sum().clamp(1e-8, f64::MAX)
    }
}
