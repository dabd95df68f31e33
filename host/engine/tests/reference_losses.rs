//! nnU-Net's losses: values and gradients, within 1e-5.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Input, Rig, distance, reference};
use engine::{HeadTarget, Mode, Supervision};
use plugin_api::{Task, abi::host::Library, prelude::*};
use serde_json::Value;
use std::collections::HashMap;
use volume::files::npz::read_npz;

/// Soft Dice with all its settings, which no config needs.
#[derive(Default, Deserialize)]
struct AnyDice {
    smooth: f64,
    background: bool,
}

impl Loss for AnyDice {
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        let p = if target.task().regions { logits.sigmoid() } else { logits.softmax(1) };
        let settings = losses::SoftDice { smooth: self.smooth, background: self.background, batch: target.task().batch_dice };
        Ok(losses::soft_dice(&p, &target.one_hot(), target.valid(), &settings))
    }
}

register_loss!("any_dice", AnyDice);

/// Which registered loss, with which settings, stands for a name of the reference in a task of `outputs` labels or regions.
fn loss_of(name: &str, outputs: usize) -> Option<(&'static str, Value)> {
    let background = name.contains("dobgTrue") || name.contains("regions");
    let dice = |smooth: f64| Some(("any_dice", json!({"smooth": smooth, "background": background})));
    match name {
        n if n.starts_with("MemEffDice") => dice(1e-5),
        n if n.starts_with("SoftDice_smooth1") => dice(1.0),
        n if n.starts_with("DC_and_CE") || n.starts_with("DC_and_BCE") => Some(("dice_ce", json!({}))),
        n if n.starts_with("DC_and_topk10") => Some(("dice_topk", json!({}))),
        "RobustCE" | "RobustCE_ignore" | "BCEWithLogits_regions" => Some(("ce", json!({}))),
        "TopK10" | "TopK10_ignore" => Some(("topk_ce", json!({}))),
        "RobustCE_weighted(1+0.5i)" => {
            let weights: Vec<f64> = (0..outputs).map(|i| 1.0 + 0.5 * i as f64).collect();
            Some(("ce", json!({"class_weights": weights})))
        }
        // counts of voxels are no loss: the pipeline's pseudo Dice is held to them
        n if n.starts_with("get_tp_fp_fn_tn") => None,
        other => panic!("the reference has a loss {other} that this test does not know"),
    }
}

#[test]
fn values_and_gradients() {
    let Some(dir) = reference() else { return };
    let dir = dir.join("metrics");
    standard::link();
    let arrays: HashMap<String, Input> =
        read_npz(&dir.join("loss_inputs_grads.npz")).unwrap().into_iter().map(|(n, a)| (n, (a.shape().to_vec(), a.to_f32()))).collect();
    let entries: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(dir.join("losses.json")).unwrap()).unwrap();
    let (mut compared, mut counts, mut worst, mut worst_gradient) = (0, 0, 0f64, 0f64);
    for entry in &entries {
        let (case, name) = (entry["case"].as_u64().unwrap(), entry["name"].as_str().unwrap());
        let logits = arrays[&format!("t{case}_logits")].clone();
        let outputs = logits.0[1];
        let Some((loss, settings)) = loss_of(name, outputs) else {
            counts += 1;
            continue;
        };
        let ignore = name.contains("_ignore") || name.ends_with("_mask");
        let regions = name.contains("regions") || name.contains("BCE");
        let target = match (regions, ignore, name.ends_with("absentlast")) {
            (true, false, _) => "regions".into(),
            (true, true, _) => "regions_ign".into(),
            (false, true, _) => format!("label_ignore{outputs}"),
            (false, false, true) => "label_absent_last".into(),
            (false, false, false) => "label".into(),
        };
        let (shape, labels) = &arrays[&format!("t{case}_{target}")];
        let labels: Vec<i16> = labels.iter().map(|&v| v as i16).collect();
        let task = Task { outputs, regions, ignore, batch_dice: name.contains("batchdiceTrue") };
        let loss = Library::builtin().loss(loss, &settings.to_string(), &serde_json::to_string(&task).unwrap()).unwrap();
        let rig = Rig::new(vec![logits], vec![], |t| t[0].affine(1.0, 0.0));
        let head = HeadTarget { shape, values: &labels, weight: 1.0 };
        let supervision = Supervision { heads: vec![head], prepared: &[], task: &task };
        let step = rig.model.step(Mode::Train, &[0.0], &[1, 1, 1], &supervision, &loss, &[]).unwrap();
        let off = (f64::from(step.loss) - entry["value"].as_f64().unwrap()).abs();
        assert!(off <= 1e-5, "case {case}, {name}: {}, wanted {}", step.loss, entry["value"]);
        let gradient = step.gradients.unwrap().to_vecs().unwrap()[0].clone().unwrap();
        if let Some((_, wanted)) = arrays.get(&format!("t{case}_grad_{name}")) {
            worst_gradient = worst_gradient.max(distance(&gradient, wanted));
        }
        let first: Vec<f32> = serde_json::from_value(entry["grad_first6"].clone()).unwrap();
        worst_gradient = worst_gradient.max(distance(&gradient[..6], &first));
        assert!(worst_gradient <= 1e-5, "case {case}, {name}: gradient off by {worst_gradient:.1e}");
        let l2 = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        assert!((l2 - entry["grad_l2"].as_f64().unwrap()).abs() <= 1e-5, "case {case}, {name}: gradient's norm {l2}, wanted {}", entry["grad_l2"]);
        (compared, worst) = (compared + 1, worst.max(off));
    }
    assert!(compared > 0 && compared + counts == entries.len(), "{compared} losses and {counts} counts of {} entries", entries.len());
    println!("{compared} losses: values {worst:.1e}, gradients {worst_gradient:.1e}");
}

/// `TopKLoss(k=50, label_smoothing=0.1)` of nnunetv2 2.8.1, without and with `ignore_index=2`.
#[test]
fn smoothed_labels() {
    standard::link();
    let logits = [0.5, -1.0, 2.0, 0.1, 1.5, 0.3, -0.7, 0.0, -0.2, 0.9, 0.4, 1.0];
    for (ignore, labels, wanted) in [(false, [1, 2, 0, 0], 1.029_915_8), (true, [1, 3, 0, 0], 0.987_720_7)] {
        let task = Task { outputs: 3, ignore, ..Task::default() };
        let settings = json!({"percent": 50, "label_smoothing": 0.1}).to_string();
        let loss = Library::builtin().loss("topk_ce", &settings, &serde_json::to_string(&task).unwrap()).unwrap();
        let rig = Rig::new(vec![(vec![1, 3, 4, 1], logits.to_vec())], vec![], |t| t[0].affine(1.0, 0.0));
        let supervision = Supervision { heads: vec![HeadTarget { shape: &[1, 1, 4, 1], values: &labels, weight: 1.0 }], prepared: &[], task: &task };
        let step = rig.model.step(Mode::Train, &[0.0], &[1, 1, 1], &supervision, &loss, &[]).unwrap();
        assert!((f64::from(step.loss) - wanted).abs() < 1e-6, "{} instead of {wanted}", step.loss);
    }
}
