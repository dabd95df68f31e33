//! `--recompute`: the same training in less memory.

use crate::tree::Tree;
use std::fs;

#[test]
fn weights_and_curves_are_the_same_and_a_training_that_would_not_fit_is_told_of_it() {
    let tree = Tree::small();
    let line = "train 999 small 0 --epochs 2 --iterations 3 --val-iterations 1 --seed 1 -device cpu";
    let fold = tree.path("res").join(&tree.dataset).join("nnUNetTrainer__nnUNetPlans__small/fold_0");
    let trained = |flag: &str| {
        let output = tree.host(&format!("{line} {flag}")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(said.contains("cheap activations are computed twice instead of kept"), !flag.is_empty(), "{said}");
        assert_eq!(said.lines().filter(|line| line.contains(" s of it for batches (") && line.contains("waited ")).count(), 2, "{said}");
        let checkpoint = pipeline::checkpoint::read(&fold.join("checkpoint_final.pth")).unwrap();
        let debug: serde_json::Value = serde_json::from_slice(&fs::read(fold.join("debug.json")).unwrap()).unwrap();
        assert_eq!(debug["recompute"], !flag.is_empty());
        fs::remove_dir_all(tree.path("res")).unwrap();
        (checkpoint.logging.train_losses, checkpoint.weights.into_iter().map(|w| (w.name, w.data)).collect::<Vec<_>>())
    };
    assert_eq!(trained(""), trained("--recompute"));

    // what it may take grows until it would fit with the flag
    let refused = |target: f64| {
        let output = tree.host(&format!("{line} -gpu_memory_target {target}")).output().unwrap();
        assert!(!output.status.success(), "{target} GiB are enough, and nothing was said of --recompute");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = |said: &String| said.contains("add --recompute (then it takes ");
    let all: Vec<String> =
        (0..).map(|i| refused(1e-4 * 1.1f64.powi(i))).scan(false, |over, said| (!std::mem::replace(over, told(&said))).then_some(said)).collect();
    assert!(all.len() > 1 && told(&all[all.len() - 1]) && all[0].contains("a training step of config nnUNetTrainer takes "), "{}", all[0]);
}
