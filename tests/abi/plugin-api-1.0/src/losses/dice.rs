//! Soft Dice (Drozdzal et al. 2016; nnU-Net's memory-efficient form gives the same number).

use crate::Tensor;

/// Settings of [`soft_dice`].
#[derive(Clone, Copy, Debug)]
pub struct SoftDice {
    /// Added to numerator and denominator.
    pub smooth: f64,
    /// Channel 0 counts too.
    pub background: bool,
    /// Sums run over the batch.
    pub batch: bool,
}

/// Minus the mean over samples and channels of `(2 I + s) / max(P + G + s, 1e-8)`, with I, P, G the sums over valid voxels of `p y`, `p`, `y`.
///
/// `p` and `y` are (B, C, spatial...), `valid` (B, 1, spatial...) of 0 and 1. Between -1 (perfect) and 0.
#[track_caller]
pub fn soft_dice(p: &Tensor, y: &Tensor, valid: Option<&Tensor>, s: &SoftDice) -> Tensor {
    let shape = p.shape();
    let start = usize::from(!s.background).min(shape[1] - 1);
    let pick = |t: &Tensor| if start == 0 { t.clone() } else { t.slice(1, start, shape[1]) };
    let (p, y) = (pick(p), pick(y));
    let axes: Vec<usize> = (if s.batch { 0 } else { 2 }..shape.len()).filter(|&a| a != 1).collect();
    let (p, y) = match valid {
        Some(v) => (p * v, y * v),
        None => (p, y),
    };
    let intersection = (&p * &y).sum_axes(&axes, false);
    let total = p.sum_axes(&axes, false) + y.sum_axes(&axes, false);
    let score = intersection.affine(2.0, s.smooth) / (total + s.smooth).clamp(1e-8, f64::MAX);
    -score.mean()
}
