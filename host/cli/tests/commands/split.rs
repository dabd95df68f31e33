//! `split`: patients stay together, and nothing is replaced unasked.

use crate::User;
use insta::assert_snapshot;
use pipeline::splits::Splits;
use std::fs;

fn dataset() -> User {
    let user = User::new();
    let raw = user.path("nnUNet_raw/Dataset001_A");
    fs::create_dir_all(raw.join("imagesTr")).unwrap();
    let about = r#"{"channel_names": {"0": "MR"}, "labels": {"background": 0, "a": 1}, "numTraining": 9, "file_ending": ".nii.gz"}"#;
    fs::write(raw.join("dataset.json"), about).unwrap();
    for (patient, visits) in [("anna", 3), ("bert", 2), ("carl", 2), ("dora", 1), ("emil", 1)] {
        for visit in 0..visits {
            fs::write(raw.join(format!("imagesTr/{patient}_v{visit}_0000.nii.gz")), "").unwrap();
        }
    }
    user
}

#[test]
fn a_patient_is_on_one_side() {
    let user = dataset();
    assert_snapshot!("split", user.host_with_folders("split 1 --group-by ^([a-z]+)_ --folds 3").succeeded());
    let file = user.path("nnUNet_preprocessed/Dataset001_A/splits_final.json");
    let splits: Splits = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    for split in &splits.0 {
        assert!(split.train.iter().all(|case| split.val.iter().all(|other| case[..4] != other[..4])), "{split:?}");
    }
    let before = fs::read(&file).unwrap();
    assert_snapshot!("split_is_there", user.host_with_folders("split 1").failed_with(1));
    assert_eq!(fs::read(&file).unwrap(), before);
    user.host_with_folders("split 1 --overwrite").succeeded();
    assert_ne!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_pattern_must_fit() {
    let user = dataset();
    assert_snapshot!("split_no_match", user.host_with_folders("split 1 --group-by ^anna").failed_with(1));
    assert_snapshot!("split_few_patients", user.host_with_folders("split 1 --group-by ^([a-z]+)_ --folds 6").failed_with(1));
    assert!(user.host_with_folders("split 1 --group-by (").failed_with(2).contains("--group-by"));
}

#[test]
fn a_root_stands_for_the_three_variables() {
    let user = dataset();
    assert_snapshot!("root", user.host("split 1 --root .").succeeded());
    assert!(user.path("nnUNet_preprocessed/Dataset001_A/splits_final.json").exists());
    assert!(user.host("split 1 --root nowhere").failed_with(1).contains("--root nowhere is no folder"));
    assert!(user.host("split 1 --max-ram none").failed_with(2).contains("wanted a number of GiB"));
}
