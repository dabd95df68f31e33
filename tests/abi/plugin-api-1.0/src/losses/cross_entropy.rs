//! Cross entropies on logits.

use crate::Tensor;

/// Minus the log-probability of the wanted class at each voxel, (B, 1, spatial...).
#[track_caller]
fn per_voxel(logits: &Tensor, labels: &Tensor) -> Tensor {
    -logits.log_softmax(1).gather(1, labels)
}

/// Mean over valid voxels; 0 where there is none. `logits` (B, C, spatial...), `labels` (B, 1, spatial...) Int.
#[track_caller]
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, valid: Option<&Tensor>) -> Tensor {
    per_voxel(logits, labels).mean_where(valid)
}

/// Mean over valid voxels, each weighed by its class: `sum(w ce) / sum(w)`, as PyTorch has it; 0 where there is no voxel.
/// `logits` (B, C, spatial...), `labels` (B, 1, spatial...) Int, `weights` one number a class.
#[track_caller]
pub fn weighted_cross_entropy(logits: &Tensor, labels: &Tensor, weights: &[f64], valid: Option<&Tensor>) -> Tensor {
    let weights: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
    let each = Tensor::from_f32(&[weights.len()], &weights).index_select(0, &labels.reshape(&[-1]));
    let shape: Vec<i64> = labels.shape().iter().map(|&n| n as i64).collect();
    let each = each.reshape(&shape);
    let each = match valid {
        Some(v) => each * v,
        None => each,
    };
    (per_voxel(logits, labels) * &each).sum() / each.sum().clamp(1e-8, f64::MAX)
}

/// Mean over the hardest `percent` of all voxels of the batch (ignored ones count with 0).
#[track_caller]
pub fn top_k_cross_entropy(logits: &Tensor, labels: &Tensor, valid: Option<&Tensor>, percent: f64) -> Tensor {
    let ce = per_voxel(logits, labels);
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
