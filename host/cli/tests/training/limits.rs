//! Trainings of a process that may not have all that it asks for.
#![cfg(unix)]

use crate::tree::Tree;
use pipeline::checkpoint;

/// Values lie in a reservation of address space, as large as the system allows (`ulimit -v`), with as much left for the rest.
#[test]
fn address_space_that_is_limited_changes_nothing() {
    let tree = Tree::small();
    let weights = |limit: &str| {
        let line = "train 999 small 0 --epochs 1 --iterations 2 --val-iterations 1 --seed 1 -device cpu";
        let output = tree.command("sh").args(["-c", &format!("{limit} exec {} {line}", env!("CARGO_BIN_EXE_host"))]).output().unwrap();
        assert!(output.status.success(), "{limit} {}", String::from_utf8_lossy(&output.stderr));
        let fold = tree.path("res").join(&tree.dataset).join("nnUNetTrainer__nnUNetPlans__small/fold_0");
        let checkpoint = checkpoint::read(&fold.join("checkpoint_final.pth")).unwrap();
        checkpoint.weights.into_iter().map(|w| w.data).collect::<Vec<_>>()
    };
    // as much as it wants; 6 GiB; 1.5 GiB, which leaves no reservation
    let free = weights("");
    assert!(["ulimit -v 6291456;", "ulimit -v 1572864;"].into_iter().all(|limit| weights(limit) == free));
}
