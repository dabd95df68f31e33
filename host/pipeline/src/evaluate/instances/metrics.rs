//! What is counted of the components of one structure, and its means.

use serde::{Deserialize, Serialize};

use super::pairs::Pairs;
use crate::evaluate::{metrics::or_nan, summary::nanmean};

/// The scores of one structure. Counts are components: `u64` in a case, `f64` in a mean. Fields are in the order of the file.
///
/// What is a part of nothing is NaN, and means leave it out: sensitivity where the reference has no component, precision where the prediction has
/// none, F1 and panoptic quality where neither has one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct InstanceMetrics<Count> {
    /// The mean, over the reference's components, of the Dice in the voxels that are nearer to that component than to any other. Without
    /// a component 1 if nothing is predicted, else 0.
    #[serde(rename = "CC_Dice", deserialize_with = "or_nan")]
    pub cc_dice: f64,
    /// Pairs of an IoU above the threshold.
    pub iou: Matching<Count>,
    /// Components of the prediction.
    pub n_pred: Count,
    /// Components of the reference.
    pub n_ref: Count,
    /// Components that share any voxel.
    pub overlap: Detection<Count>,
}

/// Components that share any voxel with the other image are found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection<Count> {
    /// Harmonic mean of precision and sensitivity; 0 where only one of the images has a component, or none is found.
    #[serde(rename = "F1", deserialize_with = "or_nan")]
    pub f1: f64,
    /// Components of the reference that share no voxel with the prediction.
    #[serde(rename = "FN")]
    pub false_negative: Count,
    /// Components of the prediction that share no voxel with the reference.
    #[serde(rename = "FP")]
    pub false_positive: Count,
    /// Share of the prediction's components that share a voxel with the reference.
    #[serde(deserialize_with = "or_nan")]
    pub precision: f64,
    /// Share of the reference's components that share a voxel with the prediction.
    #[serde(deserialize_with = "or_nan")]
    pub sensitivity: f64,
}

/// Pairs of components, one to one, of an IoU above the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Matching<Count> {
    /// 2 TP / (2 TP + FP + FN), the recognition quality.
    #[serde(rename = "F1", deserialize_with = "or_nan")]
    pub f1: f64,
    /// Components of the reference without a pair.
    #[serde(rename = "FN")]
    pub false_negative: Count,
    /// Components of the prediction without a pair.
    #[serde(rename = "FP")]
    pub false_positive: Count,
    /// Panoptic quality: F1 times SQ.
    #[serde(rename = "PQ", deserialize_with = "or_nan")]
    pub panoptic_quality: f64,
    /// Segmentation quality: the mean IoU of the pairs; NaN where there is none.
    #[serde(rename = "SQ", deserialize_with = "or_nan")]
    pub segmentation_quality: f64,
    /// Pairs.
    #[serde(rename = "TP")]
    pub true_positive: Count,
    /// TP / (TP + FP)
    #[serde(deserialize_with = "or_nan")]
    pub precision: f64,
    /// TP / (TP + FN)
    #[serde(deserialize_with = "or_nan")]
    pub sensitivity: f64,
}

/// 0 / 0 is NaN.
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

impl Detection<u64> {
    pub(super) fn of(pairs: &Pairs) -> Self {
        let ((found, reference), (right, prediction)) = (pairs.found(), pairs.right());
        let (sensitivity, precision) = (ratio(found, reference), ratio(right, prediction));
        let f1 = match (reference + prediction, found) {
            (0, _) => f64::NAN,
            (_, 0) => 0.0,
            _ => 2.0 * precision * sensitivity / (precision + sensitivity),
        };
        Self { f1, false_negative: reference - found, false_positive: prediction - right, precision, sensitivity }
    }
}

impl Matching<u64> {
    pub(super) fn of(pairs: &Pairs, threshold: f64) -> Self {
        let ious = pairs.matched(threshold);
        let (tp, (reference, prediction)) = (ious.len() as u64, pairs.numbers());
        let f1 = ratio(2 * tp, reference + prediction);
        let segmentation_quality = ious.iter().sum::<f64>() / tp as f64;
        Self {
            f1,
            false_negative: reference - tp,
            false_positive: prediction - tp,
            panoptic_quality: if tp == 0 { f1 } else { f1 * segmentation_quality },
            segmentation_quality,
            true_positive: tp,
            precision: ratio(tp, prediction),
            sensitivity: ratio(tp, reference),
        }
    }
}

impl InstanceMetrics<u64> {
    /// The same with counts as a mean has them.
    pub(super) fn to_f64(self) -> InstanceMetrics<f64> {
        let (o, m) = (self.overlap, self.iou);
        InstanceMetrics {
            cc_dice: self.cc_dice,
            iou: Matching {
                f1: m.f1,
                false_negative: m.false_negative as f64,
                false_positive: m.false_positive as f64,
                panoptic_quality: m.panoptic_quality,
                segmentation_quality: m.segmentation_quality,
                true_positive: m.true_positive as f64,
                precision: m.precision,
                sensitivity: m.sensitivity,
            },
            n_pred: self.n_pred as f64,
            n_ref: self.n_ref as f64,
            overlap: Detection {
                f1: o.f1,
                false_negative: o.false_negative as f64,
                false_positive: o.false_positive as f64,
                precision: o.precision,
                sensitivity: o.sensitivity,
            },
        }
    }
}

impl InstanceMetrics<f64> {
    /// Means that leave out what is NaN.
    pub(super) fn mean(all: &[Self]) -> Self {
        let of = |field: fn(&Self) -> f64| nanmean(&all.iter().map(field).collect::<Vec<_>>());
        Self {
            cc_dice: of(|m| m.cc_dice),
            iou: Matching {
                f1: of(|m| m.iou.f1),
                false_negative: of(|m| m.iou.false_negative),
                false_positive: of(|m| m.iou.false_positive),
                panoptic_quality: of(|m| m.iou.panoptic_quality),
                segmentation_quality: of(|m| m.iou.segmentation_quality),
                true_positive: of(|m| m.iou.true_positive),
                precision: of(|m| m.iou.precision),
                sensitivity: of(|m| m.iou.sensitivity),
            },
            n_pred: of(|m| m.n_pred),
            n_ref: of(|m| m.n_ref),
            overlap: Detection {
                f1: of(|m| m.overlap.f1),
                false_negative: of(|m| m.overlap.false_negative),
                false_positive: of(|m| m.overlap.false_positive),
                precision: of(|m| m.overlap.precision),
                sensitivity: of(|m| m.overlap.sensitivity),
            },
        }
    }
}
