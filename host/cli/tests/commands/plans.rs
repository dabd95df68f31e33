//! `plans`: what it says of plans as they were made, of plans that were edited, and of two that differ.

use crate::User;
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::fs;

const PLANS: &str = "nnUNet_preprocessed/Dataset001_A/nnUNetPlans.json";

/// A user with plans for a 2D and a 3D network of three stages.
fn user() -> User {
    let user = User::new();
    fs::create_dir_all(user.path("nnUNet_preprocessed/Dataset001_A")).unwrap();
    let configuration = |patch: Value, spacing: Value| {
        let dims = patch.as_array().unwrap().len();
        let (ones, twos, threes) = (vec![1; dims], vec![2; dims], vec![3; dims]);
        json!({
            "data_identifier": format!("nnUNetPlans_{dims}d"), "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": patch,
            "spacing": spacing, "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [false],
            "resampling_fn_data": "resample_data_or_seg_to_shape", "resampling_fn_seg": "resample_data_or_seg_to_shape",
            "resampling_fn_probabilities": "resample_data_or_seg_to_shape", "batch_dice": false,
            "architecture": {
                "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet", "_kw_requires_import": [],
                "arch_kwargs": {
                    "n_stages": 3, "features_per_stage": [8, 16, 32], "kernel_sizes": [threes, threes, threes], "strides": [ones, twos, twos],
                    "n_conv_per_stage": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2], "conv_bias": true,
                    "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{dims}d"), "norm_op_kwargs": {"eps": 1e-5, "affine": true},
                    "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true}
                }
            }
        })
    };
    let plans = json!({
        "dataset_name": "Dataset001_A", "plans_name": "nnUNetPlans", "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "original_median_shape_after_transp": [40, 56, 40], "image_reader_writer": "SimpleITKIO", "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2], "foreground_intensity_properties_per_channel": {},
        "configurations": {"2d": configuration(json!([56, 40]), json!([1.0, 1.0])), "3d_fullres": configuration(json!([40, 56, 40]), json!([1.0, 1.0, 1.0]))}
    });
    fs::write(user.path(PLANS), serde_json::to_string_pretty(&plans).unwrap()).unwrap();
    let about = r#"{"channel_names": {"0": "MR"}, "labels": {"background": 0, "a": 1, "b": 2}, "numTraining": 2, "file_ending": ".nii.gz"}"#;
    fs::write(user.path("nnUNet_preprocessed/Dataset001_A/dataset.json"), about).unwrap();
    user
}

fn edit(user: &User, from: &str, change: impl FnOnce(&mut Value)) {
    let mut plans: Value = serde_json::from_slice(&fs::read(user.path(PLANS)).unwrap()).unwrap();
    change(&mut plans);
    fs::write(user.path(from), serde_json::to_string_pretty(&plans).unwrap()).unwrap();
}

#[test]
fn as_they_were_made() {
    let user = user();
    let found = user.host_with_folders("plans check 1");
    assert_eq!(found.succeeded(), "~/nnUNet_preprocessed/Dataset001_A/nnUNetPlans.json: 2 configurations can be followed\n");
    assert_snapshot!("plans_show", user.host_with_folders("plans show 1").succeeded());
    let one = user.host(&format!("plans show {PLANS} -c 2d"));
    assert!(one.succeeded().starts_with("2d\n") && !one.out.contains("3d_fullres"), "{}", one.out);
}

#[test]
fn a_network_is_drawn() {
    let user = user();
    for file in ["network.svg", "network.pdf"] {
        let found = user.host_with_folders(&format!("plans show 1 -c 2d --diagram {file}"));
        assert!(found.succeeded().ends_with(&format!("{file}: the network\n")), "{}", found.out);
        let start: &[u8] = if file.ends_with("svg") { b"<?xml" } else { b"%PDF-1." };
        assert!(fs::read(user.path(file)).unwrap().starts_with(start));
    }
    let two = user.host_with_folders("plans show 1 --diagram network.svg");
    assert!(two.failed_with(2).contains("name one of 2d, 3d_fullres with -c"));
    let other = user.host_with_folders("plans show 1 -c 2d --diagram network.png");
    assert!(other.failed_with(1).contains("a diagram ends in .svg or .pdf"));
}

#[test]
fn everything_that_cannot_be_followed_is_said_at_once() {
    let user = user();
    edit(&user, PLANS, |plans| {
        plans["configurations"]["3d_fullres"]["patch_size"] = json!([40, 57, 41]);
        plans["configurations"]["3d_fullres"]["batchsize"] = json!(4);
        plans["configurations"]["2d"]["architecture"]["arch_kwargs"]["n_conv_per_stage_decoder"] = json!([2]);
        plans["configurations"]["mine"] = json!({"inherits_from": "3d_fulres"});
        plans["plans_nam"] = json!("x");
    });
    let found = user.host(&format!("plans check {PLANS}"));
    assert_eq!(found.code, Some(1));
    assert_snapshot!("plans_check", format!("{}{}", found.out, found.err));
}

#[test]
fn a_network_that_refuses_its_plan_is_found_too() {
    let user = user();
    edit(&user, PLANS, |plans| plans["configurations"]["2d"]["architecture"]["network_class_name"] = json!("kiunett"));
    let found = user.host(&format!("plans check {PLANS}"));
    assert_eq!(found.code, Some(1));
    assert!(found.out.contains("error: 2d: ") && found.out.contains("kiunett"), "{}", found.out);
}

#[test]
fn what_differs() {
    let user = user();
    edit(&user, "other.json", |plans| {
        plans["configurations"]["3d_fullres"]["patch_size"] = json!([40, 64, 40]);
        plans["configurations"]["3d_fullres"].as_object_mut().unwrap().remove("batch_dice");
        plans["configurations"]["mine"] = json!({"inherits_from": "3d_fullres"});
    });
    assert_snapshot!("plans_diff", user.host(&format!("plans diff {PLANS} other.json")).succeeded());
    assert_eq!(user.host("plans diff other.json other.json").succeeded(), "");
    assert!(user.host("plans diff other.json none.json").failed_with(1).contains("none.json"));
}
