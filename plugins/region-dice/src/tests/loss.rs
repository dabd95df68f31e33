//! Values by hand, and what the loss must do by its nature.

use super::rig::{close, gradient, labels_task, logits, loss, sigmoid, stacked, value};
use plugin_api::{ErrorKind, Task, abi::host::Library, json};
use plugin_test::TestHead;

const LOGITS: [f64; 24] = [2., 0., 0., 1., 0., 0., 0., 3., 0., 2., 1., 0., 0., 1., 0., 0., 0., 0., 0., 0., 1., 0., -1., 0.];
const LABELS: [i16; 8] = [0, 1, 1, 0, 0, 1, 2, 0];
/// The term alone.
const CELLS: &str = r#"{"main_weight": 0.0}"#;

fn regions_task(outputs: usize, ignore: bool) -> Task {
    Task { outputs, regions: true, ignore, batch_dice: false }
}

/// Score of a cell from the probabilities on its component and beside it.
fn dice(component: &[f64], beside: &[f64]) -> f64 {
    let (i, o): (f64, f64) = (component.iter().sum(), beside.iter().sum());
    (2.0 * i + 1e-5) / (i + o + component.len() as f64 + 1e-5)
}

#[test]
fn row_9_region_dice_loss_has_the_published_values() {
    let task = labels_task(3, false);
    let of = |settings, spatial: &[usize]| value(&loss("region_dice", settings, &task), &task, spatial, &LOGITS, &[LABELS.to_vec()]);
    // two cells of class 1, one of class 2; classes count the same
    let wanted = -((0.740505 + 0.510822) / 2.0 + 0.118348) / 2.0;
    close(of(CELLS, &[8]), wanted);
    close(of(CELLS, &[1, 8]), wanted);
    close(of(CELLS, &[1, 1, 8]), wanted);
    // as (2, 4), voxels 1, 2 and 5 are one component
    assert!((of(CELLS, &[2, 4]) - wanted).abs() > 1e-3);
    close(of(r#"{"region_weight": 0.0}"#, &[8]), 0.3194275);
    close(of(r#"{"region_weight": 2.0}"#, &[8]), 0.3194275 + 2.0 * wanted);
}

#[test]
fn row_9_the_slope_is_one_number_on_and_beside_each_component() {
    let task = regions_task(1, false);
    let x = [2.0, 1.5, -0.5, -1.0, 0.7, 0.1, 1.0, -2.0];
    let sample = vec![0, 1, 1, 0, 0, 1, 0, 0];
    let found = gradient(&loss("region_dice", CELLS, &task), &task, &[8], &x, std::slice::from_ref(&sample));
    let p = x.map(sigmoid);
    for (v, &found) in found.iter().enumerate() {
        let cell = if v < 4 { 0..4 } else { 4..8 };
        let on = |v: &usize| sample[*v] == 1;
        let (hit, all): (f64, f64) = (cell.clone().filter(on).map(|v| p[v]).sum(), cell.clone().map(|v| p[v]).sum());
        let (a, d) = (2.0 * hit + 1e-5, all + cell.filter(on).count() as f64 + 1e-5);
        let of_score = if on(&v) { (2.0 * d - a) / (d * d) } else { -a / (d * d) };
        let wanted = -of_score / 2.0 * p[v] * (1.0 - p[v]);
        assert!((found - wanted).abs() < 1e-7, "voxel {v}: {found}, wanted {wanted}");
        // a descent lowers every false positive and raises every component
        assert!(if on(&v) { found < -1e-3 } else { found > 1e-3 }, "voxel {v}: {found}");
    }
}

#[test]
fn cells_in_the_plane_are_bounded_by_distance() {
    let task = regions_task(1, false);
    // components in opposite corners; the diagonal between is as near to one as to the other
    let mut sample = vec![0; 25];
    (sample[0], sample[24]) = (1, 1);
    let prepared = stacked(&loss("region_dice", CELLS, &task), &[5, 5], std::slice::from_ref(&sample));
    assert_eq!((prepared.name(), prepared.shape()), ("cells", [1, 1, 5, 5].as_slice()));
    for (v, &number) in prepared.int_values().iter().enumerate() {
        let (y, x) = (v / 5, v % 5);
        match (x + y).cmp(&4) {
            std::cmp::Ordering::Less => assert_eq!(number, 2 + i32::from(v == 0)),
            std::cmp::Ordering::Equal => assert!(number == 2 || number == 4),
            std::cmp::Ordering::Greater => assert_eq!(number, 4 + i32::from(v == 24)),
        }
    }
}

#[test]
fn touching_corners_follow_the_setting() {
    let task = labels_task(2, false);
    let sample = vec![1, 0, 0, 1];
    let highest = |settings| {
        let prepared = stacked(&loss("region_dice", settings, &task), &[2, 2], std::slice::from_ref(&sample));
        prepared.int_values().iter().max().copied()
    };
    assert_eq!(highest("{}"), Some(3));
    assert_eq!(highest(r#"{"connectivity": "faces"}"#), Some(5));
}

#[test]
fn ignored_voxels_are_nowhere() {
    let task = labels_task(2, true);
    let x = [0.5, -1.0, 2.0, 1.0, 0.3];
    let logits: Vec<f64> = [0.0; 5].into_iter().chain(x).collect();
    let region = loss("region_dice", CELLS, &task);
    let sample = vec![1, 2, 1, 0, 0];
    let p = x.map(sigmoid);
    let wanted = (dice(&[p[0]], &[]) + dice(&[p[2]], &[p[3], p[4]])) / 2.0;
    close(value(&region, &task, &[5], &logits, std::slice::from_ref(&sample)), -wanted);
    let slopes = gradient(&region, &task, &[5], &logits, &[sample]);
    assert_eq!((slopes[1], slopes[6]), (0.0, 0.0));
}

#[test]
fn every_region_counts_by_itself_the_first_included() {
    let task = regions_task(2, true);
    let (a, b) = ([0.5, -1.0, 2.0, 1.0], [0.2, 0.7, -0.4, 3.0]);
    let logits: Vec<f64> = a.into_iter().chain(b).collect();
    // regions {0, 2} and {1}; voxel 3 is ignored
    let sample = vec![1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 1];
    let region = loss("region_dice", CELLS, &task);
    let prepared = stacked(&region, &[4], std::slice::from_ref(&sample));
    // voxel 1 is as near to voxel 0 as to voxel 2
    let first = prepared.int_values()[1] / 2 == 1;
    let made = value(&region, &task, &[4], &logits, &[sample]);
    let (p, q) = (a.map(sigmoid), b.map(sigmoid));
    let beside = |own: bool| if own { vec![p[1]] } else { vec![] };
    let cells = (dice(&[p[0]], &beside(first)) + dice(&[p[2]], &beside(!first))) / 2.0;
    close(made, -(cells + dice(&[q[1]], &[q[0], q[2]])) / 2.0);
}

#[test]
fn small_components_have_neither_cell_nor_part() {
    let task = regions_task(1, false);
    let x = [2.0, 1.5, -0.5, -1.0, 0.7, 0.1, 1.0, -2.0];
    let large = loss("region_dice", r#"{"main_weight": 0.0, "min_voxels": 2}"#, &task);
    let p = x.map(sigmoid);
    let made = value(&large, &task, &[8], &x, &[vec![0, 1, 1, 0, 0, 1, 0, 0]]);
    close(made, -dice(&p[1..3], &[p[0], p[3], p[4], p[6], p[7]]));
    assert_eq!(value(&large, &task, &[8], &x, &[vec![0, 1, 0, 0, 0, 1, 0, 0]]), 0.0);
}

#[test]
fn samples_without_components_leave_the_mean_alone_or_are_one_cell() {
    let task = labels_task(3, false);
    let cells = loss("region_dice", CELLS, &task);
    let twice: Vec<f64> = LOGITS.into_iter().chain(LOGITS).collect();
    let one = value(&cells, &task, &[8], &LOGITS, &[LABELS.to_vec()]);
    close(value(&cells, &task, &[8], &twice, &[LABELS.to_vec(), vec![0; 8]]), one);
    close(value(&cells, &task, &[8], &twice, &[LABELS.to_vec(), LABELS.to_vec()]), one);
    assert_eq!(value(&cells, &task, &[8], &LOGITS, &[vec![0; 8]]), 0.0);

    let task = labels_task(2, true);
    let logits: Vec<f64> = [0.0; 4].into_iter().chain([1.0, -1.0, 0.5, 0.0]).collect();
    let with = loss("region_dice", r#"{"main_weight": 0.0, "empty_smooth": 3.0}"#, &task);
    let sum: f64 = [1.0, -1.0, 0.5].map(sigmoid).iter().sum();
    close(value(&with, &task, &[4], &logits, &[vec![0, 0, 0, 2]]), -3.0 / (sum + 3.0));
    assert_eq!(value(&with, &task, &[4], &logits, &[vec![2; 4]]), 0.0);
}

#[test]
fn a_perfect_prediction_scores_best_and_all_foreground_does_not() {
    let task = labels_task(2, false);
    let labels = vec![0, 1, 1, 0, 0, 1, 0, 0];
    let cells = loss("region_dice", CELLS, &task);
    let of = |foreground: &dyn Fn(i16) -> f64| {
        let logits: Vec<f64> = [0.0; 8].into_iter().chain(labels.iter().map(|&l| foreground(l))).collect();
        value(&cells, &task, &[8], &logits, std::slice::from_ref(&labels))
    };
    let perfect = of(&|l| if l == 1 { 30.0 } else { -30.0 });
    assert!((perfect + 1.0).abs() < 1e-6, "{perfect}");
    assert!(of(&|_| 30.0) > -0.6);
}

#[test]
fn coarse_heads_take_the_main_term_alone() {
    let task = labels_task(3, false);
    let made = loss("region_dice", "{}", &task);
    let (fine, samples) = (logits(&task, &[8], &LOGITS, 1), [LABELS.to_vec()]);
    let head = |weight| TestHead { logits: &fine, samples: &samples, weight };
    let total = made.heads(&[head(0.75), head(0.25), head(0.0)]).unwrap();
    close(total, 0.3194275 + value(&loss("region_dice", CELLS, &task), &task, &[8], &LOGITS, &[LABELS.to_vec()]));
}

#[test]
fn settings_that_make_no_loss_are_refused() {
    let task = labels_task(3, false);
    for settings in [r#"{"region_wait": 1.0}"#, r#"{"connectivity": "some"}"#] {
        let refused = Library::builtin().loss("region_dice", settings, &json!(task).to_string()).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Component);
    }
    let zero = loss("region_dice", r#"{"smooth": 0.0}"#, &task);
    let refused = zero.value(&logits(&task, &[8], &LOGITS, 1), &[LABELS.to_vec()]).err().unwrap();
    assert!(refused.message().contains("smooth"));
}

#[test]
fn row_9_the_config_selects_the_loss() {
    let configs: Vec<_> = Library::builtin().components().into_iter().filter(|c| c.kind == "config").collect();
    assert_eq!(configs.len(), 1);
    let config: plugin_api::TrainerConfig = serde_json::from_str(&configs[0].data).unwrap();
    assert_eq!((configs[0].name.as_str(), config.loss.unwrap().name.as_str()), ("region_dice_loss", "region_dice"));
}
