//! True and false positives and negatives of logits, as nnU-Net's `get_tp_fp_fn_tn` counts them.

use ndarray::{ArrayD, Axis};
use serde_json::{Value, json};

use super::super::arrays::Arrays;
use super::super::desk::Desk;
use super::super::tolerance;
use super::losses::target_of;
use crate::dataset::{DatasetJson, LabelManager};
use crate::error::{Error, Result};

/// `kind` is `hard_axes_batch`, `hard_mask`, `regions` or `soft_per_sample`; `theirs` holds tp, fp, fn and tn, each (C) or (B, C).
pub(super) fn compare(desk: &mut Desk<'_>, what: &str, kind: &str, case: usize, theirs: &Value, arrays: &Arrays) -> Result<()> {
    let logits: ArrayD<f32> = arrays.f32(&format!("t{case}_logits"))?;
    let outputs = logits.shape().get(1).copied().unwrap_or(0);
    let (target, ignore) = target_of(case, kind, outputs);
    let target: ArrayD<i16> = arrays.labels(&target)?;
    let (regions, soft) = match kind {
        "regions" => (true, false),
        "hard_axes_batch" | "hard_mask" => (false, false),
        "soft_per_sample" => (false, true),
        _ => {
            desk.fell_short(what, "the counts were not understood, so nothing was compared with them");
            return Ok(());
        }
    };
    let manager = manager(outputs, regions)?;
    let mut samples = Vec::new();
    for (logits, target) in logits.outer_iter().zip(target.outer_iter()) {
        let mut shares = logits.to_owned();
        if soft {
            manager.to_probabilities(&mut shares);
        } else if regions {
            shares.mapv_inplace(|logit| f32::from(u8::from(logit > 0.0)));
        } else {
            let labels = manager.decode_logits(&shares);
            for (class, mut channel) in shares.outer_iter_mut().enumerate() {
                channel.zip_mut_with(&labels, |share, &label| *share = f32::from(u8::from(label as usize == class)));
            }
        }
        let of_channel = |class: usize| -> [f64; 4] {
            let wanted = |label: i16| if regions { label > 0 } else { label as usize == class };
            let target = target.index_axis(Axis(0), if regions { class } else { 0 });
            let mut counts = [0.0; 4];
            for (&share, &label) in shares.index_axis(Axis(0), class).iter().zip(&target) {
                if ignore && label as usize == outputs {
                    continue;
                }
                let share = f64::from(share);
                let (positive, negative) = if wanted(label) { (0, 2) } else { (1, 3) };
                counts[positive] += share;
                counts[negative] += 1.0 - share;
            }
            counts
        };
        samples.push((0..outputs).map(of_channel).collect::<Vec<_>>());
    }
    let per_sample = |kind: usize| samples.iter().map(|sample| sample.iter().map(|counts| counts[kind]).collect::<Vec<_>>()).collect::<Vec<_>>();
    let summed = |kind: usize| (0..outputs).map(|class| samples.iter().map(|sample| sample[class][kind]).sum::<f64>()).collect::<Vec<_>>();
    let ours = if soft { json!([0, 1, 2, 3].map(per_sample)) } else { json!([0, 1, 2, 3].map(summed)) };
    desk.tree(what, &ours, theirs, tolerance::LOSSES);
    Ok(())
}

/// Labels 0, 1, 2, ..., or as many regions.
fn manager(outputs: usize, regions: bool) -> Result<LabelManager> {
    let mut labels = serde_json::Map::from_iter([("background".to_owned(), json!(0))]);
    let count = if regions { outputs + 1 } else { outputs };
    labels.extend((1..count).map(|label| (label.to_string(), if regions { json!([label, 1]) } else { json!(label) })));
    let order: Vec<usize> = (1..count).collect();
    let file = json!({"channel_names": {"0": "x"}, "labels": labels, "regions_class_order": order, "numTraining": 1, "file_ending": ".nii.gz"});
    serde_json::from_value::<DatasetJson>(file).map_err(|error| Error::invalid(error.to_string()))?.label_manager()
}
