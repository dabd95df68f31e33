//! What is counted in one case.

use std::collections::BTreeMap;

use ndarray::ArrayRef3;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::dataset::{DatasetJson, LabelManager};
use crate::error::Result;

/// What is scored: a label, or a region, the union of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Structure {
    /// One label.
    Label(i16),
    /// The labels of a region.
    Region(Vec<i16>),
}

impl Structure {
    /// The foreground of `dataset`: its regions if it has any, else its labels.
    ///
    /// # Errors
    /// The labels do not make sense together.
    pub fn of(dataset: &DatasetJson) -> Result<Vec<Self>> {
        let labels = dataset.label_manager()?;
        if !labels.has_regions() {
            return Ok(Self::labels(labels.foreground_labels()));
        }
        Ok(Self::regions(dataset, &labels))
    }

    /// Each of `labels` by itself.
    pub fn labels(labels: &[i16]) -> Vec<Self> {
        labels.iter().map(|&label| Self::Label(label)).collect()
    }

    /// A region of one label is a label if `dataset.json` gives it as a number, and a region if it gives it as a list.
    fn regions(dataset: &DatasetJson, labels: &LabelManager) -> Vec<Self> {
        let listed = |name: &str| dataset.get("labels").and_then(|labels| labels.get(name)).is_some_and(Value::is_array);
        let foreground = dataset.labels.iter().filter(|label| labels.foreground_regions().contains(&label.values));
        foreground
            .map(|label| match label.values.as_slice() {
                [value] if !listed(&label.name) => Self::Label(*value),
                values => Self::Region(values.to_vec()),
            })
            .collect()
    }

    /// Its key in `summary.json`: the label, or the region as Python shows a tuple, such as `(1, 2)` or `(1,)`.
    pub fn key(&self) -> String {
        match self {
            Self::Label(label) => label.to_string(),
            Self::Region(labels) => match labels.as_slice() {
                [label] => format!("({label},)"),
                labels => format!("({})", labels.iter().map(i16::to_string).collect::<Vec<_>>().join(", ")),
            },
        }
    }

    /// The labels that it is made of.
    pub fn values(&self) -> &[i16] {
        match self {
            Self::Label(label) => std::slice::from_ref(label),
            Self::Region(labels) => labels,
        }
    }

    pub(super) fn contains(&self, label: i16) -> bool {
        self.values().contains(&label)
    }
}

/// The metrics of one structure. Counts are voxels: `u64` in a case, `f64` in a mean. Fields are in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics<Count> {
    /// 2 TP / (2 TP + FP + FN); NaN where the structure is in neither image.
    #[serde(rename = "Dice", deserialize_with = "or_nan")]
    pub dice: f64,
    /// Voxels of the reference that the prediction lacks.
    #[serde(rename = "FN")]
    pub false_negative: Count,
    /// Voxels of the prediction that the reference lacks.
    #[serde(rename = "FP")]
    pub false_positive: Count,
    /// TP / (TP + FP + FN); NaN where the structure is in neither image.
    #[serde(rename = "IoU", deserialize_with = "or_nan")]
    pub iou: f64,
    /// Voxels of neither.
    #[serde(rename = "TN")]
    pub true_negative: Count,
    /// Voxels of both.
    #[serde(rename = "TP")]
    pub true_positive: Count,
    /// Voxels of the prediction.
    pub n_pred: Count,
    /// Voxels of the reference.
    pub n_ref: Count,
}

/// `null`, which is what reading makes of `NaN`, is NaN.
pub(super) fn or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// How often each pair of labels (of the reference, of the prediction) meets in a voxel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlap(BTreeMap<(i16, i16), u64>);

impl Overlap {
    /// Counts the pairs in two segmentations (z, y, x) of the same shape; voxels that are `ignore` in the reference are left out.
    pub fn count(reference: &ArrayRef3<i16>, prediction: &ArrayRef3<i16>, ignore: Option<i16>) -> Self {
        let mut pairs = BTreeMap::new();
        // neighbours mostly agree, so a run is counted before the map is asked
        let (mut run, mut length) = ((0, 0), 0);
        for pair in reference.iter().copied().zip(prediction.iter().copied()) {
            if pair != run {
                *pairs.entry(run).or_insert(0) += length;
                (run, length) = (pair, 0);
            }
            length += 1;
        }
        *pairs.entry(run).or_insert(0) += length;
        pairs.retain(|&(reference, _), count| *count > 0 && Some(reference) != ignore);
        Self(pairs)
    }

    /// The metrics of `structure`.
    pub fn metrics(&self, structure: &Structure) -> Metrics<u64> {
        let sum = |in_reference: bool, in_prediction: bool| -> u64 {
            let wanted = |(r, p): (i16, i16)| structure.contains(r) == in_reference && structure.contains(p) == in_prediction;
            self.0.iter().filter(|(pair, _)| wanted(**pair)).map(|(_, count)| count).sum()
        };
        let (tp, fp, fn_, tn) = (sum(true, true), sum(false, true), sum(true, false), sum(false, false));
        // 0 / 0 is NaN
        let ratio = |part: u64, whole: u64| part as f64 / whole as f64;
        Metrics {
            dice: ratio(2 * tp, 2 * tp + fp + fn_),
            iou: ratio(tp, tp + fp + fn_),
            true_positive: tp,
            false_positive: fp,
            false_negative: fn_,
            true_negative: tn,
            n_pred: tp + fp,
            n_ref: tp + fn_,
        }
    }
}
