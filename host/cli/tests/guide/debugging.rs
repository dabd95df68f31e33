//! The guide's "Debugging" and "Environment Variables Reference": rows 73 to 82.

use crate::{
    Tree,
    lab::{CPU, DATASET, SHORT, files, small},
};
use serde_json::Value;
use std::fs;
use volume::files::npz::read_npz_array;

const TRAIN: &str = "nnUNetv2_train 001 3d_fullres 0";

#[test]
fn row_73_nnunet_verbose_says_more() {
    let tree = Tree::with_models();
    let lines = |value: &str| {
        let predict = format!("nnUNetv2_predict -i $nnUNet_raw/{DATASET}/imagesTs -o OUTPUT -d 001 -c 3d_fullres -f 0 {CPU}");
        tree.typed(&format!("export nnUNet_verbose={value}\n{predict}")).lines().count()
    };
    assert!(lines("true") > lines("false"));
}

/// `jq` wants plain JSON; the four things that the guide looks for are there.
#[test]
fn row_74_plans_are_plain_json_with_what_matters() {
    let tree = Tree::planned();
    tree.typed("nnUNetv2_plan_experiment -d 001");
    let text = tree.typed("cat $nnUNet_preprocessed/Dataset001_Name/nnUNetPlans.json");
    let plans: Value = serde_json::from_str(&text).unwrap();
    let fullres = &plans["configurations"]["3d_fullres"];
    assert!(fullres["batch_size"].as_u64().is_some_and(|n| n >= 2), "{fullres}");
    for list in [&fullres["patch_size"], &fullres["spacing"], &fullres["architecture"]["arch_kwargs"]["strides"]] {
        assert!(list.as_array().is_some_and(|list| list.len() >= 2), "{fullres}");
    }
    assert_eq!((plans["dataset_name"].as_str(), plans["plans_name"].as_str()), (Some(DATASET), Some("nnUNetPlans")));
}

/// A diagram without Python and hiddenlayer: a page with the parts and their sizes.
#[test]
fn row_75_network_architecture_pdf() {
    let tree = Tree::with_models();
    for (configuration, finest) in [("2d", "8×8"), ("3d_fullres", "8×8×8")] {
        let fold = tree.default_fold(configuration, 0).0;
        let pdf = fs::read(fold.join("network_architecture.pdf")).unwrap();
        let text = String::from_utf8_lossy(&pdf);
        assert!(text.starts_with("%PDF-") && text.trim_end().ends_with("%%EOF"), "{configuration}");
        assert!(text.contains("(PlainConvUNet of "), "{configuration}");
        // the same picture as text, with the names of layers
        let svg = fs::read_to_string(fold.join("network_architecture.svg")).unwrap();
        for part in ["encoder.stages.0", "encoder.stages.1", "decoder.seg_layers.0", finest] {
            assert!(svg.contains(part), "{configuration}: no {part}");
        }
    }
}

/// In the guide's folder, which leads to the one that the plans name, an array `data` of (C, z, y, x).
#[test]
fn row_76_preprocessed_cases_are_npz_with_data() {
    let tree = Tree::planned();
    let folder = tree.path("pre/Dataset001_Name/3d_fullres");
    assert_eq!(files(&folder, ".npz").len(), 5);
    let data = read_npz_array(&folder.join("phantom_000.npz"), "data").unwrap();
    assert_eq!((data.shape().len(), data.shape()[0]), (4, 1));
}

#[test]
fn row_77_training_log_txt() {
    let tree = Tree::with_models();
    let folder = tree.path("res/Dataset001_Name/nnUNetTrainer__nnUNetPlans__3d_fullres/fold_0");
    let log = fs::read_to_string(folder.join("training_log.txt")).unwrap();
    let logs = files(&folder, ".txt");
    let stamped = logs.iter().find(|file| file.file_name().unwrap().to_string_lossy().starts_with("training_log_2")).unwrap();
    assert_eq!(fs::read_to_string(stamped).unwrap().lines().count(), log.lines().count());
}

#[test]
fn row_78_the_models_folder() {
    let tree = Tree::with_models();
    for configuration in ["2d", "3d_fullres"] {
        tree.typed(&format!("ls $nnUNet_results/Dataset001_Name/nnUNetTrainer__nnUNetPlans__{configuration}/fold_0/checkpoint_final.pth"));
    }
}

/// Training loss, Dice in validation, learning rate and time of each epoch.
#[test]
fn row_79_key_metrics_are_in_the_log() {
    let tree = Tree::planned();
    tree.typed(&format!("{TRAIN} --epochs 3 --iterations 1 --val-iterations 1 --seed 1 -device cpu"));
    let log = tree.default_fold("3d_fullres", 0).log();
    for value in ["train_loss ", "Pseudo dice [", "Current learning rate: 0.0", "Epoch time: "] {
        assert_eq!(log.matches(value).count(), 3, "{value}: {log}");
    }
}

/// A variable that is not set is named by the command that needs it, and by no other.
#[test]
fn row_80_the_three_folders_are_required_where_they_are_used() {
    let tree = Tree::with_models();
    let predict = "nnUNetv2_predict -i INPUT -o OUTPUT -d Dataset001_Name -c 3d_fullres -f 0";
    for (variable, line) in [
        ("nnUNet_raw", "nnUNetv2_plan_and_preprocess -d Dataset001_Name"),
        ("nnUNet_preprocessed", "nnUNetv2_train Dataset001_Name 3d_fullres 0"),
        ("nnUNet_results", "nnUNetv2_train Dataset001_Name 3d_fullres 0"),
        ("nnUNet_results", predict),
    ] {
        let said = tree.refused(&format!("unset {variable}\n{line} -h > /dev/null\n{line}"), 1);
        assert!(said.starts_with(&format!("error: {variable} is not set; it names the folder of ")), "{said}");
        assert!(said.trim_end().ends_with(&format!("export {variable}=/path/to/folder, or give --root DIR for all three")), "{said}");
    }
    tree.typed(&format!("unset nnUNet_raw nnUNet_results\nhost plans show {DATASET}"));
    tree.typed("unset nnUNet_raw nnUNet_preprocessed\nnnUNetv2_export_model_to_zip -d Dataset001_Name -o model.zip -c 3d_fullres");
}

/// Each word for true and false, in any case; anything else is an error that names the variable and the words.
#[test]
fn row_81_the_optional_variables() {
    let tree = Tree::planned();
    for word in ["true", "FALSE", "1", "0", "t", "f", "Yes", "no"] {
        let truth = ["true", "1", "t", "Yes"].contains(&word);
        let said =
            tree.typed(&format!("export nnUNet_compile={word} nnUNet_use_amp={word} nnUNet_verbose={word} nnUNet_n_proc_DA=1\n{TRAIN} {SHORT}"));
        assert_eq!(said.contains("warning: nnUNet_compile is true"), truth, "{word}: {said}");
        assert_eq!(said.contains("warning: nnUNet_use_amp is true"), truth && !engine::kernels::multiplies_bf16(), "{word}: {said}");
    }
    for variable in ["nnUNet_compile", "nnUNet_use_amp", "nnUNet_verbose"] {
        let said = tree.refused(&format!("{variable}=maybe {TRAIN} {SHORT}"), 1);
        assert!(said.contains(&format!("{variable} is \"maybe\"; it must be one of true, 1, t, yes, y, on or false, 0, f, no, n, off")), "{said}");
    }
}

#[test]
fn row_82_plan_and_preprocess_verifies_where_it_is_asked_to() {
    let tree = Tree::of_phantom(&small());
    tree.typed("nnUNetv2_plan_and_preprocess -d 001 --verify_dataset_integrity");
    assert_eq!(tree.shape_of("phantom_004").len(), 4);
    let broken = Tree::of_phantom(&small());
    fs::remove_file(broken.raw.join(DATASET).join("labelsTr/phantom_003.nii.gz")).unwrap();
    let said = broken.refused("nnUNetv2_plan_and_preprocess -d 001 --verify_dataset_integrity", 1);
    assert!(said.contains("phantom_003: there is no label image "), "{said}");
    assert!(!broken.path("pre").join(DATASET).join("nnUNetPlans.json").exists());
}
