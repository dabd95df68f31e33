//! A training that the user stops.
#![cfg(unix)]

use crate::tree::Tree;
use std::{
    fs,
    io::{BufRead, BufReader},
    process::Command,
};

#[test]
fn a_signal_ends_it_after_the_iteration_and_says_how_to_go_on() {
    let tree = Tree::phantom();
    tree.done("plan_and_preprocess -d 999 -c 3d_fullres");
    tree.add_small(Some([16, 16, 16]), &[4, 8]);
    for signal in ["INT", "TERM"] {
        let mut running = tree.host("train 999 small 0 --epochs 500 --iterations 5 --val-iterations 1 --seed 1 -device cpu").spawn().unwrap();
        // the first epoch is done: it is in the middle of its work
        let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
        lines.find(|line| line.as_ref().unwrap().starts_with("Epoch 1")).unwrap().unwrap();
        let kill = Command::new("kill").args([format!("-{signal}"), running.id().to_string()]).status().unwrap();
        assert!(kill.success());
        lines.for_each(drop);
        let output = running.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(said.contains("stopped in fold 0 after ") && said.ends_with("; the same command with --c goes on\n"), "{said}");
        let fold = tree.path("res").join(&tree.dataset).join("nnUNetTrainer__nnUNetPlans__small/fold_0");
        let stopped = pipeline::checkpoint::read(&fold.join("checkpoint_latest.pth")).unwrap();
        assert!(stopped.current_epoch > 0 && stopped.current_epoch < 500 && !fold.join("checkpoint_final.pth").exists());
        fs::remove_dir_all(tree.path("res")).unwrap();
    }
}
