//! Cross entropies on logits.

use super::ClassSums;
use crate::Tensor;

/// Mean over valid voxels; 0 where there is none. `logits` (B, C, spatial...), `labels` (B, 1, spatial...) Int.
#[track_caller]
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, valid: Option<&Tensor>) -> Tensor {
    ClassSums::of(logits, labels, valid).cross_entropy()
}

/// Mean over valid voxels, each weighed by its class: `sum(w ce) / sum(w)`, as PyTorch has it; 0 where there is no voxel.
/// `logits` (B, C, spatial...), `labels` (B, 1, spatial...) Int, `weights` one number a class.
#[track_caller]
pub fn weighted_cross_entropy(logits: &Tensor, labels: &Tensor, weights: &[f64], valid: Option<&Tensor>) -> Tensor {
    ClassSums::of(logits, labels, valid).weighted_cross_entropy(weights)
}

/// Mean over the hardest `percent` of all voxels of the batch (ignored ones count with 0).
#[track_caller]
pub fn top_k_cross_entropy(logits: &Tensor, labels: &Tensor, valid: Option<&Tensor>, percent: f64) -> Tensor {
    let ce = -logits.log_softmax(1).gather(1, labels);
    let ce = match valid {
        Some(v) => ce * v,
        None => ce,
    };
    let n: usize = ce.shape().iter().product();
    let k = ((n as f64 * percent / 100.0) as usize).max(1);
    ce.reshape(&[-1]).topk(k, 0).0.mean()
}

/// Binary cross entropy on logits, both (B, R, spatial...).
///
/// With `valid` (B, 1, spatial...) the sum runs over all channels and the divisor counts each voxel once, as nnU-Net has it.
#[track_caller]
pub fn binary_cross_entropy(logits: &Tensor, y: &Tensor, valid: Option<&Tensor>) -> Tensor {
    // softplus(x) - x y = -(y log s(x) + (1 - y) log(1 - s(x)))
    let bce = logits.softplus() - logits * y;
    match valid {
        Some(v) => (bce * v).sum() / v.sum().clamp(1e-8, f64::MAX),
        None => bce.mean(),
    }
}
