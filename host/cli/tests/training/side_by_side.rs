//! Folds side by side, one of which fails, and a signal to all of them; a fold that another process trains.
#![cfg(unix)]

use crate::tree::Tree;
use pipeline::{checkpoint, claim::Claim};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command},
};

const SHORT: &str = "--epochs 2 --iterations 2 --val-iterations 1 --seed 1 -device cpu";

fn fold(tree: &Tree, fold: usize) -> PathBuf {
    tree.path("res").join(&tree.dataset).join(format!("nnUNetTrainer__nnUNetPlans__small/fold_{fold}"))
}

fn signal(name: &str, process: u64) {
    assert!(Command::new("kill").args([format!("-{name}"), process.to_string()]).status().unwrap().success());
}

/// Reads on until a line has `text` in it.
fn until(running: &mut Child, text: &str) {
    let mut out = BufReader::new(running.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended before {text}");
    }
    // what is still to come must find a reader
    std::thread::spawn(move || drop(out.read_to_end(&mut vec![])));
}

fn statuses(tree: &Tree) -> Value {
    let output = tree.host("status --json").output().unwrap();
    serde_json::from_slice::<Value>(&output.stdout).unwrap()[0]["folds"].clone()
}

#[test]
fn the_failure_of_one_fold_leaves_the_others_alone() {
    let tree = Tree::small();
    // somebody trains fold 2
    let claim = Claim::take(&fold(&tree, 2)).unwrap();
    let output = tree.host(&format!("train 999 small all --jobs 2 {SHORT}")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    for part in [
        "error: 1 of 5 folds failed\nfold 2, exit code 1:\n  error: ",
        &format!("process {} on ", std::process::id()),
        &format!("fold_2: process {} on ", std::process::id()),
        "  again: host train 999 small 2 -device cpu --epochs 2 --iterations 2 --val-iterations 1 --seed 1\n",
        "fold_2/output.log",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    for n in [0, 1, 3, 4] {
        assert!(out.contains(&format!("fold {n} epoch 2/2: train_loss ")) && out.contains(&format!("fold {n}: mean Dice ")), "{out}");
        assert!(fold(&tree, n).join("validation/summary.json").is_file());
    }
    // as said
    drop(claim);
    tree.done(&format!("train 999 small 2 {SHORT}"));
    assert!(statuses(&tree).as_array().unwrap().iter().all(|fold| fold["state"] == json!("validated")));

    // five folds one after another come to the same weights
    let weights = |n: usize| checkpoint::read(&fold(&tree, n).join("checkpoint_final.pth")).unwrap().weights.into_iter().map(|w| w.data);
    let together: Vec<Vec<Vec<f32>>> = (0..5).map(|n| weights(n).collect()).collect();
    std::fs::remove_dir_all(tree.path("res")).unwrap();
    tree.done(&format!("train 999 small all {SHORT}"));
    assert!((0..5).all(|n| weights(n).eq(together[n].iter().cloned())));
    assert_ne!(together[0], together[1]);
}

#[test]
fn a_signal_reaches_each_fold() {
    let tree = Tree::small();
    let mut running = tree.host("train 999 small all --jobs 2 --epochs 500 --iterations 3 --val-iterations 1 --seed 1 -device cpu").spawn().unwrap();
    until(&mut running, "fold 1 epoch 2/500");
    signal("TERM", running.id().into());
    let output = running.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{err}");
    for n in [0, 1] {
        assert!(err.contains(&format!("fold {n} stopped; it goes on with: host train 999 small {n} -device cpu --epochs 500")), "{err}");
        assert!(fold(&tree, n).join("checkpoint_latest.pth").is_file());
    }
    assert!(err.contains("fold 4 did not begin: host train 999 small 4 "), "{err}");
    let found = statuses(&tree);
    let states: Vec<&str> = found.as_array().unwrap().iter().map(|fold| fold["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["stopped", "stopped", "not_begun", "not_begun", "not_begun"]);
    assert!(found[0]["command"].as_str().unwrap().ends_with(" --seed 1 --c"), "{found}");
}

#[test]
fn what_cannot_be_side_by_side() {
    let tree = Tree::small();
    let fails = |line: &str, code: i32| {
        let output = tree.host(line).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(fails("train 999 small 0 --jobs 2", 2).contains("for one fold say -device cuda:N"));
    assert!(fails("train 999 small all --devices 0,1 -device cpu", 2).contains("cannot be used with"));
    if !cfg!(feature = "cuda") {
        assert!(fails("train 999 small all --devices 0,1", 1).contains("built without CUDA"));
    }
}

#[test]
fn a_fold_belongs_to_one_process_and_to_nobody_after_kill_9() {
    let tree = Tree::small();
    let line = "train 999 small 0 --epochs 500 --iterations 3 --val-iterations 1 --seed 1 -device cpu";
    let mut running = tree.host(line).spawn().unwrap();
    until(&mut running, "Epoch 1");
    let found = statuses(&tree);
    assert_eq!((&found[0]["state"], &found[0]["process"]["pid"]), (&json!("running"), &json!(running.id())));
    let second = tree.host(line).output().unwrap();
    let err = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{err}");
    for part in ["small/fold_0: process ", &format!("`kill {}` on ", running.id()), "two would write the same files"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(statuses(&tree)[0]["state"], json!("stopped"));
    tree.done(&format!("{} --c", line.replace("500", "3")));
    assert_eq!(statuses(&tree)[0]["state"], json!("validated"));
}
