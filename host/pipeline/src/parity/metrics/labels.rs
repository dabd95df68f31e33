//! What a dataset's labels mean for the network's output.

use std::collections::BTreeMap;

use ndarray::ArrayD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::desk::Desk;
use super::super::files::Use;
use super::super::tolerance;
use super::FOLDER;
use crate::dataset::{DatasetJson, LabelManager};
use crate::error::Result;

#[derive(Deserialize)]
struct File {
    info: BTreeMap<String, Value>,
    dataset_json: BTreeMap<String, DatasetJson>,
}

/// `label_manager.json` with datasets, and `label_manager.npz` with logits and, for each dataset, probabilities and segmentation.
pub(super) fn compare(desk: &mut Desk<'_>) -> Result<()> {
    let (file, npz) = (format!("{FOLDER}/label_manager.json"), format!("{FOLDER}/label_manager.npz"));
    let File { info, dataset_json } = desk.json(&file, Use::Compared)?;
    let arrays = desk.arrays(&npz, Use::Compared)?;
    let logits: ArrayD<f32> = arrays.f32("logits")?;
    for (name, dataset) in &dataset_json {
        let labels = dataset.label_manager()?;
        if let Some(theirs) = info.get(&format!("{name}_info")) {
            desk.exact(&format!("{file}: {name}"), &told(&labels, dataset), theirs);
        }
        let mut ours = logits.clone();
        labels.to_probabilities(&mut ours);
        let theirs: ArrayD<f32> = arrays.f32(&format!("{name}_prob"))?;
        let what = format!("{npz}: {name}_prob");
        if desk.shape(&what, ours.shape(), theirs.shape()) {
            desk.floats(&what, ours.as_slice().unwrap_or_default(), theirs.as_slice().unwrap_or_default(), tolerance::LOSSES);
        }
        let theirs: ArrayD<i16> = arrays.labels(&format!("{name}_seg"))?;
        for (of, ours) in [("logits", labels.decode_logits(&logits)), ("probabilities", labels.decode_probabilities(&ours))] {
            let what = format!("{npz}: {name}_seg of {of}");
            if desk.shape(&what, ours.shape(), theirs.shape()) {
                desk.voxels(&what, ours.as_slice().unwrap_or_default(), theirs.as_slice().unwrap_or_default(), tolerance::EXACT);
            }
        }
    }
    let known = |name: &str| {
        name == "logits" || name.rsplit_once('_').is_some_and(|(of, what)| dataset_json.contains_key(of) && matches!(what, "prob" | "seg"))
    };
    for (name, _) in arrays.iter().filter(|(name, _)| !known(name)) {
        desk.fell_short(&format!("{npz}: {name}"), "the array was not understood, so nothing was compared with it");
    }
    Ok(())
}

/// As nnU-Net's label manager tells of itself; a region of one label is a number where the file has it so.
fn told(labels: &LabelManager, dataset: &DatasetJson) -> Value {
    let listed = |region: &Vec<i16>| {
        dataset
            .labels
            .iter()
            .any(|label| label.values == *region && dataset.get("labels").and_then(|l| l.get(&label.name)).is_some_and(Value::is_array))
    };
    let region = |region: &Vec<i16>| match region.as_slice() {
        [label] if !listed(region) => json!(label),
        labels => json!(labels),
    };
    json!({
        "heads": labels.num_outputs(),
        "fg_labels": labels.foreground_labels(),
        "fg_regions": labels.has_regions().then(|| labels.foreground_regions().iter().map(region).collect::<Vec<_>>()),
        "all_labels": labels.labels(),
        "ignore": labels.ignore(),
    })
}
