//! nnU-Net's pseudo Dice: counts over the patches of all validation iterations of an epoch.

use plugin_api::Task;

/// True positives, false positives and false negatives of each foreground class or region.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PseudoDice {
    counts: Vec<[u64; 3]>,
}

fn count(slot: &mut [u64; 3], predicted: bool, wanted: bool) {
    match (predicted, wanted) {
        (true, true) => slot[0] += 1,
        (true, false) => slot[1] += 1,
        (false, true) => slot[2] += 1,
        (false, false) => {}
    }
}

impl PseudoDice {
    /// Adds a batch: `logits` (B, outputs, voxels) of the finest head, `labels` (B, channels, voxels) of its target.
    pub(crate) fn add(&mut self, task: &Task, logits: &[f32], labels: &[i16], batch: usize) {
        let classes = task.outputs;
        let voxels = logits.len() / (batch * classes).max(1);
        let first = usize::from(!task.regions);
        self.counts.resize(classes - first, [0; 3]);
        let channels = labels.len() / (batch * voxels).max(1);
        for b in 0..batch {
            let (logits, labels) = (&logits[b * classes * voxels..], &labels[b * channels * voxels..]);
            for v in 0..voxels {
                if task.regions {
                    if task.ignore && labels[(channels - 1) * voxels + v] != 0 {
                        continue;
                    }
                    for (r, slot) in self.counts.iter_mut().enumerate() {
                        count(slot, logits[r * voxels + v] > 0.0, labels[r * voxels + v] > 0);
                    }
                    continue;
                }
                let wanted = labels[v];
                if wanted < 0 || wanted as usize >= classes {
                    continue;
                }
                let predicted = (1..classes).fold(0, |best, c| if logits[c * voxels + v] > logits[best * voxels + v] { c } else { best });
                for (c, slot) in (1..classes).zip(&mut self.counts) {
                    count(slot, predicted == c, wanted as usize == c);
                }
            }
        }
    }

    /// Dice of each class; NaN where it neither is nor was predicted.
    pub(crate) fn per_class(&self) -> Vec<f64> {
        self.counts.iter().map(|&[tp, fp, fne]| 2.0 * tp as f64 / (2 * tp + fp + fne) as f64).collect()
    }
}

/// Mean of what is a number; NaN of nothing.
pub(crate) fn nanmean(values: &[f64]) -> f64 {
    let numbers: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// The running mean after an epoch of this mean Dice; an epoch without a number leaves it as it is.
pub(crate) fn running_mean(before: Option<f64>, mean: f64) -> f64 {
    match before {
        Some(before) if mean.is_nan() => before,
        Some(before) if !before.is_nan() => before * 0.9 + 0.1 * mean,
        _ => mean,
    }
}

/// Whether the last `epochs` brought no better running mean than those before them, of which one must have had a number.
pub(crate) fn stands_still(running: &[f64], epochs: usize) -> bool {
    let (before, last) = running.split_at(running.len().saturating_sub(epochs));
    let best = |part: &[f64]| part.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    best(before).is_finite() && best(last) <= best(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_without_a_number_neither_count_nor_stay() {
        let mut running = Vec::new();
        for mean in [f64::NAN, f64::NAN, 0.5, f64::NAN, 0.6] {
            running.push(running_mean(running.last().copied(), mean));
        }
        assert!(running[1].is_nan());
        assert_eq!(running[2..], [0.5, 0.5, 0.5 * 0.9 + 0.1 * 0.6]);
        assert!(!stands_still(&[f64::NAN; 9], 3), "nothing was seen that could stand still");
        assert!(!stands_still(&[0.5, 0.4], 2) && stands_still(&[0.5, 0.4], 1) && stands_still(&[f64::NAN, 0.5, 0.5, 0.5], 2));
        assert!(!stands_still(&[0.5, 0.4, 0.6], 2) && !stands_still(&[], 1));
    }

    #[test]
    fn ignored_voxels_and_background_do_not_count() {
        let task = Task { outputs: 3, ignore: true, ..Task::default() };
        let mut dice = PseudoDice::default();
        // voxels: predicted 1, 1, 2, 2; wanted 1, 0, 2, ignored
        let logits = [0., 0., 0., 0., 1., 1., 0., 0., 0., 0., 1., 1.];
        dice.add(&task, &logits, &[1, 0, 2, 3], 1);
        assert_eq!(dice.per_class(), [2.0 / 3.0, 1.0]);
    }

    /// nnU-Net's counts of voxels (`get_tp_fp_fn_tn`), those that its pseudo Dice is made of: classes in the first three rows.
    #[test]
    fn counts_of_the_reference() {
        let Some(folder) = std::env::var_os("NNUNET_REFERENCE") else { return eprintln!("skipped: NNUNET_REFERENCE is not set") };
        let folder = std::path::Path::new(&folder).join("metrics");
        let entries: Vec<serde_json::Value> = crate::json::read(&folder.join("losses.json")).unwrap();
        let arrays = volume::files::npz::read_npz(&folder.join("loss_inputs_grads.npz")).unwrap();
        let array = |name: String| arrays.iter().find(|(n, _)| *n == name).map(|(_, a)| (a.shape().to_vec(), a.to_f32())).unwrap();
        let mut compared = 0;
        for entry in &entries {
            let case = &entry["case"];
            let (shape, logits) = array(format!("t{case}_logits"));
            let (batch, outputs) = (shape[0], shape[1]);
            let (target, regions, ignore) = match entry["name"].as_str().unwrap() {
                "get_tp_fp_fn_tn_hard_axes_batch" => ("label".to_owned(), false, false),
                "get_tp_fp_fn_tn_hard_mask" => (format!("label_ignore{outputs}"), false, true),
                "get_tp_fp_fn_tn_regions" => ("regions".to_owned(), true, false),
                _ => continue,
            };
            let labels: Vec<i16> = array(format!("t{case}_{target}")).1.iter().map(|&v| v as i16).collect();
            let mut found = PseudoDice::default();
            found.add(&Task { outputs, regions, ignore, ..Task::default() }, &logits, &labels, batch);
            let wanted: Vec<Vec<f64>> = serde_json::from_value(entry["value"].clone()).unwrap();
            for (class, counts) in (usize::from(!regions)..outputs).zip(&found.counts) {
                assert_eq!(counts.map(|n| n as f64), [wanted[0][class], wanted[1][class], wanted[2][class]], "{entry}");
            }
            compared += 1;
        }
        assert_eq!(compared, 9);
    }

    #[test]
    fn a_class_that_is_nowhere_is_no_number() {
        assert!(PseudoDice { counts: vec![[0; 3]] }.per_class()[0].is_nan());
        assert_eq!(nanmean(&[f64::NAN, 0.5]), 0.5);
    }
}
