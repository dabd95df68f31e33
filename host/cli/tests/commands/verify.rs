//! `verify`: what it finds, and the copies that it writes.

use crate::User;
use insta::assert_snapshot;
use ndarray::{Array3, Array4};
use std::{fs, path::PathBuf};
use volume::image::{Geometry, read_header, read_segmentation, write_image, write_segmentation};

/// Cases a to e of (4, 5, 6) voxels, as they should be.
fn dataset() -> User {
    let user = User::new();
    let raw = "nnUNet_raw/Dataset001_A";
    for folder in ["imagesTr", "labelsTr"] {
        fs::create_dir_all(user.path(&format!("{raw}/{folder}"))).unwrap();
    }
    let about = r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 5, "file_ending": ".mha"}"#;
    fs::write(user.path(&format!("{raw}/dataset.json")), about).unwrap();
    for case in ["a", "b", "c", "d", "e"] {
        write_case(&user, case, &Geometry::of_spacing([2.0, 1.0, 1.0]));
    }
    user
}

fn write_case(user: &User, case: &str, of_labels: &Geometry) {
    let raw = user.path("nnUNet_raw/Dataset001_A");
    let image = Array4::from_elem((1, 4, 5, 6), 3.0);
    write_image(raw.join(format!("imagesTr/{case}_0000.mha")), &image, &Geometry::of_spacing([2.0, 1.0, 1.0])).unwrap();
    let labels = Array3::from_shape_fn((4, 5, 6), |(z, ..)| i16::from(z > 1));
    write_segmentation(raw.join(format!("labelsTr/{case}.mha")), &labels, of_labels).unwrap();
}

#[test]
fn nothing_to_say() {
    let user = dataset();
    let done = user.host_with_folders("verify -d 1 --np 1");
    assert_eq!((done.code, done.out.as_str()), (Some(0), "Dataset001_A: 5 cases, no problem\n"), "{}", done.err);
}

#[test]
fn every_problem_with_its_way_out() {
    let user = dataset();
    let raw = user.path("nnUNet_raw/Dataset001_A");
    write_case(&user, "a", &Geometry { origin: [1.0, 2.0, 3.5], ..Geometry::of_spacing([2.0, 1.0, 1.25]) });
    fs::remove_file(raw.join("labelsTr/b.mha")).unwrap();
    fs::write(raw.join("imagesTr/c_0000.mha"), "ObjectType = Image\n").unwrap();
    write_segmentation(raw.join("labelsTr/d.mha"), &Array3::from_elem((4, 5, 7), 2), &Geometry::of_spacing([2.0, 1.0, 1.0])).unwrap();
    let mut image = Array4::from_elem((1, 4, 5, 6), 1.0);
    image[[0, 1, 1, 1]] = f32::NAN;
    write_image(raw.join("imagesTr/e_0000.mha"), &image, &Geometry::of_spacing([2.0, 1.0, 1.0])).unwrap();
    fs::rename(raw.join("imagesTr/e_0000.mha"), raw.join("imagesTr/e_0001.mha")).unwrap();
    write_segmentation(raw.join("labelsTr/f.mha"), &Array3::ones((4, 5, 6)), &Geometry::of_spacing([1.0; 3])).unwrap();
    fs::write(raw.join("imagesTr/readme.txt"), "").unwrap();
    assert_snapshot!(user.host_with_folders("verify -d 1 --np 1").failed_with(1));
}

#[test]
fn repaired_copies_are_shown_before_they_are_written() {
    let user = dataset();
    let turned = Geometry { direction: [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]], ..Geometry::of_spacing([2.0, 1.0, 1.25]) };
    write_case(&user, "b", &turned);
    let dry = user.host_with_folders("verify -d 1 --np 1 --fix-geometry");
    assert_eq!(dry.code, Some(1), "{}", dry.out);
    assert_snapshot!("dry_run", dry.out);
    assert!(!user.path("nnUNet_raw/Dataset001_A/repaired").exists());

    let done = user.host_with_folders("verify -d 1 --np 1 --fix-geometry --yes");
    assert_snapshot!("repaired", done.out);
    let [copy, original] = ["repaired/labelsTr", "labelsTr"].map(|folder| user.path(&format!("nnUNet_raw/Dataset001_A/{folder}/b.mha")));
    let ((found, place), (labels, _)) = (read_segmentation(&copy).unwrap(), read_segmentation(&original).unwrap());
    assert_eq!((found, place), (labels, Geometry::of_spacing([2.0, 1.0, 1.0])));
    assert_eq!(read_header(&original).unwrap().geometry, turned, "the original was touched");
    fs::rename(copy, original).unwrap();
    assert_eq!(user.host_with_folders("verify -d 1 --np 1").code, Some(0));
    assert!(user.host("verify -d 1 --yes").failed_with(2).contains("--fix-geometry"));
}

/// Images of the lesions in steps of 0.001, stored in 16 bits; the hippocampus was stored as it should be.
#[test]
fn real_images_that_overflowed() {
    let Some(raw) = std::env::var_os("NNUNET_TEST_DATA").map(PathBuf::from) else {
        return eprintln!("skipped: NNUNET_TEST_DATA is not set");
    };
    let user = User::new();
    for (dataset, wanted) in [("Dataset010_MSLesions", 64), ("Dataset004_Hippocampus", 0)] {
        let done = user.run(&user.path("host"), &format!("verify -d {dataset}"), &[("nnUNet_raw", raw.clone())]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let warned = done.err.lines().filter(|line| line.starts_with("warning: ") && line.contains(".nii.gz has values from -32.76")).count();
        assert_eq!((warned, done.err.matches("so they probably overflowed").count()), (wanted, wanted), "{}", done.err);
    }
}
