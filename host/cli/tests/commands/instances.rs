//! Scores of single lesions.

use crate::User;
use insta::assert_snapshot;
use std::fs;
use volume::image::{Geometry, write_segmentation};

/// Two lesions, of which one is outlined in part, and one that is invented.
fn two_folders() -> User {
    let user = User::new();
    for (folder, row) in [("ref", [1, 1, 1, 0, 0, 1, 1, 0, 0, 0]), ("pred", [0, 1, 1, 0, 0, 0, 0, 0, 0, 1])] {
        fs::create_dir(user.path(folder)).unwrap();
        let image = ndarray::Array3::from_shape_vec((1, 1, 10), row.to_vec()).unwrap();
        write_segmentation(user.path(folder).join("a.nii.gz"), &image, &Geometry::of_spacing([1.0; 3])).unwrap();
    }
    fs::write(
        user.path("dataset.json"),
        r#"{"channel_names": {"0": "x"}, "labels": {"background": 0, "lesion": 1}, "numTraining": 1, "file_ending": ".nii.gz"}"#,
    )
    .unwrap();
    user
}

#[test]
fn lesions_are_scored_one_by_one() {
    let user = two_folders();
    assert_snapshot!("instances", user.host("evaluate_simple ref pred -l 1 --instances").finished());
    let simple = fs::read_to_string(user.path("pred/summary.json")).unwrap();
    let block = simple.split("    \"mean\": {\n        \"1\": {\n            \"Dice\"").next().unwrap();
    assert_snapshot!("instances_file", block);
    let low = user.host("evaluate_folder ref pred -djfile dataset.json --instances --iou 0.7");
    assert_snapshot!("instances_at_another_iou", low.finished());
}

#[test]
fn thresholds_that_are_none() {
    let user = two_folders();
    assert_snapshot!("instances_iou_of_one", user.host("evaluate_simple ref pred -l 1 --instances --iou 1").failed_with(1));
    assert_snapshot!("instances_iou_alone", user.host("evaluate_simple ref pred -l 1 --iou 0.3").failed_with(2));
}
