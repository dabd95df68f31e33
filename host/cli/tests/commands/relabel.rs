//! `relabel`: what it says, what it writes, and that the dataset stays as it was.

use crate::User;
use insta::assert_snapshot;
use ndarray::{Array3, Array4};
use serde_json::{Value, json};
use std::fs;
use volume::image::{Geometry, read_segmentation, write_image, write_segmentation};

const RAW: &str = "nnUNet_raw/Dataset001_A";

fn dataset() -> User {
    let user = User::new();
    for folder in ["imagesTr", "labelsTr"] {
        fs::create_dir_all(user.path(&format!("{RAW}/{folder}"))).unwrap();
    }
    let about =
        r#"{"channel_names": {"0": "MR"}, "labels": {"background": 0, "core": 1, "enhancing": 4}, "numTraining": 2, "file_ending": ".nii.gz"}"#;
    fs::write(user.path(&format!("{RAW}/dataset.json")), about).unwrap();
    let geometry = Geometry::of_spacing([2.0, 1.0, 1.0]);
    for (case, high) in [("a", 4), ("b", 1)] {
        let labels = Array3::from_shape_fn((3, 4, 5), |(z, ..)| [0, 1, high][z]);
        write_image(user.path(&format!("{RAW}/imagesTr/{case}_0000.nii.gz")), &Array4::ones((1, 3, 4, 5)), &geometry).unwrap();
        write_segmentation(user.path(&format!("{RAW}/labelsTr/{case}.nii.gz")), &labels, &geometry).unwrap();
    }
    user
}

#[test]
fn first_it_says_what_it_would_do() {
    let user = dataset();
    let said = user.host_with_folders("relabel -d 1 --np 1");
    assert_snapshot!("relabel_dry_run", said.finished());
    assert!(!user.path(&format!("{RAW}/relabelled")).exists());

    user.host_with_folders("relabel -d 1 --np 1 --yes").finished();
    let (labels, geometry) = read_segmentation(user.path(&format!("{RAW}/relabelled/labelsTr/a.nii.gz"))).unwrap();
    assert_eq!((labels[[2, 0, 0]], geometry.spacing), (2, [2.0, 1.0, 1.0]));
    let (before, _) = read_segmentation(user.path(&format!("{RAW}/labelsTr/a.nii.gz"))).unwrap();
    assert_eq!(before[[2, 0, 0]], 4, "the original was touched");
    let about: Value = serde_json::from_slice(&fs::read(user.path(&format!("{RAW}/relabelled/dataset.json"))).unwrap()).unwrap();
    assert_eq!(about["labels"], json!({"background": 0, "core": 1, "enhancing": 2}));
}

#[test]
fn a_map_names_every_value() {
    let user = dataset();
    assert!(user.host_with_folders("relabel -d 1 --map 0=0 1=1").err.contains("the value 4 (in 1 cases) is in no --map; add --map 4=NEW"));
    assert!(user.host_with_folders("relabel -d 1 --map 4:1").failed_with(2).contains("is not OLD=NEW"));
    user.host_with_folders("relabel -d 1 --map 0=0 1=1 4=1 --yes -o merged").finished();
    let about: Value = serde_json::from_slice(&fs::read(user.path("merged/dataset.json")).unwrap()).unwrap();
    assert_eq!(about["labels"], json!({"background": 0, "core": 1}));
    assert!(user.host_with_folders("relabel -d 1 --map 0=0 1=1 4=4").finished().contains("nothing to do"));
}
