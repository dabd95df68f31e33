//! What is said when something is wrong, and the exit code.

use crate::User;
use insta::assert_snapshot;
use std::fs;

#[test]
fn a_flag_that_does_not_exist() {
    let user = User::new();
    assert_snapshot!("unknown_flag", user.host("predict -i a -o b -d 1 -c 2d -step_sise 0.5").failed_with(2));
    assert_snapshot!("unknown_command", user.host("trian").failed_with(2));
    assert_snapshot!("missing_flags", user.host("predict -i a").failed_with(2));
    assert_snapshot!("missing_positionals", user.host("train 1 2d").failed_with(2));
}

#[test]
fn a_value_that_cannot_be() {
    let user = User::new();
    assert_snapshot!("fold", user.host("train 1 2d zero").failed_with(2));
    for step in ["0", "-1", "1.5", "nan", "half"] {
        let text = format!("predict -i a -o b -d 1 -c 2d -step_size {step}");
        assert!(user.host(&text).failed_with(2).contains("wanted a number above 0 and at most 1"), "{step}");
    }
    assert_snapshot!("part_id", user.host("predict -i a -o b -d 1 -c 2d -num_parts 2 -part_id 2").failed_with(2));
    assert_snapshot!("spacing", user.host("plan_experiment -d 1 -overwrite_target_spacing 1 1").failed_with(2));
}

#[test]
fn flags_that_exclude_each_other() {
    let user = User::new();
    for flags in ["--c --val", "--c -pretrained_weights x", "--val_best --disable_checkpointing"] {
        assert!(user.host(&format!("train 1 2d 0 {flags}")).failed_with(2).contains("cannot be used with"), "{flags}");
    }
    assert!(user.host("predict -i a -o b -d 1 -c 2d --mirror --disable_tta").failed_with(2).contains("cannot be used with"));
}

#[test]
fn one_dash_or_two_mean_the_same() {
    let user = User::new();
    let one = user.host_with_folders("predict -i a -o b -d 1 -c 2d -f 0 1 -step_size 0.7 -device cpu --disable_tta").failed_with(1).to_owned();
    let two = user.host_with_folders("predict --i a --o b --d 1 --c 2d --f 0 1 --step_size 0.7 --device cpu -disable_tta");
    assert_eq!(one, two.failed_with(1));
    assert!(one.contains("no folder Dataset001_..."), "{one}");
}

#[test]
fn variables_that_are_not_set() {
    let user = User::new();
    assert_snapshot!("unset", user.host("extract_fingerprint -d Dataset001_A").failed_with(1));
    assert_snapshot!("unset_by_number", user.host("plan_and_preprocess -d 001").failed_with(1));
    let odd = user.run(&user.path("host"), "evaluate_simple a b -l 1", &[("nnUNet_def_n_proc", "many".into())]);
    assert_snapshot!("odd_number_of_processes", odd.failed_with(1));
}

#[test]
fn a_dataset_that_is_not_there() {
    let user = User::new();
    assert_snapshot!("unknown_dataset", user.host_with_folders("preprocess -d 7").failed_with(1));
    fs::create_dir_all(user.path("nnUNet_raw/Dataset007_A")).unwrap();
    fs::create_dir_all(user.path("nnUNet_preprocessed/Dataset007_B")).unwrap();
    assert_snapshot!("two_datasets", user.host_with_folders("preprocess -d 7").failed_with(1));
    assert!(user.host_with_folders("extract_fingerprint -d Dataset007_A").failed_with(1).contains("Dataset007_A/dataset.json"));
}

#[test]
fn a_trainer_that_is_not_there() {
    let user = User::new();
    let text = user.host_with_folders("train Dataset001_A 2d 0 -tr 5epoch").failed_with(1).to_owned();
    assert!(text.starts_with("error: no config is called `5epoch`; did you mean `5epochs`? (valid: "), "{text}");
    assert!(text.contains("nnUNetTrainer") && text.contains("no_mirroring"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn a_device_that_is_not_there() {
    let user = User::new();
    for line in ["train 1 2d 0 -device mps", "predict -i a -o b -d 1 -c 2d -device mps"] {
        assert_eq!(user.host(line).failed_with(1), "error: mps is not supported; -device takes cpu, cuda, cuda:N or auto\n");
    }
    if cfg!(feature = "cuda") {
        return eprintln!("skipped: what is said depends on the machine");
    }
    assert_snapshot!("no_cuda", user.host("train 1 2d 0 -device cuda").failed_with(1));
    assert_eq!(user.host("train 1 2d 0 -device cuda:1").err, user.host("train 1 2d 0 -device cuda").err);
}

#[test]
fn more_than_one_device() {
    let user = User::new();
    assert_snapshot!("ddp_cpu", user.host("train 1 2d 0 --ddp -device cpu").failed_with(2));
    assert!(user.host("train 1 2d 0 -num_gpus 0").failed_with(2).contains("0 is not in 1..=65535"));
    for line in ["0 --ddp -num_gpus 2", "all -num_gpus 2 --devices 0,1", "all --ddp --jobs 2"] {
        assert!(user.host(&format!("train 1 2d {line}")).failed_with(2).contains("cannot be used with"), "{line}");
    }
    if cfg!(feature = "cuda") {
        return eprintln!("skipped: what is said depends on the machine");
    }
    assert_snapshot!("ddp", user.host("train 1 2d 0 --ddp").failed_with(1));
}

#[test]
fn a_model_that_is_not_there() {
    let user = User::new();
    fs::create_dir_all(user.path("nnUNet_raw/Dataset001_A")).unwrap();
    assert_snapshot!("no_model", user.host_with_folders("predict -i a -o b -d 1 -c 2d -tr base -device cpu").failed_with(1));
    assert_snapshot!("no_model_folder", user.host("predict_from_modelfolder -m nowhere -i a -o b -device cpu").failed_with(1));
}

#[test]
fn folders_that_cannot_be_evaluated() {
    let user = User::new();
    assert_snapshot!("no_references", user.host("evaluate_simple nowhere . -l 1").failed_with(1));
    assert_snapshot!("no_dataset_json", user.host("evaluate_folder a b -djfile d.json -pfile p.json").failed_with(1));
}
