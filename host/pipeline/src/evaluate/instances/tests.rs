//! Values by hand on rows of voxels, (1, 1, W).

use super::*;
use ndarray::Array3;

fn row(text: &str) -> Array3<i16> {
    let values = text.chars().map(|c| c.to_digit(10).unwrap_or(0) as i16).collect();
    Array3::from_shape_vec((1, 1, text.len()), values).unwrap()
}

fn of(reference: &str, prediction: &str, iou: f64) -> InstanceMetrics<u64> {
    instance_metrics(&row(reference), &row(prediction), Some(9), &Structure::Label(1), iou)
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12, "{a} {b}");
}

#[test]
fn found_missed_and_invented_lesions() {
    // the first is outlined with IoU 2/3, the second touched with 1/4, the third missed; one is invented
    let m = of("111..1111...1...", ".11..1........1.", 0.5);
    assert_eq!((m.n_ref, m.n_pred), (3, 3));
    assert_eq!((m.overlap.false_negative, m.overlap.false_positive), (1, 1));
    close(m.overlap.sensitivity, 2.0 / 3.0);
    close(m.overlap.precision, 2.0 / 3.0);
    close(m.overlap.f1, 2.0 / 3.0);
    assert_eq!((m.iou.true_positive, m.iou.false_negative, m.iou.false_positive), (1, 2, 2));
    close(m.iou.f1, 1.0 / 3.0);
    close(m.iou.segmentation_quality, 2.0 / 3.0);
    // Kirillov et al.: the sum of IoU over TP + FP / 2 + FN / 2
    close(m.iou.panoptic_quality, (2.0 / 3.0) / (1.0 + 1.0 + 1.0));
    // cells 0..4, 4..11 (the voxel between is nearer to the second) and 11..16
    close(m.cc_dice, (4.0 / 5.0 + 2.0 / 5.0 + 0.0) / 3.0);
}

#[test]
fn a_lesion_in_two_pieces_is_found_once() {
    let m = of("1111111", "11.1111", 0.5);
    assert_eq!((m.n_ref, m.n_pred), (1, 2));
    assert_eq!((m.overlap.sensitivity, m.overlap.precision, m.overlap.f1), (1.0, 1.0, 1.0));
    // the larger piece, 4 of 7, is its pair, the other one is too many
    assert_eq!((m.iou.true_positive, m.iou.false_negative, m.iou.false_positive), (1, 0, 1));
    close(m.iou.panoptic_quality, (4.0 / 7.0) / 1.5);
    close(m.cc_dice, 12.0 / 13.0);
}

#[test]
fn a_piece_over_two_lesions_finds_both() {
    let m = of("11..11", "111111", 0.5);
    assert_eq!((m.n_ref, m.n_pred), (2, 1));
    assert_eq!((m.overlap.sensitivity, m.overlap.precision), (1.0, 1.0));
    // IoU is 1/3 with each
    assert_eq!((m.iou.true_positive, m.iou.false_negative, m.iou.false_positive), (0, 2, 1));
    assert_eq!((m.iou.f1, m.iou.panoptic_quality), (0.0, 0.0));
    assert!(m.iou.segmentation_quality.is_nan());
    // below 0.5 a component has one pair at most
    let low = of("11..11", "111111", 0.2);
    assert_eq!((low.iou.true_positive, low.iou.false_negative, low.iou.false_positive), (1, 1, 0));
    close(low.iou.f1, 2.0 / 3.0);
    close(m.cc_dice, 4.0 / 5.0);
}

#[test]
fn the_threshold_itself_is_no_match() {
    assert_eq!(of("11", "1.", 0.5).iou.true_positive, 0);
    assert_eq!(of("11", "1.", 0.4999).iou.true_positive, 1);
    // the best pair comes first: IoU 4/8 and 2/8 with the one prediction
    let m = of("11..1111", "11111111", 0.1);
    assert_eq!((m.iou.true_positive, m.iou.false_negative), (1, 1));
    close(m.iou.segmentation_quality, 0.5);
}

#[test]
fn empties() {
    let both = of("....", "....", 0.5);
    assert_eq!((both.n_ref, both.n_pred, both.cc_dice), (0, 0, 1.0));
    for part in [both.overlap.f1, both.overlap.sensitivity, both.overlap.precision, both.iou.f1, both.iou.panoptic_quality] {
        assert!(part.is_nan());
    }
    let invented = of("....", ".1.1", 0.5);
    assert_eq!((invented.cc_dice, invented.overlap.f1, invented.overlap.precision, invented.iou.panoptic_quality), (0.0, 0.0, 0.0, 0.0));
    assert!(invented.overlap.sensitivity.is_nan() && invented.iou.sensitivity.is_nan());
    let missed = of(".1.1", "....", 0.5);
    assert_eq!((missed.cc_dice, missed.overlap.f1, missed.overlap.sensitivity, missed.iou.f1), (0.0, 0.0, 0.0, 0.0));
    assert!(missed.overlap.precision.is_nan() && missed.iou.precision.is_nan());
}

#[test]
fn ignored_voxels_are_in_neither() {
    let m = of("1.99.1", "1.11.1", 0.5);
    assert_eq!((m.n_ref, m.n_pred, m.overlap.f1, m.iou.panoptic_quality, m.cc_dice), (2, 2, 1.0, 1.0, 1.0));
}

#[test]
fn corners_join_in_the_plane_and_in_space() {
    for (shape, text) in [((1, 2, 2), "1..1"), ((2, 2, 2), "1......1")] {
        let mask = row(text).into_shape_with_order(shape).unwrap();
        let m = instance_metrics(&mask, &mask, None, &Structure::Region(vec![1, 2]), 0.5);
        assert_eq!((m.n_ref, m.n_pred, m.cc_dice), (1, 1, 1.0));
    }
}

#[test]
fn means_leave_out_what_is_none() {
    let case = |reference, prediction| CaseInstances {
        metrics: [("1".to_owned(), of(reference, prediction, 0.5))].into(),
        prediction_file: String::new(),
        reference_file: String::new(),
    };
    let found = Instances::of(&[Structure::Label(1)], vec![case("1.1", "1.."), case("...", "..."), case("...", "1..")], 0.5);
    let mean = found.mean["1"];
    close(mean.overlap.f1, (2.0 / 3.0 + 0.0) / 2.0);
    close(mean.overlap.sensitivity, 0.5);
    close(mean.overlap.precision, 0.5);
    close(mean.cc_dice, (0.5 + 1.0 + 0.0) / 3.0);
    close(mean.n_ref, 2.0 / 3.0);
    assert_eq!(found.foreground_mean, mean);
}
