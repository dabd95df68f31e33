//! The guide's "Performance Optimization": rows 69 to 72.

use crate::{
    Tree,
    lab::{SHORT, files},
};
use serde_json::json;
use std::{fs, time::Duration};

/// So many threads make batches; none where it is 0.
#[cfg(target_os = "linux")]
#[test]
fn row_69_nnunet_n_proc_da() {
    let tree = Tree::planned();
    for wanted in [0, 3] {
        let mut command = tree.host("train 001 3d_fullres 0 --epochs 5000 --iterations 50 --val-iterations 0 --seed 1 -device cpu");
        let mut running = command.env("nnUNet_n_proc_DA", wanted.to_string()).spawn().unwrap();
        let threads = format!("/proc/{}/task", running.id());
        let epochs_end = tree.default_fold("3d_fullres", 0).0.join("metrics.csv");
        while !epochs_end.exists() {
            assert_eq!(running.try_wait().unwrap(), None, "it ended");
            std::thread::sleep(Duration::from_millis(10));
        }
        let names = fs::read_dir(threads).unwrap().map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")).unwrap_or_default());
        let loaders = names.filter(|name| name.starts_with("loader ")).count();
        running.kill().unwrap();
        running.wait().unwrap();
        assert_eq!(loaders, wanted);
        fs::remove_dir_all(tree.path("res")).unwrap();
    }
    let said = tree.refused(&format!("nnUNet_n_proc_DA=many nnUNetv2_train 001 3d_fullres 0 {SHORT}"), 1);
    assert!(said.contains("nnUNet_n_proc_DA is \"many\", wanted a whole number of threads"), "{said}");
}

/// Kernels are compiled with the program, which the log says; the variable cannot turn on what is not there.
#[test]
fn row_70_nnunet_compile() {
    let tree = Tree::planned();
    for (value, warned) in [("false", false), ("true", true)] {
        let said = tree.typed(&format!("export nnUNet_compile={value}\nnnUNetv2_train 001 3d_fullres 0 {SHORT}"));
        assert!(said.contains("kernels were compiled with the program"), "{said}");
        assert_eq!(said.contains("warning: nnUNet_compile is true, which changes nothing"), warned, "{said}");
    }
}

/// The same loss curve on 1 and on 4 devices with the same batch; the devices are parts of the processor.
#[test]
fn row_71_several_devices() {
    let tree = Tree::planned();
    tree.edit(|configurations| configurations["3d_fullres"]["batch_size"] = json!(4));
    let length = "--epochs 20 --iterations 1 --val-iterations 1 --seed 1";
    let curves = |line: &str| {
        let said = tree.typed(&format!("CUDA_VISIBLE_DEVICES=0,1,2,3 nnUNetv2_train 001 3d_fullres 0 {length} {line}"));
        let fold = tree.default_fold("3d_fullres", 0);
        let logging = fold.checkpoint().logging;
        let dice = fs::read(fold.0.join("validation/summary.json")).unwrap().len();
        fs::remove_dir_all(tree.path("res")).unwrap();
        (said, [logging.train_losses, logging.val_losses], dice)
    };
    let (_, one, validated) = curves("-device cpu");
    let (said, four, validated_by_four) = curves("-device cpu -num_gpus 4");
    assert!(said.contains("devices cpu:0 (1 of 4 samples) and cpu:1 (1 of 4 samples) and cpu:2"), "{said}");
    for (four, one) in four.iter().zip(&one) {
        let apart = four.iter().zip(one).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(one.len() == 20 && apart < 1e-4, "{apart:.1e} apart: {four:?} instead of {one:?}");
    }
    assert!(one[0][19] < one[0][0], "nothing was learned: {one:?}");
    assert!(validated > 0 && validated_by_four > 0);

    // the guide's own words want CUDA devices
    let said = tree.refused("CUDA_VISIBLE_DEVICES=0,1,2,3 nnUNetv2_train 001 3d_fullres 0 --ddp -device cpu", 2);
    assert!(said.contains("--ddp takes all CUDA devices") && said.contains("-num_gpus N"), "{said}");
    assert!(!tree.path("res/Dataset001_Name").exists());
}

/// Four processes at once on one dataset, of which the first to come makes the splits.
#[test]
fn row_72_folds_in_parallel() {
    let tree = Tree::planned();
    let lines: Vec<String> =
        (0..4).map(|fold| format!("CUDA_VISIBLE_DEVICES={fold} nnUNetv2_train 001 3d_fullres {fold} {SHORT} > said{fold} 2>&1 &\n")).collect();
    tree.typed(&format!("{}wait", lines.concat()));
    let mut validated: Vec<String> = Vec::new();
    for fold in 0..4 {
        let folder = tree.default_fold("3d_fullres", fold).0;
        let said = fs::read_to_string(tree.path(&format!("said{fold}"))).unwrap();
        assert!(folder.join("checkpoint_final.pth").exists() && said.contains("Mean Validation Dice"), "{said}");
        validated.extend(files(&folder.join("validation"), ".nii.gz").iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()));
    }
    validated.sort();
    validated.dedup();
    assert_eq!(validated.len(), 4, "the folds are not those of one split: {validated:?}");
}
