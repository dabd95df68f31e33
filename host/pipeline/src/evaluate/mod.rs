//! Predictions against references: overlap metrics for each case and each label or region, and their means in `summary.json`.

mod folder;
mod metrics;
mod summary;

pub(crate) use folder::files;
pub use folder::{Options, Pair, evaluate_folder, evaluate_pairs, evaluate_simple, evaluate_structures};
pub use metrics::{Metrics, Overlap, Structure};
pub use summary::{CaseMetrics, Summary};

#[cfg(test)]
mod tests;
