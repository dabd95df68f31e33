//! Trainer configs that are there: rows 1, 2, 3, 13, 14, 15 and 35.

use crate::{SHORT, Tree};
use std::fs;

/// The log names config and network, the checkpoint the config; the fold has its final checkpoint.
#[test]
fn row_1_tr_kiunet_minimal_trains() {
    let tree = Tree::preprocessed();
    tree.library(".", "target", "kiunet");
    let fold = tree.trained("kiunet_minimal");
    assert_eq!(fold.checkpoint().trainer_name, "kiunet_minimal");
    let log = fold.log();
    assert!(log.contains("trainer kiunet_minimal, small, fold 0") && log.contains("network kiunet of plugin "), "{log}");
}

/// An unknown name is an error that lists those that there are.
#[test]
fn row_2_tr_names_a_trainer_config() {
    let tree = Tree::preprocessed();
    let said = tree.fails("train 999 small 0 -tr no_mirorring -device cpu", 1);
    assert!(said.contains("no config is called `no_mirorring`; did you mean `no_mirroring`? (valid: "), "{said}");
    for name in ["base", "adam_1e3", "cosine_annealing", "4000epochs_no_mirroring", "nnUNetTrainer", "nnUNetTrainer_250epochs"] {
        assert!(said.contains(name), "{name} is not in the list: {said}");
    }
}

/// A library or a file dropped into the plugin folder is found by `-tr`, and `list-plugins` shows it.
#[test]
fn row_3_configs_live_in_a_folder() {
    let tree = Tree::preprocessed();
    tree.guide_plugin();
    tree.plugin("my_short.toml", b"description = \"a file\"\nextends = \"my_custom\"\nnum_epochs = 3\n");
    let list = tree.says("list-plugins --plugins-dir plugins");
    for (name, plugin) in [("my_custom", "org.example.fx_guide"), ("my_short", "my_short.toml")] {
        let row = list.lines().find(|line| line.split_whitespace().nth(1) == Some(name)).unwrap();
        assert!(row.starts_with("config ") && row.contains(&format!(" {plugin} ")) && row.contains(" ready "), "{list}");
    }
    assert_eq!(tree.trained("my_short").debug()["trainer_config"]["num_epochs"], 3);
}

/// The log says the number of epochs, and the learning rate ends with them.
#[test]
fn row_13_num_epochs_overrides_the_default() {
    let tree = Tree::preprocessed();
    let short = "--iterations 1 --val-iterations 1 --seed 1 -device cpu";
    tree.done(&format!("train 999 small 0 -tr 2epochs {short}"));
    let fold = tree.fold("2epochs");
    assert!(fold.log().contains("2 epochs of 1 training and 1 validation iterations"), "{}", fold.log());
    assert_eq!(fold.checkpoint().logging.lrs, [1e-2, 1e-2 * 0.5f64.powf(0.9)]);
    // the default, without waiting for its end
    tree.plugin("no_steps.toml", b"save_every = 0");
    let said = tree.fails(&format!("train 999 small 0 -tr no_steps --plugins-dir plugins {short}"), 1);
    assert!(said.contains("save_every is 0; wanted at least 1"), "{said}");
    assert_eq!(crate::effects::settings("base", &[16, 16, 16]).epochs, 1000);
}

/// Two files that offer one name: neither is used, and both are named.
#[test]
fn row_14_a_name_twice_is_an_error() {
    let tree = Tree::preprocessed();
    tree.guide_plugin();
    tree.plugin("my_custom.toml", b"num_epochs = 1\n");
    let said = tree.fails(&format!("train 999 small 0 -tr my_custom --plugins-dir plugins {SHORT}"), 1);
    assert!(said.contains("the config `my_custom` is offered by ") && said.contains("my_custom.toml") && said.contains("fx_guide"), "{said}");
    let list = tree.says("list-plugins --plugins-dir plugins");
    assert_eq!(list.lines().filter(|l| l.contains(" my_custom ") && l.contains(" conflict ")).count(), 2, "{list}");
}

/// Each config has a results folder of its own, under the name that was typed.
#[test]
fn row_15_tr_my_custom_has_its_own_folder() {
    let tree = Tree::preprocessed();
    tree.guide_plugin();
    for config in ["my_custom", "nnUNetTrainer_250epochs", "nnUNetTrainer"] {
        assert_eq!(tree.trained(config).checkpoint().trainer_name, config);
    }
    let folders = fs::read_dir(tree.path("res").join(&tree.dataset)).unwrap();
    let mut folders: Vec<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    let wanted = ["my_custom", "nnUNetTrainer_250epochs", "nnUNetTrainer"].map(|name| format!("{name}__nnUNetPlans__small"));
    assert_eq!(folders, wanted);
}

/// Configs that change what a training does, for one iteration each; and what they leave behind is read again.
#[test]
fn configs_of_each_kind_train_and_predict() {
    let tree = Tree::preprocessed();
    for config in ["nnUNetTrainerBN", "nnUNetTrainerAdan1en3", "nnUNetTrainerDA5", "nnUNetTrainerTopk10LossLS01", "no_da"] {
        let fold = tree.trained(config);
        let checkpoint = fold.checkpoint();
        let statistics: Vec<_> = checkpoint.weights.iter().filter(|w| w.name.ends_with("running_mean")).collect();
        assert_eq!(statistics.is_empty(), config != "nnUNetTrainerBN", "{config}");
        assert!(statistics.iter().all(|w| w.data.iter().any(|&v| v != 0.0)), "batch norm kept no statistics");
        let (_, _, states) = checkpoint.optimizer.unwrap();
        let slots = states.iter().map(Vec::len).max();
        assert_eq!(slots, Some(if config == "nnUNetTrainerAdan1en3" { 4 } else { 1 }), "{config}");
    }
    tree.done("train 999 small 0 -tr nnUNetTrainerAdan1en3 --epochs 2 --iterations 1 --val-iterations 1 -device cpu --c");
    assert_eq!(tree.fold("nnUNetTrainerAdan1en3").checkpoint().host.optimizer_steps, 2);

    // as Python's nnU-Net would have left it: without our record, the trainer's name says which network it is
    let predict = format!("predict -i {} -d 999 -tr nnUNetTrainerBN -c small -f 0 -device cpu --disable_tta", tree.images().display());
    tree.done(&format!("{predict} -o ours"));
    let fold = tree.fold("nnUNetTrainerBN");
    let theirs = pipeline::checkpoint::Checkpoint { host: Default::default(), ..fold.checkpoint() };
    pipeline::checkpoint::write(&fold.0.join("checkpoint_final.pth"), &theirs).unwrap();
    tree.done(&format!("{predict} -o theirs"));
    let images: Vec<_> =
        fs::read_dir(tree.path("ours")).unwrap().map(|e| e.unwrap().file_name()).filter(|n| n.to_string_lossy().ends_with(".gz")).collect();
    assert_eq!(images.len(), 2);
    for name in images {
        assert!(fs::read(tree.path("ours").join(&name)).unwrap() == fs::read(tree.path("theirs").join(&name)).unwrap(), "{name:?}");
    }
}

/// A benchmark leaves the epoch's time and no checkpoint, with and without loading.
#[test]
fn benchmarks_measure_and_keep_nothing() {
    let tree = Tree::preprocessed();
    for config in ["nnUNetTrainerBenchmark_5epochs", "nnUNetTrainerBenchmark_5epochs_noDataLoading"] {
        let fold = tree.trained(config);
        let results: serde_json::Value = pipeline::json::read(&fold.0.join("benchmark_result.json")).unwrap();
        let entry = results.as_object().unwrap().values().next().unwrap();
        assert!(entry["fastest_epoch"].as_f64().unwrap() > 0.0, "{results}");
        for name in ["checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth", "validation"] {
            assert!(!fold.0.join(name).exists(), "{config} left {name}");
        }
    }
}
