//! One training on several devices, which are parts of the processor here: the numbers are those of one device, whatever fails or is killed.

use crate::{bundled, killed::without_times, panics::add_plugin, tree::Tree};
use pipeline::{
    checkpoint::{self, Checkpoint},
    evaluate::Summary,
};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
};

/// Losses on 1 and on 2 devices differ by no more than this.
const TOLERANCE: f64 = 1e-4;

fn fold(tree: &Tree, config: &str) -> PathBuf {
    tree.path("res").join(&tree.dataset).join(format!("{config}__nnUNetPlans__small/fold_0"))
}

fn trained(tree: &Tree, config: &str) -> Checkpoint {
    checkpoint::read(&fold(tree, config).join("checkpoint_final.pth")).unwrap()
}

/// What it said on stderr, after it failed.
fn failed(tree: &Tree, line: &str) -> String {
    let output = tree.host(line).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that two trainings had the same losses, an iteration each, in training and validation.
fn assert_same_curve(found: &Checkpoint, wanted: &Checkpoint) {
    let curves = |c: &Checkpoint| [c.logging.train_losses.clone(), c.logging.val_losses.clone()];
    for (found, wanted) in curves(found).iter().zip(&curves(wanted)) {
        assert_eq!(found.len(), wanted.len());
        let apart = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < TOLERANCE, "{apart:.1e} apart: {found:?} instead of {wanted:?}");
    }
}

/// The first 20 losses, with Dice + cross entropy and with the loss of a plugin that sees single lesions.
#[test]
fn the_curve_is_that_of_one_device() {
    let tree = Tree::small();
    bundled::add(&tree.path("plugins"), &["blob-dice"]);
    for config in ["nnUNetTrainer", "blob_dice_loss"] {
        let train =
            format!("train 999 small 0 -tr {config} --plugins-dir plugins --epochs 20 --iterations 1 --val-iterations 1 --seed 3 -device cpu");
        tree.done(&train);
        let one = trained(&tree, config);
        assert!(one.logging.train_losses[19] < one.logging.train_losses[0] - 0.05, "nothing was learned: {:?}", one.logging.train_losses);
        fs::remove_dir_all(tree.path("res")).unwrap();
        tree.done(&format!("{train} -num_gpus 2"));
        assert_same_curve(&trained(&tree, config), &one);
        let log = fs::read_to_string(fold(&tree, config).join("training_log.txt")).unwrap();
        assert!(log.contains("devices cpu:0 (1 of 2 samples) and cpu:1 (1 of 2 samples), seed 3"), "{log}");
        // what goes on does so on as many devices
        let debug: serde_json::Value = pipeline::json::read(&fold(&tree, config).join("debug.json")).unwrap();
        assert_eq!(debug["devices"], serde_json::json!(["cpu:0", "cpu:1"]));
        assert!(debug["command"].to_string().contains(r#""-num_gpus","2""#), "{}", debug["command"]);
        // validated by both devices, and by one
        let scores = fold(&tree, config).join("validation/summary.json");
        let by_two = Summary::read(&scores).unwrap().foreground_mean.dice;
        fs::remove_file(&scores).unwrap();
        tree.done(&format!("train 999 small 0 -tr {config} --plugins-dir plugins --val -device cpu"));
        let by_one = Summary::read(&scores).unwrap().foreground_mean.dice;
        assert!((by_one - by_two).abs() < 1e-3, "Dice {by_two} instead of {by_one}");
    }
}

#[test]
fn more_devices_than_samples_are_refused() {
    let tree = Tree::small();
    let said = failed(&tree, "train 999 small 0 --epochs 1 -device cpu -num_gpus 3");
    assert!(said.contains("a batch of 2 cannot be shared by 3 devices") && said.contains("-num_gpus 2 or less"), "{said}");
    assert!(!tree.path("res").join(&tree.dataset).exists());
    let said = failed(&tree, "train 999 small 0 --epochs 1 -device cpu -num_gpus 2 -gpu_memory_target 0.001");
    assert!(said.contains("GiB for 2 patches of [16, 16, 16] voxels on 2 devices, -gpu_memory_target allows 0.00 GiB"), "{said}");
}

/// The system tells the fixture the name of its thread.
#[cfg(target_os = "linux")]
#[test]
fn a_device_that_fails_is_named_and_the_training_goes_on_from_its_checkpoint() {
    let tree = Tree::small();
    add_plugin(&tree.path("plugins"), "fx-panic");
    let train = "train 999 small 0 -tr fx_panic_device --plugins-dir plugins --epochs 3 --iterations 3 --val-iterations 1 --seed 1 -device cpu";
    // on one device it does not fail
    tree.done(train);
    let undisturbed = trained(&tree, "fx_panic_device");
    fs::remove_dir_all(tree.path("res")).unwrap();

    let said = failed(&tree, &format!("{train} -num_gpus 2"));
    for part in [
        "error: device cpu:1 failed: ",
        "org.example.fx_panic",
        "fx-panic: forward was called with [1, ",
        "src/lib.rs:",
        "the same command with --c goes on",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let folder = fold(&tree, "fx_panic_device");
    let epochs_kept = || {
        let last = ["checkpoint_latest.pth", "checkpoint_best.pth"].map(|name| folder.join(name)).into_iter().find(|file| file.exists()).unwrap();
        checkpoint::read(&last).unwrap().current_epoch
    };
    assert_eq!(epochs_kept(), 1);
    let kept = tree.path("kept");
    copy(&tree.path("res"), &kept);

    // on one device ...
    tree.done(&format!("{train} --c"));
    assert_same_curve(&trained(&tree, "fx_panic_device"), &undisturbed);
    // ... and on two, where it fails once more, an epoch later, and then on one
    fs::remove_dir_all(tree.path("res")).unwrap();
    fs::rename(&kept, tree.path("res")).unwrap();
    failed(&tree, &format!("{train} -num_gpus 2 --c"));
    assert_eq!(epochs_kept(), 2);
    tree.done(&format!("{train} --c"));
    assert_same_curve(&trained(&tree, "fx_panic_device"), &undisturbed);
}

#[cfg(target_os = "linux")]
fn copy(from: &std::path::Path, to: &std::path::Path) {
    assert!(std::process::Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}

/// Ended by a file called `stop` and gone on with on another number of devices, and killed and gone on with on the same number.
#[test]
fn it_goes_on_with_any_number_of_devices() {
    let tree = Tree::small();
    let train = "train 999 small 0 --epochs 6 --iterations 2 --val-iterations 1 --seed 2 -device cpu";
    let config = "nnUNetTrainer";
    tree.done(train);
    let one = trained(&tree, config);
    for (first, second) in [("-num_gpus 2", ""), ("", "-num_gpus 2")] {
        fs::remove_dir_all(tree.path("res")).unwrap();
        fs::create_dir_all(fold(&tree, config)).unwrap();
        fs::write(fold(&tree, config).join("stop"), "").unwrap();
        let output = tree.host(&format!("{train} {first}")).output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
        tree.done(&format!("{train} {second} --c"));
        assert_same_curve(&trained(&tree, config), &one);
    }

    let file = fold(&tree, config).join("checkpoint_final.pth");
    fs::remove_dir_all(tree.path("res")).unwrap();
    tree.done(&format!("{train} -num_gpus 2"));
    let undisturbed = without_times(&file);
    fs::remove_dir_all(tree.path("res")).unwrap();
    let mut running = tree.host(&format!("{train} -num_gpus 2")).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().starts_with("Epoch 3")).unwrap().unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(!file.exists());
    tree.done(&format!("{train} -num_gpus 2 --c"));
    assert!(without_times(&file) == undisturbed, "a killed training comes to other numbers");
}
