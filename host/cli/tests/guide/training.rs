//! The guide's "Advanced Training Options": rows 29 to 37.

use crate::{
    Tree,
    lab::{SHORT, files, probabilities},
};
use serde_json::Value;
use std::fs;
use volume::image::read_header;

const TRAIN: &str = "nnUNetv2_train 001 3d_fullres 0";
/// As [`SHORT`] without the number of epochs.
const STEPS: &str = "--iterations 1 --val-iterations 1 --seed 1 -device cpu";

fn names(folder: &std::path::Path, ending: &str) -> Vec<String> {
    files(folder, ending).iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn row_29_all_trains_the_five_folds() {
    let tree = Tree::with_models();
    for fold in 0..5 {
        let fold = tree.default_fold("3d_fullres", fold).0;
        assert!(fold.join("checkpoint_final.pth").is_file() && fold.join("validation/summary.json").is_file(), "{}", fold.display());
    }
    let model = tree.default_fold("3d_fullres", 0).0.parent().unwrap().to_owned();
    assert_eq!(names(&model, "").iter().filter(|name| name.starts_with("fold_")).count(), 5);
}

#[test]
fn row_30_disable_checkpointing_trains_on_all_cases_without_validation() {
    let tree = Tree::planned();
    let said = tree.typed(&format!("{TRAIN} --disable_checkpointing --epochs 2 {STEPS}"));
    let fold = tree.default_fold("3d_fullres", 0);
    assert_eq!(names(&fold.0, ".pth"), ["checkpoint_final.pth"]);
    assert_eq!(fold.debug()["training_cases"], 5);
    assert!(!fold.0.join("validation").exists());
    assert!(said.contains("/fold_0: trained; there was no validation, so nothing says how good it is\n"), "{said}");
}

#[test]
fn row_31_c_continues() {
    let tree = Tree::planned();
    tree.typed(&format!("{TRAIN} --c --epochs 2 {STEPS}"));
    let fold = tree.default_fold("3d_fullres", 0);
    assert!(fold.log().contains("fold_0 holds no checkpoint; starting from the beginning"), "{}", fold.log());
    // to the end of four epochs, as after an interruption
    tree.typed(&format!("{TRAIN} --c --epochs 4 {STEPS}"));
    let log = fold.log();
    let epochs: Vec<&str> = log.lines().filter_map(|line| line.split_once(": Epoch ")?.1.parse::<usize>().is_ok().then_some(line)).collect();
    assert!(log.contains("going on at epoch 2, iteration 0") && epochs.len() == 4, "{log}");
    let logging = fold.checkpoint().logging;
    let lr = |epoch: i32, of: i32| 1e-2 * (1.0 - f64::from(epoch) / f64::from(of)).powf(0.9);
    assert_eq!(logging.lrs, [lr(0, 2), lr(1, 2), lr(2, 4), lr(3, 4)]);
    assert_eq!(logging.train_losses.len(), 4);
}

#[test]
fn row_32_val_validates_alone() {
    let tree = Tree::with_models();
    let fold = tree.default_fold("3d_fullres", 0);
    let summary = fold.0.join("validation/summary.json");
    let (scores, weights) = (fs::read(&summary).unwrap(), fs::read(fold.0.join("checkpoint_final.pth")).unwrap());
    fs::remove_dir_all(fold.0.join("validation")).unwrap();
    let said = tree.typed(&format!("{TRAIN} --val --npz -device cpu"));
    assert!(said.contains("Mean Validation Dice: ") && !said.contains("Epoch "), "{said}");
    let without_place = |bytes: &[u8]| {
        // the files of a case are named in full, and the tree lies elsewhere
        let summary: Value = pipeline::json::parse(&String::from_utf8_lossy(bytes)).unwrap();
        (summary["foreground_mean"].clone(), summary["mean"].clone())
    };
    assert_eq!(without_place(&fs::read(&summary).unwrap()), without_place(&scores));
    assert!(weights == fs::read(fold.0.join("checkpoint_final.pth")).unwrap(), "it trained");
    fs::remove_file(fold.0.join("checkpoint_final.pth")).unwrap();
    let said = tree.refused(&format!("{TRAIN} --val --npz -device cpu"), 1);
    assert!(said.contains("fold_0 has no checkpoint_final.pth; train the fold first"), "{said}");
}

#[test]
fn row_33_npz_saves_the_softmax() {
    let tree = Tree::with_models();
    let validation = tree.default_fold("3d_fullres", 1).0.join("validation");
    let saved = files(&validation, ".npz");
    assert_eq!(saved.len(), 1);
    let (shape, values) = probabilities(&saved[0]);
    let voxels: usize = shape[1..].iter().product();
    assert_eq!(shape[0], 3);
    assert_eq!(shape[1..], read_header(saved[0].with_extension("nii.gz")).unwrap().shape);
    for voxel in 0..voxels {
        let sum: f32 = (0..3).map(|class| values[class * voxels + voxel]).sum();
        assert!((sum - 1.0).abs() < 1e-5, "voxel {voxel}: {sum}");
    }
}

#[test]
fn row_34_validation_has_its_metrics() {
    let tree = Tree::with_models();
    let summary: Value = pipeline::json::read(&tree.default_fold("2d", 2).0.join("validation/summary.json")).unwrap();
    assert!(summary["foreground_mean"]["Dice"].is_number() && summary["mean"].as_object().unwrap().len() == 2, "{summary}");
}

/// The guide's config has nothing but a name and a number.
#[test]
fn row_35_num_epochs_of_an_own_config() {
    let tree = Tree::planned();
    tree.plugin("short_training.toml", b"name = \"short_training\"\nnum_epochs = 100\n");
    let fold = tree.path("res/Dataset001_Name/short_training__nnUNetPlans__3d_fullres/fold_0");
    fs::create_dir_all(&fold).unwrap();
    // the first epoch is enough
    fs::write(fold.join("stop"), "").unwrap();
    let said = tree.refused(&format!("{TRAIN} -tr short_training --plugins-dir plugins {STEPS}"), 130);
    assert!(said.contains("stopped in fold 0 after 1 epochs"), "{said}");
    let log = fs::read_to_string(fold.join("training_log.txt")).unwrap();
    assert!(log.contains("100 epochs of 1 training and 1 validation iterations"), "{log}");
}

/// There is no mixed precision; the log and `debug.json` say what there is.
#[test]
fn row_36_the_precision_is_said() {
    // as in nnU-Net a GPU multiplies in half the bits by default, and the processor where it is asked to
    let tree = Tree::planned();
    let run = |variable: &str| {
        let said = tree.typed(&format!("{variable}\n{TRAIN} {SHORT}"));
        let fold = tree.default_fold("3d_fullres", 0);
        let losses: Vec<f64> = fold.checkpoint().logging.train_losses.clone();
        (said, fold.debug()["precision"].clone(), losses)
    };
    let (said, precision, exact) = run("unset nnUNet_use_amp");
    assert!(said.contains("numbers are float32, kernels were compiled with the program"), "{said}");
    assert_eq!(precision, "float32");
    let (said, precision, mixed) = run("export nnUNet_use_amp=true");
    if !engine::kernels::multiplies_bf16() {
        assert!(said.contains("warning: nnUNet_use_amp is true, but this processor has no instructions for bfloat16"), "{said}");
        assert_eq!((precision, mixed), ("float32".into(), exact));
        return;
    }
    assert!(said.contains("convolutions multiply bfloat16 where that is faster (mixed precision), kernels were compiled"), "{said}");
    assert_eq!(precision, "mixed");
    assert!(exact.len() == mixed.len() && !exact.is_empty());
    for (exact, mixed) in exact.iter().zip(&mixed) {
        let apart = (exact - mixed).abs();
        assert!(apart > 0.0 && apart < 2f64.powi(-7) * exact.abs(), "losses {exact} and {mixed}");
    }
}

#[test]
fn row_37_nnunet_use_amp() {
    let tree = Tree::planned();
    let weights = ["export nnUNet_use_amp=false", "export nnUNet_use_amp=true", "unset nnUNet_use_amp"].map(|variable| {
        let said = tree.typed(&format!("{variable}\n{TRAIN} {SHORT}"));
        let mixed = variable.ends_with("true") && engine::kernels::multiplies_bf16();
        assert_eq!(said.contains("(mixed precision)"), mixed, "{said}");
        tree.default_fold("3d_fullres", 0).checkpoint().weights
    });
    assert!(weights[0] == weights[2], "the same seed, the same numbers");
    assert_eq!(weights[0] == weights[1], !engine::kernels::multiplies_bf16());
}
