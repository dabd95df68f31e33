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
    let axes: Vec<usize> = (2..p.shape().len()).collect();
    let (p, y) = match valid {
        Some(v) => (p * v, y * v),
        None => (p.clone(), y.clone()),
    };
    let sum = |t: &Tensor| t.sum_axes(&axes, false);
    of_sums(&sum(&(&p * &y)), &sum(&p), &sum(&y), s)
}

/// The same from I, P and G of each sample and channel, (B, C).
#[track_caller]
pub(super) fn of_sums(intersection: &Tensor, predicted: &Tensor, actual: &Tensor, s: &SoftDice) -> Tensor {
    let channels = actual.size(1);
    let start = usize::from(!s.background).min(channels - 1);
    let counted = |t: &Tensor| {
        let t = if start == 0 { t.clone() } else { t.slice(1, start, channels) };
        if s.batch { t.sum_axes(&[0], false) } else { t }
    };
    let total = counted(predicted) + counted(actual);
    let score = counted(intersection).affine(2.0, s.smooth) / (total + s.smooth).clamp(1e-8, f64::MAX);
    -score.mean()
}
