//! What a report consists of.

use serde::Serialize;
use serde_json::Value;

use super::Section;

/// Whether a comparison is within its tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is.
    Pass,
    /// It is not, or there was nothing to compare.
    Fail,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The file or folder below the one that was walked, and what of it.
    pub what: String,
    /// Our value; of arrays the one where the distance is largest.
    pub ours: Value,
    /// nnU-Net's, at the same place.
    pub theirs: Value,
    /// How far apart: an absolute distance, a share of voxels or a number of mismatches. None where the two cannot be compared.
    pub difference: Option<f64>,
    /// The largest difference that passes.
    pub tolerance: f64,
    /// Whether it does.
    pub verdict: Verdict,
}

impl Row {
    pub(super) fn new(what: String, ours: Value, theirs: Value, difference: f64, tolerance: f64) -> Self {
        // a distance that is no number is within no tolerance
        let verdict = if difference <= tolerance { Verdict::Pass } else { Verdict::Fail };
        Self { what, ours, theirs, difference: difference.is_finite().then_some(difference), tolerance, verdict }
    }

    /// The name of the section: the first part of `what`.
    pub fn section(&self) -> &str {
        let first = self.what.split(['/', ':']).next().unwrap_or_default();
        if Section::ALL.iter().any(|section| section.name() == first) { first } else { "other files" }
    }

    /// How much of the tolerance was used; infinite where the row fell short of an exact one.
    pub fn share_of_tolerance(&self) -> f64 {
        match self.difference {
            Some(0.0) => 0.0,
            Some(difference) => difference / self.tolerance,
            None => f64::INFINITY,
        }
    }
}

/// All comparisons of a folder.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Parity {
    /// In the order of the sections.
    pub rows: Vec<Row>,
    /// What could not be compared for want of something outside the folder, or because nnU-Net and we differ on purpose.
    pub not_compared: Vec<String>,
    /// How many files were compared with, ...
    pub compared: usize,
    /// ... were only inputs, ...
    pub inputs: usize,
    /// ... and tell of the run and hold nothing to compare (`README.md`, timings, logs).
    pub information: usize,
}

impl Parity {
    /// The rows that fell short.
    pub fn fell_short(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.verdict == Verdict::Fail)
    }

    /// The sections that have rows, each with them, in order.
    pub fn sections(&self) -> Vec<(&str, Vec<&Row>)> {
        let mut sections: Vec<(&str, Vec<&Row>)> = Vec::new();
        for row in &self.rows {
            match sections.iter_mut().find(|(name, _)| *name == row.section()) {
                Some((_, rows)) => rows.push(row),
                None => sections.push((row.section(), vec![row])),
            }
        }
        sections
    }
}
