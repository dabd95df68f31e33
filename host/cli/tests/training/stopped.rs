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
    let tree = Tree::small();
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

#[test]
fn a_file_called_stop_ends_it_after_the_epoch() {
    let tree = Tree::small();
    let fold = tree.path("res").join(&tree.dataset).join("nnUNetTrainer__nnUNetPlans__small/fold_0");
    fs::create_dir_all(&fold).unwrap();
    fs::write(fold.join("stop"), "").unwrap();
    let line = "train 999 small 0 --epochs 3 --iterations 2 --val-iterations 1 --seed 1 -device cpu";
    let output = tree.host(line).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("stopped in fold 0 after 1 epochs and 0 iterations"), "{said}");
    assert!(!fold.join("stop").exists() && fold.join("checkpoint_latest.pth").exists());

    // the second run goes on, and its curves begin where those of the first ended
    tree.done(&format!("{line} --c"));
    let table = fs::read_to_string(fold.join("metrics.csv")).unwrap();
    let epochs: Vec<&str> = table.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(epochs, ["0", "1", "2"]);
    let events = fs::read_dir(&fold).unwrap().filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with("events.out.tfevents."));
    assert_eq!(events.count(), 2);
}

#[test]
fn patience_ends_it_where_nothing_is_learned_any_more() {
    let tree = Tree::small();
    let output = tree.host("train 999 small 0 --epochs 60 --iterations 1 --val-iterations 1 --patience 2 --seed 1 -device cpu").output().unwrap();
    let log = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(log.contains("the EMA of the pseudo Dice did not rise for 2 epochs; training ends after "), "{log}");
    let fold = tree.path("res").join(&tree.dataset).join("nnUNetTrainer__nnUNetPlans__small/fold_0");
    let last = pipeline::checkpoint::read(&fold.join("checkpoint_final.pth")).unwrap();
    let ema = &last.logging.ema_fg_dice;
    assert!(last.current_epoch < 60 && ema.len() == last.current_epoch && fold.join("validation/summary.json").exists());
    let best = |part: &[f64]| part.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert!(best(&ema[ema.len() - 2..]) <= best(&ema[..ema.len() - 2]), "{ema:?}");
}
