use super::*;
use crate::progress::silent;
use crate::test_data::{dataset, reference};
use ndarray::Array3;
use serde_json::{Value, json};
use std::path::Path;
use volume::image::{Geometry, write_segmentation};

/// Writes the summary with the paths that the reference was made with, and compares the bytes.
fn same_file(mut summary: Summary, folder: &Path, name: &str) {
    let dir = tempfile::tempdir().unwrap();
    for case in &mut summary.metric_per_case {
        for path in [&mut case.prediction_file, &mut case.reference_file] {
            *path = path.replacen(&format!("{}/", folder.display()), "metrics/eval/", 1);
        }
    }
    let path = dir.path().join("summary.json");
    summary.write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), std::fs::read_to_string(folder.join(name)).unwrap(), "{name}");
}

#[test]
fn summaries_are_nnunets_to_the_byte() {
    let Some(folder) = reference("metrics/eval") else { return };
    let dir = tempfile::tempdir().unwrap();
    let options = Options { output: Some(dir.path().join("s.json")), ..Options::default() };
    let (references, predictions) = (folder.join("ref"), folder.join("pred"));
    let simple = |labels: &[i16], ignore| evaluate_simple(&references, &predictions, labels, ignore, &options, &silent).unwrap();
    let by_dataset = |labels, order| evaluate_folder(&references, &predictions, &dataset(labels, order), &options, &silent).unwrap();

    let labels: Summary = Summary::read(&folder.join("summary_labels.json")).unwrap();
    let numbers: Vec<i16> = labels.mean.keys().map(|key| key.parse().unwrap()).collect();
    same_file(simple(&numbers, None), &folder, "summary_labels.json");
    let ignoring: Summary = Summary::read(&folder.join("summary_labels_ignore3.json")).unwrap();
    let numbers: Vec<i16> = ignoring.mean.keys().map(|key| key.parse().unwrap()).collect();
    same_file(simple(&numbers, Some(3)), &folder, "summary_labels_ignore3.json");
    let regions = by_dataset(json!({"background": 0, "whole": [1, 2], "one": [1]}), json!([2, 1]));
    same_file(regions, &folder, "summary_regions.json");
    let ignore = by_dataset(json!({"background": 0, "a": 1, "b": 2, "ignore": 3}), Value::Null);
    same_file(ignore, &folder, "summary_labels_ignore3.json");
}

/// Twenty cases: means are to the bit only if sums are NumPy's.
#[test]
fn means_of_many_cases_are_nnunets() {
    let (Some(predictions), Some(references)) = (reference("predict/tta"), reference("predict/labels")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let options = Options { output: Some(dir.path().join("s.json")), ..Options::default() };
    let file = dataset(json!({"background": 0, "Anterior": 1, "Posterior": 2}), Value::Null);
    let found = evaluate_folder(&references, &predictions, &file, &options, &silent).unwrap();
    let wanted = Summary::read(&predictions.join("summary.json")).unwrap();
    assert_eq!((found.foreground_mean, &found.mean), (wanted.foreground_mean, &wanted.mean));
    let metrics = |summary: &Summary| summary.metric_per_case.iter().map(|case| case.metrics.clone()).collect::<Vec<_>>();
    assert_eq!(metrics(&found), metrics(&wanted));
    assert_eq!(Summary::read(&dir.path().join("s.json")).unwrap(), found);
}

/// The block of single components stands beside nnU-Net's keys, whose text stays as it is.
#[test]
fn instances_stand_beside_what_nnunet_writes() {
    let folder = folders(&["a", "b"]);
    let (references, predictions) = (folder.path().join("ref"), folder.path().join("pred"));
    let run = |instances| {
        let options = Options { instances, ..Options::default() };
        evaluate_simple(&references, &predictions, &[1], None, &options, &silent).map(|summary| {
            let text = std::fs::read_to_string(predictions.join("summary.json")).unwrap();
            (summary, text)
        })
    };
    let (plain, text) = run(None).unwrap();
    let (with, text_with) = run(Some(0.3)).unwrap();
    assert!(plain.instances.is_none() && !text.contains("instances"));
    let (before, rest) = text_with.split_once("    \"instances\": {").unwrap();
    let (_, after) = rest.split_once("\n    },\n").unwrap();
    assert_eq!(format!("{before}{after}"), text);
    assert_eq!(Summary::read(&predictions.join("summary.json")).unwrap(), with);
    let found = with.instances.unwrap();
    assert_eq!((found.iou_threshold, found.metric_per_case.len()), (0.3, 2));
    // 12 voxels each, 6 of them shared: IoU 1/3
    assert_eq!((found.mean["1"].overlap.f1, found.mean["1"].iou.panoptic_quality), (1.0, 1.0 / 3.0));
    assert_eq!(found.foreground_mean.cc_dice, 0.5);
    for wrong in [1.0, -0.1, f64::NAN] {
        assert!(run(Some(wrong)).unwrap_err().to_string().contains("at least 0 and below 1"));
    }
}

#[test]
fn regions_of_one_label_keep_the_way_they_were_written() {
    let keys = |labels, order| Structure::of(&dataset(labels, order)).unwrap().iter().map(Structure::key).collect::<Vec<_>>();
    assert_eq!(keys(json!({"background": 0, "whole": [1, 2], "core": 2}), json!([1, 2])), ["(1, 2)", "2"]);
    assert_eq!(keys(json!({"background": 0, "whole": [1, 2], "core": [2]}), json!([1, 2])), ["(1, 2)", "(2,)"]);
    assert_eq!(keys(json!({"background": 0, "a": 1, "b": [2]}), Value::Null), ["1", "2"]);
}

/// A structure that no case has is NaN itself and does not spoil the mean of the others.
#[test]
fn absent_structures_are_left_out_of_the_mean() {
    let folder = folders(&["a", "b"]);
    let (references, predictions) = (folder.path().join("ref"), folder.path().join("pred"));
    let summary = evaluate_simple(&references, &predictions, &[0, 1, 7], None, &Options::default(), &silent).unwrap();
    assert!(summary.mean["7"].dice.is_nan());
    assert_eq!(summary.mean["7"].true_negative, 24.0);
    assert_eq!(summary.foreground_mean.dice, summary.mean["1"].dice);
    // 12 voxels each, 6 of them shared
    assert_eq!(summary.mean["1"].dice, 0.5);
    assert_eq!(summary.mean["1"].iou, 6.0 / 18.0);
    let text = std::fs::read_to_string(predictions.join("summary.json")).unwrap();
    assert!(text.contains("\"Dice\": NaN"));
}

#[test]
fn files_without_a_partner_are_listed() {
    let folder = folders(&["a", "b", "c"]);
    let (references, predictions) = (folder.path().join("ref"), folder.path().join("pred"));
    std::fs::remove_file(predictions.join("a.nii.gz")).unwrap();
    std::fs::remove_file(predictions.join("c.nii.gz")).unwrap();
    let run = |options: &Options| evaluate_simple(&references, &predictions, &[1], None, options, &silent);
    let error = run(&Options::default()).unwrap_err().to_string();
    assert!(error.contains("2 of 3") && error.contains("a.nii.gz, c.nii.gz"), "{error}");
    let chill = Options { chill: true, ..Options::default() };
    assert_eq!(run(&chill).unwrap().metric_per_case.len(), 1);
    std::fs::remove_file(references.join("b.nii.gz")).unwrap();
    assert!(run(&chill).unwrap_err().to_string().contains("no reference for the prediction(s) b.nii.gz"));
}

#[test]
fn another_shape_is_an_error_with_the_case() {
    let folder = folders(&["a"]);
    let (references, predictions) = (folder.path().join("ref"), folder.path().join("pred"));
    write_segmentation(predictions.join("a.nii.gz"), &Array3::zeros((2, 3, 5)), &Geometry::of_spacing([1.0; 3])).unwrap();
    let error = evaluate_simple(&references, &predictions, &[1], None, &Options::default(), &silent).unwrap_err().to_string();
    assert!(error.contains("case a.nii.gz") && error.contains("[2, 3, 5]") && error.contains("[2, 3, 4]"), "{error}");
}

/// `ref` and `pred` with a half filled (2, 3, 4) image for each case, along different axes.
fn folders(cases: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let unit = Geometry::of_spacing([1.0; 3]);
    for (name, axis) in [("ref", 0), ("pred", 2)] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
        for case in cases {
            let half = Array3::from_shape_fn((2, 3, 4), |(z, _, x)| i16::from(if axis == 0 { z < 1 } else { x < 2 }));
            write_segmentation(folder.path().join(name).join(format!("{case}.nii.gz")), &half, &unit).unwrap();
        }
    }
    folder
}
