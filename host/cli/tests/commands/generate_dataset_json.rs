//! `generate_dataset_json`: from files alone to a dataset that `verify` takes.

use crate::User;
use insta::assert_snapshot;
use ndarray::{Array3, Array4};
use serde_json::{Value, json};
use std::fs;
use volume::image::{Geometry, write_image, write_segmentation};

const RAW: &str = "nnUNet_raw/Dataset001_A";

/// Cases of two channels, with these values in their label images.
fn files(values: [i16; 3]) -> User {
    let user = User::new();
    for folder in ["imagesTr", "labelsTr"] {
        fs::create_dir_all(user.path(&format!("{RAW}/{folder}"))).unwrap();
    }
    let geometry = Geometry::of_spacing([2.0, 1.0, 1.0]);
    for case in ["a", "b"] {
        for channel in 0..2 {
            write_image(user.path(&format!("{RAW}/imagesTr/{case}_000{channel}.nii.gz")), &Array4::ones((1, 3, 4, 5)), &geometry).unwrap();
        }
        let labels = Array3::from_shape_fn((3, 4, 5), |(z, ..)| values[z]);
        write_segmentation(user.path(&format!("{RAW}/labelsTr/{case}.nii.gz")), &labels, &geometry).unwrap();
    }
    user
}

fn about(user: &User) -> Value {
    serde_json::from_slice(&fs::read(user.path(&format!("{RAW}/dataset.json"))).unwrap()).unwrap()
}

#[test]
fn what_files_tell_is_not_asked() {
    let user = files([0, 1, 2]);
    let said = user.host_with_folders("generate_dataset_json -d 1 --channels FLAIR T1 --np 1 --license CC0");
    assert_snapshot!("generate_dataset_json", said.finished());
    let wanted = json!({
        "channel_names": {"0": "FLAIR", "1": "T1"}, "labels": {"background": 0, "label_1": 1, "label_2": 2}, "numTraining": 2,
        "file_ending": ".nii.gz", "licence": "CC0"
    });
    assert_eq!(about(&user), wanted);
    user.host_with_folders("verify -d 1 --np 1").finished();
    assert!(user.host_with_folders("generate_dataset_json -d 1 --channels FLAIR T1").failed_with(1).contains("--overwrite replaces it"));
}

#[test]
fn regions_and_ignore_are_told() {
    let user = files([0, 1, 2]);
    let line = "generate_dataset_json -d 1 --channels FLAIR T1 --labels background=0 whole=1,2 core=2 ignore=3 --regions_class_order 1 2";
    user.host_with_folders(line).finished();
    assert_eq!(about(&user)["labels"], json!({"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}));
    assert_eq!(about(&user)["regions_class_order"], json!([1, 2]));
}

#[test]
fn what_does_not_fit_is_named() {
    let user = files([0, 7, 255]);
    let failed = |line: &str, code: i32| user.host_with_folders(&format!("generate_dataset_json -d 1 {line}")).failed_with(code).to_owned();
    let few = failed("--channels CT", 1);
    assert!(few.contains("a has 2 channels, but 1 are named (CT); give --channels 2 names"), "{few}");
    assert!(failed("--channels A B --labels liver", 2).contains("is not NAME=VALUE, such as liver=1"));
    assert!(failed("--channels A B --file_ending .mha", 1).contains("has no image named case_0000.mha"));
    fs::write(user.path(&format!("{RAW}/imagesTr/c_0000.png")), "").unwrap();
    assert!(failed("--channels A B", 1).contains("images end in .nii.gz and .png; --file_ending says which of them are meant"));
    assert!(!user.path(&format!("{RAW}/dataset.json")).exists());

    // it is written, so that `relabel` can read it
    let said = user.host_with_folders("generate_dataset_json -d 1 --channels A B --file_ending .nii.gz --np 1");
    assert!(said.err.contains("warning: "), "{}", said.err);
    said.finished();
    assert_eq!(about(&user)["labels"], json!({"background": 0, "label_7": 7, "label_255": 255}));
    user.host_with_folders("relabel -d 1 --np 1").finished();
}
