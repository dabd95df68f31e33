//! Losses on given logits: values, and gradients with respect to the logits.

use engine::{HeadTarget, Mode, Supervision, logits};
use plugin_api::abi::host::{Library, LossHandle};
use plugin_api::prelude::*;
use plugin_api::{Task, losses};
use serde_json::Value;

use super::super::arrays::Arrays;
use super::super::desk::Desk;
use super::super::files::Use;
use super::super::tolerance;
use super::{FOLDER, counts};
use crate::error::Error;

/// Soft Dice with all its settings, of which the configs need few. Two underscores keep it out of lists.
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

register_loss!("__any_dice", AnyDice, "soft Dice with all settings, for the parity report");

/// An entry of `losses.json`.
#[derive(Deserialize)]
struct Entry {
    case: usize,
    name: String,
    value: Value,
    grad_l2: Option<f64>,
    grad_first6: Option<Vec<f32>>,
}

/// Which loss, with which settings, stands for a name of nnU-Net's, such as `SoftDice_smooth1_softmax_batchdiceTrue_dobgFalse` or
/// `DC_and_topk10_batchdiceTrue`; none for names that are not known.
fn loss_of(name: &str, outputs: usize) -> Option<(&'static str, Value)> {
    let background = name.contains("dobgTrue") || name.contains("regions");
    let dice = |smooth: f64| Some(("__any_dice", json!({"smooth": smooth, "background": background})));
    let plain = name.trim_end_matches("_ignore");
    let number = |text: &str| text.split('_').next().and_then(|number| number.parse::<f64>().ok());
    if let Some(percent) = plain.strip_prefix("TopK") {
        return Some(("topk_ce", json!({"percent": number(percent)?})));
    }
    if let Some(rest) = name.strip_prefix("DC_and_topk") {
        return Some(("dice_topk", json!({"percent": number(rest)?})));
    }
    if let Some(rest) = name.strip_prefix("SoftDice_smooth") {
        return dice(number(rest)?);
    }
    if let Some(step) = plain.strip_prefix("RobustCE_weighted(1+") {
        let step = number(step.strip_suffix("i)")?)?;
        let weights: Vec<f64> = (0..outputs).map(|class| 1.0 + step * class as f64).collect();
        return Some(("ce", json!({"class_weights": weights})));
    }
    let starts = |start: &str| name.starts_with(start);
    match plain {
        _ if starts("MemEffDice_") => dice(1e-5),
        _ if starts("DC_and_CE_") || starts("DC_and_BCE_") => Some(("dice_ce", json!({}))),
        "RobustCE" | "BCEWithLogits_regions" => Some(("ce", json!({}))),
        _ => None,
    }
}

/// The array that holds what a loss of this name compares the logits of `case` with, and whether some of it is ignored.
pub(super) fn target_of(case: usize, name: &str, outputs: usize) -> (String, bool) {
    let ignore = name.contains("_ignore") || name.ends_with("_mask");
    let regions = name.contains("regions") || name.contains("BCE");
    let target = match (regions, ignore, name.ends_with("absentlast")) {
        (true, false, _) => "regions".to_owned(),
        (true, true, _) => "regions_ign".to_owned(),
        (false, true, _) => format!("label_ignore{outputs}"),
        (false, false, true) => "label_absent_last".to_owned(),
        (false, false, false) => "label".to_owned(),
    };
    (format!("t{case}_{target}"), ignore)
}

pub(super) fn compare(desk: &mut Desk<'_>) -> crate::error::Result<()> {
    let file = format!("{FOLDER}/losses.json");
    let entries: Vec<Entry> = desk.json(&file, Use::Compared)?;
    let arrays = desk.arrays(&format!("{FOLDER}/loss_inputs_grads.npz"), Use::Compared)?;
    for entry in &entries {
        let what = format!("{file}: case {}, {}", entry.case, entry.name);
        desk.attempt(&what, |desk| match entry.name.strip_prefix("get_tp_fp_fn_tn_") {
            Some(kind) => counts::compare(desk, &what, kind, entry.case, &entry.value, &arrays),
            None => one(desk, &what, entry, &arrays),
        });
    }
    let names: Vec<String> = entries.iter().map(|entry| format!("t{}_grad_{}", entry.case, entry.name)).collect();
    for (name, _) in arrays.iter().filter(|(name, _)| name.contains("_grad_") && !names.iter().any(|known| known == name)) {
        desk.fell_short(&format!("{FOLDER}/loss_inputs_grads.npz: {name}"), "losses.json has no such loss, so nothing was compared with it");
    }
    Ok(())
}

fn one(desk: &mut Desk<'_>, what: &str, entry: &Entry, arrays: &Arrays) -> crate::error::Result<()> {
    let logits = arrays.get(&format!("t{}_logits", entry.case))?;
    let outputs = logits.shape().get(1).copied().unwrap_or(0);
    let Some((loss, settings)) = loss_of(&entry.name, outputs) else {
        desk.fell_short(what, "the loss was not understood, so nothing was compared with it");
        return Ok(());
    };
    let (target, ignore) = target_of(entry.case, &entry.name, outputs);
    let target = arrays.get(&target)?;
    let labels: Vec<i16> = target.to_f32().into_iter().map(|label| label as i16).collect();
    let regions = entry.name.contains("regions") || entry.name.contains("BCE");
    let task = Task { outputs, regions, ignore, batch_dice: entry.name.contains("batchdiceTrue") };
    let loss = handle(desk, loss, &settings, &task)?;
    let mut model = logits::model(&[logits.shape().to_vec()], 0)?;
    model.load(&[("logits.0".to_owned(), logits.shape().to_vec(), logits.to_f32())])?;
    let head = HeadTarget { shape: target.shape(), values: &labels, weight: 1.0 };
    let supervision = Supervision { heads: vec![head], prepared: &[], task: &task };
    let step = model.step(Mode::Train, &[0.0], &[1, 1, 1], &supervision, &loss, &[])?;
    desk.number(what, f64::from(step.loss), entry.value.as_f64().unwrap_or(f64::NAN), tolerance::LOSSES);

    let found = step.gradients.ok_or_else(|| Error::invalid("the loss gave no gradient"))?.to_vecs()?;
    let gradient = found.into_iter().next().flatten().unwrap_or_else(|| vec![0.0; logits.to_f32().len()]);
    let what = format!("{what}: gradient");
    if let Some(theirs) = arrays.find(&format!("t{}_grad_{}", entry.case, entry.name)) {
        desk.floats(&what, &gradient, &theirs.to_f32(), tolerance::LOSSES);
    }
    if let Some(theirs) = &entry.grad_first6 {
        let first = gradient.get(..theirs.len()).unwrap_or(&gradient);
        desk.floats(&format!("{what}, first values"), first, theirs, tolerance::LOSSES);
    }
    if let Some(theirs) = entry.grad_l2 {
        let ours = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        desk.number(&format!("{what}, norm"), ours, theirs, tolerance::LOSSES);
    }
    Ok(())
}

/// A loss by name: those of this file are not in the registry's lists.
fn handle(desk: &Desk<'_>, name: &str, settings: &Value, task: &Task) -> crate::error::Result<LossHandle> {
    if name.starts_with("__") {
        let task = serde_json::to_string(task).map_err(|error| Error::invalid(error.to_string()))?;
        return Ok(Library::builtin().loss(name, &settings.to_string(), &task)?);
    }
    Ok(desk.options.registry.loss(name)?.create(settings.as_object().unwrap_or(&serde_json::Map::new()), task)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_loss() {
        assert_eq!(loss_of("DC_and_topk20_batchdiceTrue", 3), Some(("dice_topk", json!({"percent": 20.0}))));
        assert_eq!(loss_of("TopK10_ignore", 3), Some(("topk_ce", json!({"percent": 10.0}))));
        assert_eq!(loss_of("RobustCE_weighted(1+0.5i)", 3), Some(("ce", json!({"class_weights": [1.0, 1.5, 2.0]}))));
        assert!(loss_of("FocalTversky", 3).is_none() && loss_of("TopKmany", 3).is_none());
    }
}
