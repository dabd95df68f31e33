//! The block `instances` of `summary.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::InstanceMetrics;
use crate::evaluate::Structure;

/// Scores of single components, their means, and how pairs were matched. The means of counts divided by each other are the scores of all cases pooled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instances {
    /// The mean over the structures of `mean`.
    pub foreground_mean: InstanceMetrics<f64>,
    /// Pairs of an IoU above this match.
    pub iou_threshold: f64,
    /// Of each structure, by [`Structure::key`], the mean over the cases.
    pub mean: BTreeMap<String, InstanceMetrics<f64>>,
    /// The cases, sorted by their files.
    pub metric_per_case: Vec<CaseInstances>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseInstances {
    /// By structure.
    pub metrics: BTreeMap<String, InstanceMetrics<u64>>,
    /// The prediction, as its path was given.
    pub prediction_file: String,
    /// The reference, as its path was given.
    pub reference_file: String,
}

impl Instances {
    /// The means of `cases`, which all have `structures`.
    pub(in crate::evaluate) fn of(structures: &[Structure], cases: Vec<CaseInstances>, iou_threshold: f64) -> Self {
        let of_cases = |key: &String| cases.iter().filter_map(|case| case.metrics.get(key).map(|m| m.to_f64())).collect::<Vec<_>>();
        let mean: BTreeMap<String, _> =
            structures.iter().map(Structure::key).map(|key| (key.clone(), InstanceMetrics::mean(&of_cases(&key)))).collect();
        // label 0, if it was asked for, is no foreground
        let foreground: Vec<_> = mean.iter().filter(|(key, _)| *key != "0").map(|(_, metrics)| *metrics).collect();
        Self { foreground_mean: InstanceMetrics::mean(&foreground), iou_threshold, mean, metric_per_case: cases }
    }
}
