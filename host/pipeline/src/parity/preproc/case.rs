//! One preprocessed case.

use std::collections::BTreeMap;

use ndarray::{Axis, Ix3, Ix4};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use volume::files::properties::{CaseProperties, ClassKey};
use volume::numpy::percentile_linear;

use super::super::desk::{Desk, farthest};
use super::super::files::Use;
use super::super::tolerance;
use super::{Counts, counts};
use crate::error::Result;
use crate::plan::Configuration;
use crate::preprocess::PreprocessedCase;

/// What nnU-Net's run left beside the arrays.
#[derive(Deserialize)]
pub(super) struct About {
    pub(super) config: Option<String>,
    pub(super) input: Option<String>,
    pub(super) sha_2d_equals_3d: Option<bool>,
    properties: Value,
    data_sha256_f32: Option<String>,
    seg_sha256_i16: Option<String>,
    data_shape: Option<Vec<usize>>,
    data_stats: Option<BTreeMap<String, f64>>,
    per_channel: Option<Vec<BTreeMap<String, f64>>>,
    seg_counts: Option<Counts>,
}

/// The same without labels.
#[derive(Deserialize)]
struct WithoutLabels {
    same_data_as_with_seg: Option<bool>,
    data_sha256_f32: Option<String>,
    seg_counts: Option<Counts>,
}

/// `what` is the path of `{what}.npz` and `{what}.json`.
pub(super) fn compare(desk: &mut Desk<'_>, what: &str, ours: &PreprocessedCase, about: &About, configuration: &Configuration) -> Result<()> {
    compare_with(desk, what, ours, about, configuration, &format!("{what}.npz"))
}

pub(super) fn compare_with(
    desk: &mut Desk<'_>,
    what: &str,
    ours: &PreprocessedCase,
    about: &About,
    configuration: &Configuration,
    npz: &str,
) -> Result<()> {
    let arrays = desk.arrays(npz, Use::Compared)?;
    let (data, seg) = (arrays.f32::<Ix4>("data")?, arrays.labels::<Ix4>("seg")?);
    let (given, labels) = (arrays.get("data")?, seg.index_axis(Axis(0), 0).into_dimensionality::<Ix3>());
    let limit = tolerance_of(ours, configuration);
    if let Some(shape) = &about.data_shape {
        desk.exact(&format!("{what}: data_shape"), ours.data.shape(), shape);
    }
    if desk.shape(&format!("{what}: data"), ours.data.shape(), data.shape()) {
        for (channel, (ours, theirs)) in ours.data.outer_iter().zip(data.outer_iter()).enumerate() {
            let (ours, theirs): (Vec<f32>, Vec<f32>) = (ours.iter().copied().collect(), theirs.iter().copied().collect());
            let unit = unit(configuration, channel, &theirs);
            desk.rows.push(farthest(&format!("{what}: data, channel {channel}"), &ours, &theirs, limit * unit));
            let stats = about.per_channel.as_ref().and_then(|all| all.get(channel));
            if let Some(stats) = stats {
                statistics(desk, &format!("{what}: statistics of channel {channel}"), &ours, stats, limit * unit);
            }
        }
        if let Some(stats) = &about.data_stats {
            let all: Vec<f32> = ours.data.iter().copied().collect();
            let units = data.outer_iter().enumerate().map(|(channel, theirs)| unit(configuration, channel, theirs.as_slice().unwrap_or_default()));
            statistics(desk, &format!("{what}: data_stats"), &all, stats, limit * units.fold(1.0, f64::max));
        }
    }
    if let Some(sha) = &about.data_sha256_f32 {
        desk.exact(&format!("{what}: data_sha256_f32 of the npz"), &hex(given.view().bytes()), sha);
    }
    let labels = labels.map_err(|error| crate::error::Error::invalid(error.to_string()))?;
    if desk.shape(&format!("{what}: seg"), ours.seg.shape(), labels.shape()) {
        let (own, wanted): (Vec<i16>, Vec<i16>) = (ours.seg.iter().copied().collect(), labels.iter().copied().collect());
        if let Some(sha) = &about.seg_sha256_i16 {
            let bytes: Vec<u8> = wanted.iter().flat_map(|label| label.to_le_bytes()).collect();
            desk.exact(&format!("{what}: seg_sha256_i16 of the npz"), &hex(&bytes), sha);
        }
        desk.voxels(&format!("{what}: seg"), &own, &wanted, tolerance::TIES);
        if let Some(theirs) = &about.seg_counts {
            let limit = if own == wanted { tolerance::EXACT } else { tolerance::TIES };
            counts(desk, &format!("{what}: seg_counts"), &ours.seg, theirs, limit);
        }
        if own == wanted {
            locations(desk, what, &ours.properties, &about.properties["class_locations"]);
        } else {
            desk.not_compared(&format!("{what}: class_locations"), "they are drawn from labels that differ in ties");
        }
    }
    properties(desk, what, &ours.properties, &about.properties);
    Ok(())
}

/// As `out_noseg.json` tells of the run without labels; `with` is ours with labels, and `about` theirs.
pub(super) fn without_labels(desk: &mut Desk<'_>, what: &str, ours: &PreprocessedCase, with: &PreprocessedCase, about: &About) -> Result<()> {
    let theirs: WithoutLabels = desk.json(what, Use::Compared)?;
    let same = ours.data == with.data;
    if let Some(wanted) = theirs.same_data_as_with_seg {
        desk.exact(&format!("{what}: same_data_as_with_seg"), &same, &wanted);
    }
    if let (Some(sha), Some(wanted), Some(true)) = (&theirs.data_sha256_f32, &about.data_sha256_f32, theirs.same_data_as_with_seg) {
        desk.exact(&format!("{what}: data_sha256_f32 is that with labels"), wanted, sha);
    }
    if let Some(theirs) = &theirs.seg_counts {
        counts(desk, &format!("{what}: seg_counts"), &ours.seg, theirs, tolerance::TIES);
    }
    desk.exact(&format!("{what}: class_locations"), &ours.properties.class_locations.is_some(), &false);
    Ok(())
}

/// By the order of the spline, and whether anything was resampled at all.
fn tolerance_of(ours: &PreprocessedCase, configuration: &Configuration) -> f64 {
    let order = configuration.resampling_fn_data_kwargs.get("order").and_then(Value::as_u64);
    let resampled = ours.properties.shape_after_cropping_and_before_resampling != ours.data.shape()[1..];
    if resampled && order.is_none_or(|order| order > 1) { tolerance::DATA_CUBIC } else { tolerance::DATA_LINEAR }
}

/// The tolerance is for "zscored units": of a channel that is not normalised, one such unit is its standard deviation.
fn unit(configuration: &Configuration, channel: usize, data: &[f32]) -> f64 {
    if configuration.normalization_schemes.get(channel).is_none_or(|scheme| scheme != "NoNormalization") {
        return 1.0;
    }
    moments(data).1.max(1.0)
}

fn moments(data: &[f32]) -> (f64, f64) {
    let count = data.len().max(1) as f64;
    let mean = data.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    (mean, (data.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count).sqrt())
}

/// Mean, deviation and percentiles: none moves by more than the voxels do.
fn statistics(desk: &mut Desk<'_>, what: &str, ours: &[f32], theirs: &BTreeMap<String, f64>, limit: f64) {
    let (mean, std) = moments(ours);
    let percentiles = percentile_linear(ours, &[0.0, 5.0, 50.0, 95.0, 100.0]);
    let found: BTreeMap<&str, f64> = ["min", "p05", "p50", "p95", "max"].into_iter().zip(percentiles).chain([("mean", mean), ("std", std)]).collect();
    desk.tree(what, &found, theirs, limit);
}

fn properties(desk: &mut Desk<'_>, what: &str, ours: &CaseProperties, theirs: &Value) {
    let stuff = &ours.sitk_stuff;
    let geometry = [("spacing", &stuff.spacing), ("origin", &stuff.origin), ("direction", &stuff.direction)];
    for (key, found) in geometry {
        if let Some(theirs) = theirs["sitk_stuff"].get(key) {
            desk.tree(&format!("{what}: sitk_stuff.{key}"), found, theirs, tolerance::GEOMETRY);
        }
    }
    let exact = [
        ("shape_before_cropping", json!(ours.shape_before_cropping)),
        ("bbox_used_for_cropping", json!(ours.bbox_used_for_cropping)),
        ("shape_after_cropping_and_before_resampling", json!(ours.shape_after_cropping_and_before_resampling)),
    ];
    desk.tree(&format!("{what}: spacing"), &ours.spacing, &theirs["spacing"], tolerance::GEOMETRY);
    exact.iter().for_each(|(key, found)| desk.exact(&format!("{what}: {key}"), found, &theirs[key]));
}

/// The voxels that were kept of each class: their number, the first ten, and hashes of all of them as drawn and sorted.
fn locations(desk: &mut Desk<'_>, what: &str, ours: &CaseProperties, theirs: &Value) {
    let found: serde_json::Map<String, Value> = ours.class_locations.iter().flatten().map(|(key, voxels)| (name(key), summary(voxels))).collect();
    if let (Some(wanted), true) = (theirs.as_object(), found.len() == theirs.as_object().map_or(0, serde_json::Map::len)) {
        for (key, wanted) in wanted {
            // what nnU-Net's record holds of a class without voxels is its own affair
            let empty = wanted["n"] == 0 && found.get(key).is_some_and(|found| found["n"] == 0);
            if !empty {
                desk.exact(&format!("{what}: class_locations, {key}"), found.get(key).unwrap_or(&Value::Null), wanted);
            }
        }
    }
    let keys = |map: Option<&serde_json::Map<String, Value>>| map.map(|map| map.keys().cloned().collect::<Vec<_>>());
    desk.exact(&format!("{what}: class_locations"), &keys(Some(&found)), &keys(theirs.as_object()));
}

fn name(key: &ClassKey) -> String {
    match key {
        ClassKey::Label(label) => label.to_string(),
        ClassKey::Region(labels) => format!("({})", labels.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")),
    }
}

fn summary(voxels: &[[i64; 4]]) -> Value {
    let bytes = |voxels: &[[i64; 4]]| voxels.as_flattened().iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let mut sorted = voxels.to_vec();
    sorted.sort_unstable();
    json!({
        "n": voxels.len(),
        "first10": voxels.iter().take(10).collect::<Vec<_>>(),
        "sha256_int64_le_Nx4": hex(&bytes(voxels)),
        "sorted_sha256": hex(&bytes(&sorted)),
    })
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
