//! `summary.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Instances, Metrics};
use crate::error::Result;
use crate::json;

/// What `summary.json` holds. Keys are sorted as nnU-Net sorts them.
///
/// A mean leaves out what is NaN: the mean of a structure the cases that have it neither in reference nor prediction, and
/// `foreground_mean` the structures that no case has. (nnU-Net's `foreground_mean` is NaN there, and any comparison with it false.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The mean over the structures of `mean`.
    pub foreground_mean: Metrics<f64>,
    /// Scores of single components, where they were asked for; nnU-Net has no such block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<Instances>,
    /// Of each structure, by [`Structure::key`](super::Structure::key), the mean over the cases.
    pub mean: BTreeMap<String, Metrics<f64>>,
    /// The cases, sorted by their files.
    pub metric_per_case: Vec<CaseMetrics>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseMetrics {
    /// By structure.
    pub metrics: BTreeMap<String, Metrics<u64>>,
    /// The prediction, as its path was given.
    pub prediction_file: String,
    /// The reference, as its path was given.
    pub reference_file: String,
}

impl Summary {
    /// The means of `cases`, which all have the structures `keys`.
    pub fn new(keys: &[String], cases: Vec<CaseMetrics>) -> Self {
        let of_cases = |key: &str| mean(&cases.iter().filter_map(|case| case.metrics.get(key).map(|m| m.to_f64())).collect::<Vec<_>>());
        let means: Vec<_> = keys.iter().map(|key| (key.clone(), of_cases(key))).collect();
        // label 0, if it was asked for, is no foreground
        let foreground: Vec<_> = means.iter().filter(|(key, _)| key != "0").map(|(_, metrics)| *metrics).collect();
        Self { foreground_mean: mean(&foreground), instances: None, mean: means.into_iter().collect(), metric_per_case: cases }
    }

    /// The means of `cases`, which all have `structures`.
    pub(crate) fn of(structures: &[super::Structure], cases: Vec<CaseMetrics>) -> Self {
        Self::new(&structures.iter().map(super::Structure::key).collect::<Vec<_>>(), cases)
    }

    /// Reads a `summary.json`.
    ///
    /// # Errors
    /// The file cannot be read or is no summary.
    pub fn read(path: &Path) -> Result<Self> {
        json::read(path)
    }

    /// Writes it as nnU-Net does, with `NaN` where a number is none.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        json::write_with_nan(path, self)
    }
}

impl Metrics<u64> {
    fn to_f64(self) -> Metrics<f64> {
        Metrics {
            dice: self.dice,
            iou: self.iou,
            true_positive: self.true_positive as f64,
            false_positive: self.false_positive as f64,
            false_negative: self.false_negative as f64,
            true_negative: self.true_negative as f64,
            n_pred: self.n_pred as f64,
            n_ref: self.n_ref as f64,
        }
    }
}

fn mean(all: &[Metrics<f64>]) -> Metrics<f64> {
    let of = |field: fn(&Metrics<f64>) -> f64| nanmean(&all.iter().map(field).collect::<Vec<_>>());
    Metrics {
        dice: of(|m| m.dice),
        iou: of(|m| m.iou),
        true_positive: of(|m| m.true_positive),
        false_positive: of(|m| m.false_positive),
        false_negative: of(|m| m.false_negative),
        true_negative: of(|m| m.true_negative),
        n_pred: of(|m| m.n_pred),
        n_ref: of(|m| m.n_ref),
    }
}

/// NumPy's `nanmean` to the bit: NaN count as zeros in a pairwise sum, and not at all in the number that divides it.
pub(super) fn nanmean(x: &[f64]) -> f64 {
    let known = x.iter().filter(|v| !v.is_nan()).count();
    pairwise(&x.iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect::<Vec<_>>()) / known as f64
}

/// NumPy's sum: eight sums side by side in blocks of up to 128, halves above that.
fn pairwise(x: &[f64]) -> f64 {
    const BLOCK: usize = 128;
    const LANES: usize = 8;
    if x.len() > BLOCK {
        let half = x.len() / 2;
        let (left, right) = x.split_at(half - half % LANES);
        return pairwise(left) + pairwise(right);
    }
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, v)| *lane += v);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, v| sum + v)
}
