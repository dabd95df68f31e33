//! `postprocessing.json`: what was gained, for people and for scripts.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::file::{ARGUMENT, FUNCTION};
use super::{KeepLargest, Postprocessing};
use crate::error::Result;
use crate::evaluate::{Metrics, Structure, Summary};
use crate::json;

/// Keys as nnU-Net sorts them.
#[derive(Serialize)]
struct Record<'a> {
    input_folder: Means<'a>,
    postprocessed: Means<'a>,
    postprocessing_fns: Vec<&'static str>,
    postprocessing_kwargs: Vec<Value>,
}

#[derive(Serialize)]
struct Means<'a> {
    foreground_mean: &'a Metrics<f64>,
    mean: &'a BTreeMap<String, Metrics<f64>>,
}

impl<'a> From<&'a Summary> for Means<'a> {
    fn from(summary: &'a Summary) -> Self {
        Self { foreground_mean: &summary.foreground_mean, mean: &summary.mean }
    }
}

/// Writes it.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(path: &Path, before: &Summary, after: &Summary, postprocessing: &Postprocessing) -> Result<()> {
    let one = |structure: &Structure| match structure {
        Structure::Label(label) => json!(label),
        Structure::Region(labels) => json!(labels),
    };
    let arguments = postprocessing.0.iter().map(|step| match step {
        KeepLargest::Of(structure) => json!({ARGUMENT: one(structure)}),
        KeepLargest::OfAll(structures) => json!({ARGUMENT: structures.iter().map(one).collect::<Vec<_>>()}),
    });
    let record = Record {
        input_folder: before.into(),
        postprocessed: after.into(),
        postprocessing_kwargs: arguments.collect(),
        postprocessing_fns: vec![FUNCTION; postprocessing.0.len()],
    };
    json::write_with_nan(path, &record)
}
