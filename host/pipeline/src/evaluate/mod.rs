//! Predictions against references: overlap metrics for each case and each label or region, and their means in `summary.json`;
//! on demand the scores of single lesions.

mod folder;
mod instances;
mod metrics;
mod summary;

pub(crate) use folder::files;
pub use folder::{Options, Pair, evaluate_folder, evaluate_pairs, evaluate_simple, evaluate_structures};
pub use instances::{CaseInstances, Detection, InstanceMetrics, Instances, Matching, instance_metrics};
pub use metrics::{Metrics, Overlap, Structure};
pub use summary::{CaseMetrics, Summary};

#[cfg(test)]
mod tests;
