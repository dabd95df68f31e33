//! Values by hand, and what the loss must do by its nature.

use super::rig::{close, gradient, labels_task, logits, loss, sigmoid, stacked, value};
use plugin_api::{ErrorKind, Task, abi::host::Library, json};
use plugin_test::TestHead;

const LOGITS: [f64; 24] = [2., 0., 0., 1., 0., 0., 0., 3., 0., 2., 1., 0., 0., 1., 0., 0., 0., 0., 0., 0., 1., 0., -1., 0.];
const LABELS: [i16; 8] = [0, 1, 1, 0, 0, 1, 2, 0];
/// The term alone.
const BLOBS: &str = r#"{"main_weight": 0.0}"#;

#[test]
fn row_8_blob_dice_loss_has_the_published_values() {
    let task = labels_task(3, false);
    let all = value(&loss("blob_dice", BLOBS, &task), &task, &[8], &LOGITS, &[LABELS.to_vec()]);
    close(all, -(0.625121 + 0.447627 + 0.118348) / 3.0);
    // only the blob of two voxels is large enough
    let large = loss("blob_dice", r#"{"main_weight": 0.0, "min_voxels": 2}"#, &task);
    close(value(&large, &task, &[8], &LOGITS, &[LABELS.to_vec()]), -0.625121);
}

#[test]
fn the_main_term_is_that_of_the_usual_losses() {
    let task = labels_task(3, false);
    let of = |name, settings| value(&loss(name, settings, &task), &task, &[8], &LOGITS, &[LABELS.to_vec()]);
    close(of("blob_dice", r#"{"blob_weight": 0.0}"#), 0.3194275);
    close(of("blob_dice_ce", r#"{"blob_weight": 0.0}"#), 0.7052233);
    close(of("blob_dice", r#"{"blob_weight": 2.0}"#), 0.3194275 + 2.0 * of("blob_dice", BLOBS));
}

/// docs/losses.md: cross entropy + blob term, each by its weight; the cross entropy alone below the finest head.
#[test]
fn blob_dice_ce_is_cross_entropy_and_the_blobs_by_their_weights() {
    let (task, samples) = (labels_task(3, false), [LABELS.to_vec()]);
    let (entropy, blobs) = (0.7052233, -(0.625121 + 0.447627 + 0.118348) / 3.0);
    let of = |settings| value(&loss("blob_dice_ce", settings, &task), &task, &[8], &LOGITS, &samples);
    close(of("{}"), entropy + blobs);
    close(of(BLOBS), blobs);
    // as Kofler et al. weigh the two
    close(of(r#"{"main_weight": 2.0, "blob_weight": 1.0}"#), 2.0 * entropy + blobs);
    close(of(r#"{"main_weight": 0.5, "blob_weight": 3.0}"#), 0.5 * entropy + 3.0 * blobs);
    let fine = logits(&task, &[8], &LOGITS, 1);
    // the coarse head sees other labels
    let other = [vec![1; 8]];
    let coarse = value(&loss("blob_dice_ce", r#"{"blob_weight": 0.0}"#, &task), &task, &[8], &LOGITS, &other);
    let heads = [TestHead { logits: &fine, samples: &samples, weight: 0.75 }, TestHead { logits: &fine, samples: &other, weight: 0.25 }];
    close(loss("blob_dice_ce", "{}", &task).heads(&heads).unwrap(), 0.75 * entropy + 0.25 * coarse + blobs);
    // regions: binary cross entropy, of which docs/losses.md says the same
    let regions = Task { outputs: 1, regions: true, ignore: false, batch_dice: false };
    let (x, sample) = ([2.0, 1.5, -0.5, -1.0], vec![0, 1, 1, 0]);
    let p = x.map(sigmoid);
    let binary = -(0..4).map(|v| if sample[v] == 1 { p[v].ln() } else { (1.0 - p[v]).ln() }).sum::<f64>() / 4.0;
    let made = value(&loss("blob_dice_ce", "{}", &regions), &regions, &[4], &x, &[sample]);
    close(made, binary - dice(&[p[1], p[2]], &[p[0], p[3]]));
}

#[test]
fn the_shape_of_the_image_does_not_matter_where_blobs_do_not_touch() {
    let task = labels_task(3, false);
    let of = |spatial: &[usize]| value(&loss("blob_dice", BLOBS, &task), &task, spatial, &LOGITS, &[LABELS.to_vec()]);
    close(of(&[1, 8]), of(&[8]));
    close(of(&[1, 1, 8]), of(&[8]));
    // as (2, 4), voxels 1, 2 and 5 are one blob
    assert!((of(&[2, 4]) - of(&[8])).abs() > 1e-3);
}

/// Score of a blob from its voxels' probabilities, the background's, and its size.
fn dice(blob: &[f64], background: &[f64]) -> f64 {
    let (s, b): (f64, f64) = (blob.iter().sum(), background.iter().sum());
    (2.0 * s + 1e-5) / (s + b + blob.len() as f64 + 1e-5)
}

#[test]
fn ignored_voxels_are_nowhere() {
    let task = labels_task(2, true);
    let x = [0.5, -1.0, 2.0, 1.0, 0.3];
    let logits: Vec<f64> = [0.0; 5].into_iter().chain(x).collect();
    let made = value(&loss("blob_dice", BLOBS, &task), &task, &[5], &logits, &[vec![1, 2, 1, 0, 0]]);
    let p = x.map(sigmoid);
    let wanted = (dice(&[p[0]], &[p[3], p[4]]) + dice(&[p[2]], &[p[3], p[4]])) / 2.0;
    close(made, -wanted);
}

#[test]
fn every_region_counts_the_first_included() {
    let task = Task { outputs: 2, regions: true, ignore: true, batch_dice: false };
    let (a, b) = ([0.5, -1.0, 2.0, 1.0], [0.2, 0.7, -0.4, 3.0]);
    let logits: Vec<f64> = a.into_iter().chain(b).collect();
    // regions {0, 2} and {1}; voxel 3 is ignored
    let sample = vec![1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 1];
    let made = value(&loss("blob_dice", BLOBS, &task), &task, &[4], &logits, &[sample]);
    let (p, q) = (a.map(sigmoid), b.map(sigmoid));
    let wanted = dice(&[p[0]], &[p[1]]) + dice(&[p[2]], &[p[1]]) + dice(&[q[1]], &[q[0], q[2]]);
    close(made, -wanted / 3.0);
}

#[test]
fn samples_without_blobs_leave_the_mean_alone() {
    let task = labels_task(3, false);
    let blobs = loss("blob_dice", BLOBS, &task);
    let twice: Vec<f64> = LOGITS.into_iter().chain(LOGITS).collect();
    let one = value(&blobs, &task, &[8], &LOGITS, &[LABELS.to_vec()]);
    close(value(&blobs, &task, &[8], &twice, &[LABELS.to_vec(), vec![0; 8]]), one);
    close(value(&blobs, &task, &[8], &twice, &[LABELS.to_vec(), LABELS.to_vec()]), one);
    assert_eq!(value(&blobs, &task, &[8], &LOGITS, &[vec![0; 8]]), 0.0);
}

#[test]
fn a_perfect_prediction_scores_best_and_all_foreground_does_not() {
    let task = labels_task(2, false);
    let labels = vec![0, 1, 1, 0, 0, 1, 0, 0];
    let blobs = loss("blob_dice", BLOBS, &task);
    let of = |foreground: &dyn Fn(i16) -> f64| {
        let logits: Vec<f64> = [0.0; 8].into_iter().chain(labels.iter().map(|&l| foreground(l))).collect();
        value(&blobs, &task, &[8], &logits, std::slice::from_ref(&labels))
    };
    let perfect = of(&|l| if l == 1 { 30.0 } else { -30.0 });
    assert!((perfect + 1.0).abs() < 1e-6, "{perfect}");
    assert!(of(&|_| 30.0) > -0.5);
}

#[test]
fn row_8_the_slope_is_one_number_for_each_blob_and_is_there_at_false_positives() {
    let task = Task { outputs: 1, regions: true, ignore: false, batch_dice: false };
    let x = [2.0, 1.5, -0.5, -1.0, 0.7, 0.1, 1.0, -2.0];
    let sample = vec![0, 1, 1, 0, 0, 1, 0, 0];
    let found = gradient(&loss("blob_dice", BLOBS, &task), &task, &[8], &x, std::slice::from_ref(&sample));
    let p = x.map(sigmoid);
    let background: f64 = (0..8).filter(|&v| sample[v] == 0).map(|v| p[v]).sum();
    // numerator and denominator of the two scores
    let [first, second] = [[1, 2].as_slice(), &[5]].map(|blob| {
        let s: f64 = blob.iter().map(|&v| p[v]).sum();
        (2.0 * s + 1e-5, background + s + blob.len() as f64 + 1e-5)
    });
    let inside = |(a, d): (f64, f64)| (2.0 * d - a) / (d * d) / 2.0;
    let outside = [first, second].iter().map(|(a, d)| -a / (d * d) / 2.0).sum();
    for (v, &found) in found.iter().enumerate() {
        let of_score = match v {
            1 | 2 => inside(first),
            5 => inside(second),
            _ => outside,
        };
        let wanted = -of_score * p[v] * (1.0 - p[v]);
        assert!((found - wanted).abs() < 1e-7, "voxel {v}: {found}, wanted {wanted}");
        // a descent lowers every false positive and raises every blob
        assert!(if sample[v] == 1 { found < -1e-3 } else { found > 1e-3 }, "voxel {v}: {found}");
    }
}

#[test]
fn nothing_annotated_is_left_out_or_counts_as_one_blob() {
    let task = labels_task(2, true);
    let logits: Vec<f64> = [0.0; 4].into_iter().chain([1.0, -1.0, 0.5, 0.0]).collect();
    let of = |settings, sample: &[i16]| value(&loss("blob_dice", settings, &task), &task, &[4], &logits, &[sample.to_vec()]);
    let with = r#"{"main_weight": 0.0, "empty_smooth": 3.0}"#;
    let sum: f64 = [1.0, -1.0, 0.5].map(sigmoid).iter().sum();
    close(of(with, &[0, 0, 0, 2]), -3.0 / (sum + 3.0));
    assert_eq!((of(BLOBS, &[0, 0, 0, 2]), of(with, &[2; 4]), of(BLOBS, &[2; 4])), (0.0, 0.0, 0.0));
    // a sample with blobs is what it was
    close(of(with, &[1, 0, 0, 2]), of(BLOBS, &[1, 0, 0, 2]));
}

#[test]
fn coarse_heads_take_the_main_term_alone() {
    let task = labels_task(3, false);
    let made = loss("blob_dice", "{}", &task);
    let (fine, samples) = (logits(&task, &[8], &LOGITS, 1), [LABELS.to_vec()]);
    let head = |weight| TestHead { logits: &fine, samples: &samples, weight };
    let total = made.heads(&[head(0.75), head(0.25), head(0.0)]).unwrap();
    let blobs = value(&loss("blob_dice", BLOBS, &task), &task, &[8], &LOGITS, &[LABELS.to_vec()]);
    close(total, 0.3194275 + blobs);
}

#[test]
fn touching_corners_follow_the_setting() {
    let task = labels_task(2, false);
    let sample = vec![1, 0, 0, 1];
    let highest = |settings| {
        let prepared = stacked(&loss("blob_dice", settings, &task), &[2, 2], std::slice::from_ref(&sample));
        assert_eq!(prepared.shape(), [1, 1, 2, 2]);
        prepared.int_values().iter().max().copied()
    };
    assert_eq!(highest("{}"), Some(2));
    assert_eq!(highest(r#"{"connectivity": "faces"}"#), Some(3));
}

#[test]
fn settings_that_make_no_loss_are_refused() {
    let task = labels_task(3, false);
    for settings in [r#"{"blob_wait": 1.0}"#, r#"{"connectivity": "some"}"#] {
        let refused = Library::builtin().loss("blob_dice", settings, &json!(task).to_string()).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Component);
    }
    let zero = loss("blob_dice", r#"{"smooth": 0.0}"#, &task);
    let refused = zero.value(&logits(&task, &[8], &LOGITS, 1), &[LABELS.to_vec()]).err().unwrap();
    assert!(refused.message().contains("smooth"));
}

#[test]
fn the_configs_select_the_losses() {
    let configs = Library::builtin().components().into_iter().filter(|c| c.kind == "config");
    let selected: Vec<(String, String)> = configs
        .map(|c| {
            let config: plugin_api::TrainerConfig = serde_json::from_str(&c.data).unwrap();
            (c.name, config.loss.unwrap().name)
        })
        .collect();
    let wanted = [("blob_dice_ce_loss", "blob_dice_ce"), ("blob_dice_loss", "blob_dice")];
    assert_eq!(selected, wanted.map(|(a, b)| (a.to_string(), b.to_string())));
}
