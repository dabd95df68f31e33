//! A fold that was trained before: trained anew, validated again, with stages of a cascade that wait for it.

use crate::tree::Tree;
use pipeline::{checkpoint, json};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

const LINE: &str = "train 999 small 0 --iterations 2 --val-iterations 1 -device cpu";

fn fold(tree: &Tree) -> PathBuf {
    tree.path("res").join(&tree.dataset).join("nnUNetTrainer__nnUNetPlans__small/fold_0")
}

/// What `host LINE` says; it must end with `code`.
fn said(tree: &Tree, line: &str, code: i32) -> String {
    let output = tree.host(line).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    said
}

/// The checkpoint of the training before has more epochs, and is not the one to go on from.
#[test]
fn a_training_that_is_begun_anew_goes_on_as_that_one() {
    let tree = Tree::small();
    let fold = fold(&tree);
    said(&tree, &format!("{LINE} --epochs 3 --seed 1"), 0);
    let before = checkpoint::read(&fold.join("checkpoint_final.pth")).unwrap();
    fs::write(fold.join("stop"), "").unwrap();
    let stopped = said(&tree, &format!("{LINE} --epochs 2 --seed 2"), 130);
    assert!(stopped.contains("stopped in fold 0 after 1 epochs and 0 iterations; the same command with --c goes on"), "{stopped}");
    let status = said(&tree, "status", 0);
    assert!(status.contains("host train 999 small 0") && status.contains(" --c"), "{status}");
    let log = said(&tree, &format!("{LINE} --epochs 2 --c"), 0);
    assert!(log.contains("going on at epoch 1, iteration 0") && log.contains("seed 2"), "{log}");
    let after = checkpoint::read(&fold.join("checkpoint_final.pth")).unwrap();
    assert_eq!((before.current_epoch, before.host.seed, after.current_epoch, after.host.seed), (3, 1, 2, 2));
    assert!(after.host.began > before.host.began && !fold.join("checkpoint_latest.pth").exists());
}

#[test]
fn a_validation_is_of_the_weights_that_were_trained() {
    let tree = Tree::small();
    let fold = fold(&tree);
    said(&tree, &format!("{LINE} --epochs 1 --seed 1"), 0);
    let source = tree.path("source.pth");
    fs::copy(fold.join("checkpoint_final.pth"), &source).unwrap();
    let tuned = format!("{LINE} --epochs 2 --seed 2 -pretrained_weights {}", source.display());
    assert!(said(&tree, &tuned, 0).contains("pretrained weights from "));
    let summary = || fs::read_to_string(fold.join("validation/summary.json")).unwrap();
    let wanted = summary();
    let again = said(&tree, &format!("{tuned} --val"), 0);
    assert!(!again.contains("pretrained weights from "), "{again}");
    assert_eq!(summary(), wanted);

    // one that is stopped goes on without them
    fs::write(fold.join("stop"), "").unwrap();
    let stopped = said(&tree, &tuned, 130);
    assert!(stopped.contains("; the same command with --c instead of -pretrained_weights goes on"), "{stopped}");
}

/// Training does not fail at its end for want of what another one needs.
#[test]
fn a_next_stage_that_is_not_there_is_told_of() {
    let tree = Tree::small();
    let plans_file = tree.path("pre").join(&tree.dataset).join("nnUNetPlans.json");
    let mut plans: Value = json::read(&plans_file).unwrap();
    plans["configurations"]["small"]["next_stage"] = json!(["2d", "nowhere"]);
    json::write(&plans_file, &plans).unwrap();
    let log = said(&tree, &format!("{LINE} --epochs 1 --seed 1"), 0);
    for part in ["warning: 2d takes the segmentations of this stage and is not preprocessed", "nnUNetv2_preprocess -c 2d", "nowhere"] {
        assert_eq!(log.matches(part).count(), 2, "at the start and at the validation: {part}: {log}");
    }
    assert!(log.contains("Mean Validation Dice: "), "{log}");
}

/// Plans that are refused leave those of the trained model alone.
#[test]
fn what_cannot_begin_changes_nothing() {
    let tree = Tree::small();
    said(&tree, &format!("{LINE} --epochs 1 --seed 1"), 0);
    let kept = fold(&tree).with_file_name("plans.json");
    let before = fs::read(&kept).unwrap();
    tree.add_small(Some([16, 16, 16]), &[4, 8, 16]);
    for line in [format!("{LINE} --epochs 1 --seed 1 -gpu_memory_target 0.0001"), format!("{LINE} --val")] {
        said(&tree, &line, 1);
        assert!(fs::read(&kept).unwrap() == before, "{line}");
    }
    let patience = said(&tree, &format!("{LINE} --epochs 1 --patience 1").replace("--val-iterations 1", "--val-iterations 0"), 1);
    assert!(patience.contains("--patience watches the pseudo Dice of validation iterations, and there are none"), "{patience}");
}
