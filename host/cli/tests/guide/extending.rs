//! Networks and losses of one's own: rows 12, 58, 59, 61 and 62.

use crate::Tree;
use std::process::Stdio;

/// The config's network is the one that is trained; `debug.json` and the log show its name.
#[test]
fn row_12_network_builder_builds_the_network() {
    let tree = Tree::preprocessed();
    tree.guide_plugin();
    let fold = tree.trained("my_net");
    assert_eq!(fold.debug()["network"], "my_custom_network");
    assert_eq!(fold.debug()["loss"], "dice_ce");
    assert!(fold.log().contains("network my_custom_network of plugin org.example.fx_guide"), "{}", fold.log());
    assert!(fold.checkpoint().weights.iter().all(|w| w.name.starts_with("body.") || w.name.starts_with("head.")));
}

/// The architecture of the guide compiles, trains, and what was trained predicts.
#[test]
fn row_58_an_architecture_of_ones_own() {
    let tree = Tree::preprocessed();
    tree.guide_plugin();
    let fold = tree.trained("my_custom");
    assert!(fold.0.join("validation/summary.json").exists());
    let images = tree.images();
    tree.done(&format!("predict -i {} -o out -d 999 -tr my_custom -c small -f 0 -device cpu --plugins-dir plugins", images.display()));
    assert_eq!(std::fs::read_dir(tree.path("out")).unwrap().filter(|e| e.as_ref().unwrap().path().to_string_lossy().ends_with(".nii.gz")).count(), 2);
}

/// The classes include the background; for regions they are the regions.
#[test]
fn row_59_classes_include_the_background() {
    let tree = Tree::preprocessed();
    tree.guide_plugin();
    let dataset = pipeline::dataset::DatasetJson::read(&tree.path("pre").join(&tree.dataset)).unwrap();
    let labels = dataset.label_manager().unwrap();
    let checkpoint = tree.trained("my_net").checkpoint();
    let head = checkpoint.weights.iter().find(|w| w.name == "head.bias").unwrap();
    assert_eq!(head.shape, [labels.labels().len()]);
    let regions = serde_json::json!({
        "channel_names": {"0": "MRI"}, "numTraining": 1, "file_ending": ".nii.gz",
        "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "centre": 3, "edge": [1, 3]}, "regions_class_order": [1, 2, 3, 1]
    });
    let folder = tree.path("regions");
    std::fs::create_dir(&folder).unwrap();
    pipeline::json::write(&folder.join("dataset.json"), &regions).unwrap();
    assert_eq!(pipeline::dataset::DatasetJson::read(&folder).unwrap().label_manager().unwrap().num_outputs(), 4);
}

/// Logits and one-hot labels are (B, C, spatial...), as the fixture's loss asks; the validator's checks, its gradient against finite
/// differences among them, pass.
#[test]
fn row_61_a_loss_of_ones_own() {
    let tree = Tree::phantom();
    let file = tree.guide_plugin();
    let arguments = ["--json", "--component", "loss:my_custom_loss"];
    let output = tree.host("validate-plugin").arg(&file).args(arguments).stdin(Stdio::null()).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["passed"], true, "{report}");
    let checks = report["results"].as_array().unwrap();
    assert!(checks.iter().any(|c| c["check"].as_str().unwrap().contains("gradient") && c["status"] == "pass"), "{report}");
}

/// `loss_fn` selects it.
#[test]
fn row_62_loss_fn_selects_the_loss() {
    let tree = Tree::preprocessed();
    tree.guide_plugin();
    let debug = tree.trained("my_loss").debug();
    assert_eq!((debug["loss"].as_str(), debug["network"].as_str()), (Some("my_custom_loss"), Some("PlainConvUNet")));
    assert_eq!(debug["loss_from"]["plugin"], "org.example.fx_guide");
}
