//! A cascade from raw images to the second stage's segmentations.

use super::{model, run, succeed};
use pipeline::phantom::{self, PhantomSpec};
use serde_json::{Value, json};
use std::{fs, path::Path};
use volume::image::read_segmentation;

/// Adds the configurations of a cascade, with a tiny network, to the plans that the planner made: no phantom is large enough for its own.
fn add_cascade(preprocessed: &Path) {
    let path = preprocessed.join("nnUNetPlans.json");
    let mut plans: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let configurations = plans["configurations"].as_object_mut().unwrap();
    let fullres = &mut configurations["3d_fullres"];
    (fullres["architecture"], fullres["patch_size"], fullres["batch_size"]) = (model::architecture(), json!([16, 16, 16]), json!(2));
    let low = json!({
        "inherits_from": "3d_fullres", "data_identifier": "nnUNetPlans_3d_lowres", "spacing": [2.0, 2.0, 2.0], "next_stage": "3d_cascade_fullres",
    });
    configurations.insert("3d_lowres".into(), low);
    configurations.insert("3d_cascade_fullres".into(), json!({"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}));
    fs::write(path, plans.to_string()).unwrap();
}

#[test]
fn both_stages_train_and_predict() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let spec = PhantomSpec { cases: 5, test_cases: 2, shape: vec![26, 24, 28], ..PhantomSpec::default() };
    phantom::write(&home.join("nnUNet_raw"), &spec).unwrap();
    succeed(home, "extract_fingerprint -d 999");
    succeed(home, "plan_experiment -d 999");
    let preprocessed = home.join("nnUNet_preprocessed/Dataset999_Phantom");
    add_cascade(&preprocessed);
    succeed(home, "preprocess -d 999 -c 3d_lowres 3d_fullres");
    let short = "--epochs 1 --iterations 2 --val-iterations 1 --seed 3 -device cpu";
    let early = run(home, &format!("train 999 3d_cascade_fullres 0 {short}"));
    let said = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(early.status.code() == Some(1) && said.contains("predicted_next_stage"), "{said}");

    // one model on all cases validates all of them, which is what the second stage trains on
    succeed(home, &format!("train 999 3d_lowres fold_all {short}"));
    let results = home.join("nnUNet_results/Dataset999_Phantom");
    let low = results.join("nnUNetTrainer__nnUNetPlans__3d_lowres");
    let handed_on: Vec<_> = fs::read_dir(low.join("predicted_next_stage/3d_cascade_fullres")).unwrap().collect();
    assert_eq!(handed_on.len(), 5);
    succeed(home, &format!("train 999 3d_cascade_fullres 0 {short}"));

    let predict = |configuration: &str, fold: &str, output: &str, more: &str| {
        format!("predict -d 999 -c {configuration} -f {fold} -i nnUNet_raw/Dataset999_Phantom/imagesTs -o {output} -device cpu --disable_tta {more}")
    };
    succeed(home, &predict("3d_lowres", "all", "low", ""));
    let without = run(home, &predict("3d_cascade_fullres", "0", "full", ""));
    let said = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(without.status.code() == Some(1) && said.contains("predict the same images with 3d_lowres first"), "{said}");
    succeed(home, &predict("3d_cascade_fullres", "0", "full", "-prev_stage_predictions low"));
    for case in ["phantom_005.nii.gz", "phantom_006.nii.gz"] {
        let [(low, _), (full, geometry), (truth, own)] =
            ["low", "full", "nnUNet_raw/Dataset999_Phantom/labelsTs"].map(|folder| read_segmentation(home.join(folder).join(case)).unwrap());
        assert!(low.dim() == truth.dim() && full.dim() == truth.dim());
        assert_eq!(geometry.spacing, own.spacing);
    }
}
