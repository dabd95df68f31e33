//! Which components of the two images meet.

use std::collections::BTreeMap;

use super::Masks;

/// Components that share voxels.
pub(super) struct Pairs {
    /// By component of the reference and of the prediction, both from 0: the voxels that they share.
    shared: BTreeMap<(usize, usize), u64>,
    /// Voxels of each component of the reference.
    reference: Vec<usize>,
    /// Voxels of each component of the prediction.
    prediction: Vec<usize>,
}

impl Pairs {
    pub(super) fn count(masks: &Masks) -> Self {
        let mut shared = BTreeMap::new();
        for (&r, &p) in masks.reference.labels.iter().zip(&masks.prediction.labels) {
            if r > 0 && p > 0 {
                *shared.entry((r as usize - 1, p as usize - 1)).or_insert(0) += 1;
            }
        }
        Self { shared, reference: masks.reference.sizes.clone(), prediction: masks.prediction.sizes.clone() }
    }

    /// Components of the reference that share a voxel with the prediction, of how many.
    pub(super) fn found(&self) -> (u64, u64) {
        touched(self.shared.keys().map(|&(r, _)| r), self.reference.len())
    }

    /// Components of the prediction that share a voxel with the reference, of how many.
    pub(super) fn right(&self) -> (u64, u64) {
        touched(self.shared.keys().map(|&(_, p)| p), self.prediction.len())
    }

    /// The IoU of pairs, one to one, that are above `threshold`. From 0.5 on no component has two of them; below, the best pairs come first.
    pub(super) fn matched(&self, threshold: f64) -> Vec<f64> {
        let iou = |(&(r, p), &shared): (&(usize, usize), &u64)| {
            let union = self.reference[r] as u64 + self.prediction[p] as u64 - shared;
            (shared as f64 / union as f64, r, p)
        };
        let mut pairs: Vec<_> = self.shared.iter().map(iou).filter(|pair| pair.0 > threshold).collect();
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut free_r, mut free_p) = (vec![true; self.reference.len()], vec![true; self.prediction.len()]);
        let mut matched = Vec::new();
        for (iou, r, p) in pairs {
            if free_r[r] && free_p[p] {
                (free_r[r], free_p[p]) = (false, false);
                matched.push(iou);
            }
        }
        matched
    }

    /// Components of the reference and of the prediction.
    pub(super) fn numbers(&self) -> (u64, u64) {
        (self.reference.len() as u64, self.prediction.len() as u64)
    }
}

fn touched(components: impl Iterator<Item = usize>, of: usize) -> (u64, u64) {
    let mut touched = vec![false; of];
    components.for_each(|c| touched[c] = true);
    (touched.iter().filter(|&&t| t).count() as u64, of as u64)
}
