//! What comes after training, from the validations of two small models to a postprocessed ensemble, and what is said when it cannot be.

use crate::User;
use insta::assert_snapshot;
use pipeline::phantom::{self, PhantomSpec};
use serde_json::{Value, json};
use std::{fs, io::Write, path::Path};
use volume::image::{Geometry, write_image, write_segmentation};

const DATASET: &str = "Dataset001_Phantom";

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A user with a small dataset that was planned and preprocessed, with a network of two stages.
pub(crate) fn planned() -> User {
    let user = User::new();
    let spec = PhantomSpec { dataset: DATASET.into(), cases: 5, test_cases: 1, shape: vec![12, 14, 13], ..PhantomSpec::default() };
    phantom::write(&user.path("nnUNet_raw"), &spec).unwrap();
    user.host_with_folders("extract_fingerprint -d 1").finished();
    user.host_with_folders("plan_experiment -d 1").finished();
    let file = user.path("nnUNet_preprocessed").join(DATASET).join("nnUNetPlans.json");
    let mut plans = read(&file);
    for (name, patch) in [("2d", json!([8, 8])), ("3d_fullres", json!([8, 8, 8]))] {
        let ones = vec![1; patch.as_array().unwrap().len()];
        let (twos, threes) = (vec![2; ones.len()], vec![3; ones.len()]);
        let configuration = &mut plans["configurations"][name];
        configuration["patch_size"] = patch;
        configuration["batch_size"] = json!(2);
        let settings = &mut configuration["architecture"]["arch_kwargs"];
        settings["n_stages"] = json!(2);
        settings["features_per_stage"] = json!([2, 4]);
        settings["kernel_sizes"] = json!([threes, threes]);
        settings["strides"] = json!([ones, twos]);
        settings["n_conv_per_stage"] = json!([1, 1]);
        settings["n_conv_per_stage_decoder"] = json!([1]);
    }
    fs::write(&file, plans.to_string()).unwrap();
    user.host_with_folders("preprocess -d 1 -c 2d 3d_fullres").finished();
    user
}

#[test]
fn from_validations_to_a_postprocessed_ensemble() {
    let user = planned();
    let run = |line: &str| user.host_with_folders(line).finished().to_owned();
    for configuration in ["2d", "3d_fullres"] {
        run(&format!("train 1 {configuration} 0 --npz --epochs 1 --iterations 1 --val-iterations 1 --seed 1 -device cpu"));
    }
    let model = |configuration: &str| format!("nnUNet_results/{DATASET}/nnUNetTrainer__nnUNetPlans__{configuration}");

    // the guide's way to an ensemble
    let validation = |configuration: &str| format!("{}/fold_0/validation", model(configuration));
    let said = run(&format!("ensemble -i {} {} -o merged --save_npz -np 1", validation("2d"), validation("3d_fullres")));
    assert_eq!(said, "merged: 1 cases merged from 2 folders\n");
    let merged = names(&user.path("merged"));
    assert_eq!(merged.len(), 5, "{merged:?}");

    run(&format!("determine_postprocessing -i {} -ref nnUNet_raw/{DATASET}/labelsTr -np 1 --remove_postprocessed", validation("2d")));
    assert!(user.path(&validation("2d")).join("postprocessing.pkl").is_file());

    let said = run("accumulate_crossval_results 1 -c 2d -f 0");
    assert!(said.contains("foreground mean of 1 cases: Dice ") && said.ends_with("crossval_results_folds_0\n"), "{said}");
    run("accumulate_crossval_results 1 -c 2d -f 0 -o collected -tr base");
    assert_eq!(names(&user.path("collected")).len(), 4);

    let said = run("find_best_configuration 1 -f 0 -np 1");
    assert!(
        said.contains("mean foreground Dice in cross-validation:\n") && said.contains("nnUNetv2_apply_postprocessing -i OUTPUT_FOLDER"),
        "{said}"
    );
    let results = user.path("nnUNet_results").join(DATASET);
    let information = read(&results.join("inference_information.json"));
    assert_eq!((&information["folds"], information["all_results"].as_object().unwrap().len()), (&json!([0]), 3));
    let postprocessing = information["best_model_or_ensemble"]["postprocessing_file"].as_str().unwrap().to_owned();

    // the model as another user gets it
    let said = run("export_model_to_zip -d 1 -o model.zip -f 0");
    assert!(said.starts_with("model.zip: "), "{said}");
    fs::rename(user.path("nnUNet_results"), user.path("before")).unwrap();
    let said = run("install_pretrained_model_from_zip model.zip");
    assert_eq!(said.lines().count(), 2, "{said}");
    let postprocessing = postprocessing.replacen("nnUNet_results", "before", 1);
    for (configuration, output) in [("2d", "one"), ("3d_fullres", "two")] {
        let images = format!("nnUNet_raw/{DATASET}/imagesTs");
        run(&format!("predict -i {images} -o {output} -d 1 -c {configuration} -f 0 --save_probabilities --disable_tta -device cpu"));
    }
    run("ensemble -i one two -o both");
    run(&format!("apply_postprocessing -i both -o done -pp_pkl_file {postprocessing}"));
    assert_eq!(names(&user.path("done")), ["dataset.json", "phantom_005.nii.gz", "plans.json"]);
}

#[test]
fn pictures_and_plans_of_a_dataset() {
    let user = planned();
    let run = |line: &str| user.host_with_folders(line).finished().to_owned();
    assert_eq!(run("plot_overlay_pngs -d 1 -o pictures"), "pictures: 5 pictures\n");
    run("plot_overlay_pngs -d 1 -o raw --use_raw -overlay_intensity 0.4 -channel_idx 0");
    assert_eq!(names(&user.path("raw")), names(&user.path("pictures")));

    let spec =
        PhantomSpec { dataset: "Dataset002_Other".into(), cases: 5, test_cases: 0, shape: vec![12, 14, 13], seed: 2, ..PhantomSpec::default() };
    phantom::write(&user.path("nnUNet_raw"), &spec).unwrap();
    // the guide's line
    let said = run("move_plans_between_datasets -s 001 -t 002 -c 3d_fullres");
    assert!(said.ends_with("nnUNetPlans.json; preprocess Dataset002_Other with -plans_name nnUNetPlans before training\n"), "{said}");
    run("move_plans_between_datasets -s 001 -t 002 -sp nnUNetPlans -tp Borrowed");
    let plans = read(&user.path("nnUNet_preprocessed/Dataset002_Other/Borrowed.json"));
    assert_eq!((&plans["dataset_name"], &plans["plans_name"]), (&json!("Dataset002_Other"), &json!("Borrowed")));
    run("preprocess -d 2 -plans_name Borrowed -c 3d_fullres");
    assert!(user.path("nnUNet_preprocessed/Dataset002_Other/Borrowed_3d_fullres/phantom_000.npz").is_file());
}

#[test]
fn datasets_of_other_forms() {
    let user = User::new();
    let task = user.path("Task05_Prostate");
    for folder in ["imagesTr", "imagesTs", "labelsTr"] {
        fs::create_dir_all(task.join(folder)).unwrap();
    }
    let geometry = Geometry::of_spacing([1.0; 3]);
    write_image(task.join("imagesTr/a.nii.gz"), &ndarray::Array4::ones((2, 3, 4, 5)), &geometry).unwrap();
    write_segmentation(task.join("labelsTr/a.nii.gz"), &ndarray::Array3::ones((3, 4, 5)), &geometry).unwrap();
    let json =
        json!({"modality": {"0": "T2", "1": "ADC"}, "labels": {"0": "background", "1": "prostate"}, "training": [], "test": [], "numTraining": 1});
    fs::write(task.join("dataset.json"), json.to_string()).unwrap();
    assert_eq!(user.host_with_folders("convert_MSD_dataset -i Task05_Prostate/").finished(), "~/nnUNet_raw/Dataset005_Prostate: made\n");
    assert_eq!(names(&user.path("nnUNet_raw/Dataset005_Prostate/imagesTr")), ["a_0000.nii.gz", "a_0001.nii.gz"]);
    let said = user.host_with_folders("convert_old_nnUNet_dataset Task05_Prostate Dataset006_Old").finished().to_owned();
    assert_eq!(said, "~/nnUNet_raw/Dataset006_Old: made\n");
    assert_snapshot!("taken", user.host_with_folders("convert_MSD_dataset -i Task05_Prostate").failed_with(1));
    assert_snapshot!("no_dataset_name", user.host_with_folders("convert_old_nnUNet_dataset Task05_Prostate Prostate").failed_with(1));
}

#[test]
fn what_cannot_be_merged_or_found() {
    let user = User::new();
    let labels = json!({"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 1, "file_ending": ".nii.gz"});
    for folder in ["one", "two"] {
        fs::create_dir(user.path(folder)).unwrap();
        fs::write(user.path(folder).join("dataset.json"), labels.to_string()).unwrap();
        fs::write(user.path(folder).join("plans.json"), "{}").unwrap();
    }
    assert_snapshot!("no_members", user.host("ensemble -i -o merged").failed_with(2));
    assert_snapshot!("no_probabilities", user.host("ensemble -i one two -o merged").failed_with(1));
    fs::write(user.path("one/a.npz"), "").unwrap();
    fs::write(user.path("two/b.npz"), "").unwrap();
    assert_snapshot!("unequal_folders", user.host("ensemble -i one two -o merged").failed_with(1));
    assert_snapshot!("no_json", user.host("ensemble -i nowhere two -o merged").failed_with(1));
    fs::write(user.path("bad.pkl"), b"cos\nsystem\n(X\x04\x00\x00\x00truetR.").unwrap();
    assert_snapshot!("foreign_pickle", user.host("apply_postprocessing -i one -o done -pp_pkl_file bad.pkl").failed_with(1));
    assert!(!user.path("merged").exists() && !user.path("done").exists());
}

#[test]
fn folds_that_are_missing_or_share_cases() {
    let user = User::new();
    let model = user.path("nnUNet_results/Dataset001_A/nnUNetTrainer__nnUNetPlans__2d");
    let labels = json!({"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 1, "file_ending": ".nii.gz"});
    for fold in 0..2 {
        let validation = model.join(format!("fold_{fold}/validation"));
        fs::create_dir_all(&validation).unwrap();
        write_segmentation(validation.join("a.nii.gz"), &ndarray::Array3::ones((1, 2, 2)), &Geometry::of_spacing([1.0; 3])).unwrap();
        fs::write(validation.join("summary.json"), "{}").unwrap();
    }
    fs::write(model.join("dataset.json"), labels.to_string()).unwrap();
    fs::write(model.join("plans.json"), "{}").unwrap();
    assert_snapshot!("missing_fold", user.host_with_folders("accumulate_crossval_results 1 -c 2d -f 0 7").failed_with(1));
    assert_snapshot!("shared_case", user.host_with_folders("accumulate_crossval_results 1 -c 2d -f 0 1").failed_with(1));
    fs::create_dir(user.path("full")).unwrap();
    fs::write(user.path("full/x"), "").unwrap();
    assert_snapshot!("not_empty", user.host_with_folders("accumulate_crossval_results 1 -c 2d -f 0 -o full").failed_with(1));
    assert_snapshot!("no_plans", user.host_with_folders("find_best_configuration 1").failed_with(1));
    assert_snapshot!("nothing_to_export", user.host_with_folders("export_model_to_zip -d 1 -o model.zip -c 2d 3d_fullres").failed_with(1));
    assert_snapshot!("no_plans_to_move", user.host_with_folders("move_plans_between_datasets -s 1 -t 1").failed_with(1));
}

#[test]
fn a_zip_file_that_leads_elsewhere() {
    let user = User::new();
    let mut zip = zip::ZipWriter::new(fs::File::create(user.path("evil.zip")).unwrap());
    zip.start_file("Dataset001_A/../../evil", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(b"x").unwrap();
    zip.finish().unwrap();
    assert_snapshot!("zip_path", user.host_with_folders("install_pretrained_model_from_zip evil.zip").failed_with(1));
    fs::write(user.path("no.zip"), "text").unwrap();
    assert_snapshot!("no_zip", user.host_with_folders("install_pretrained_model_from_zip no.zip").failed_with(1));
    assert_eq!(names(&user.path("nnUNet_results")), Vec::<String>::new());
    assert_snapshot!("no_results", user.host("install_pretrained_model_from_zip evil.zip").failed_with(1));
    let text = user.host_with_folders("download_pretrained_model_by_url nonsense").failed_with(1).to_owned();
    assert!(text.starts_with("error: cannot download nonsense: "), "{text}");
}
