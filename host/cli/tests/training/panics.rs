//! A plugin that panics in the middle of a training.

use crate::tree::Tree;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[test]
fn a_panic_ends_the_training_with_its_place_and_the_checkpoint_stays() {
    let tree = Tree::small();
    add_plugin(&tree.path("plugins"), "fx-panic");
    let train = "train 999 small 0 -tr fx_panic_late --plugins-dir plugins --iterations 3 --val-iterations 1 --seed 1 -device cpu";
    tree.done(&format!("{train} --epochs 1"));
    let fold = tree.path("res").join(&tree.dataset).join("fx_panic_late__nnUNetPlans__small/fold_0");
    let last = fs::read(fold.join("checkpoint_final.pth")).unwrap();
    // more epochs, from where the first run ended; the loss panics in one of them
    let output = tree.host(&format!("{train} --epochs 3 --c")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("org.example.fx_panic") && said.contains("src/lib.rs:") && said.contains("fx-panic: enough batches"), "{said}");
    assert!(last == fs::read(fold.join("checkpoint_final.pth")).unwrap(), "the last checkpoint changed");
    // what was learned after it is not lost
    let there = "checkpoint_latest.pth has the training up to epoch 2, iteration 2: once the cause is gone, the same command with --c goes on";
    assert!(said.contains(there), "{said}");
    let output = tree.host(&format!("{train} --epochs 3 --c")).output().unwrap();
    let log = fs::read_to_string(fold.join("training_log.txt")).unwrap();
    assert!(log.contains("going on at epoch 2, iteration 2"), "{}{log}", String::from_utf8_lossy(&output.stderr));
    // the one of the run that panicked can be read, and predicts
    let chk = ["checkpoint_latest.pth", "checkpoint_best.pth"].into_iter().find(|name| fold.join(name).exists()).unwrap();
    let images = tree.images();
    tree.done(&format!(
        "predict -i {} -o out -d 999 -tr fx_panic_late -c small -f 0 -chk {chk} --plugins-dir plugins -device cpu --disable_tta",
        images.display()
    ));
}

/// Builds a fixture into a folder that is made for it; the file.
pub(crate) fn add_plugin(folder: &Path, fixture: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root.join("tests/fixtures")).args(["build", "--release", "--target-dir", "../../target/fixtures", "-p", fixture]);
    assert!(cargo.status().unwrap().success(), "the fixture does not build");
    fs::create_dir(folder).unwrap();
    let name = format!("{}{}{}", std::env::consts::DLL_PREFIX, fixture.replace('-', "_"), std::env::consts::DLL_SUFFIX);
    fs::copy(root.join("target/fixtures/release").join(&name), folder.join(&name)).unwrap();
    folder.join(name)
}
