//! The guide's "Manual Plan Editing": rows 16 to 28.

use crate::{
    Tree,
    lab::{SHORT, files},
};
use serde_json::{Value, json};
use std::fs;

const TRAIN: &str = "nnUNetv2_train 001 3d_fullres 0";

#[test]
fn row_16_where_the_plans_lie() {
    let tree = Tree::planned();
    assert_eq!(tree.typed("ls $nnUNet_preprocessed/Dataset001_Name/nnUNetPlans.json").trim(), tree.plans_file().display().to_string());
}

#[test]
fn row_17_batch_size_of_the_plans_is_that_of_the_training() {
    let tree = Tree::planned();
    tree.edit(|c| c["3d_fullres"]["batch_size"] = json!(3));
    let said = tree.typed(&format!("{TRAIN} {SHORT}"));
    assert!(said.contains("validation cases, batch 3"), "{said}");
    assert_eq!(tree.default_fold("3d_fullres", 0).debug()["batch_size"], 3);
}

/// The guide's own snippet has a comment behind the number.
#[test]
fn row_18_comments_in_the_plans() {
    let tree = Tree::planned();
    let text = fs::read_to_string(tree.plans_file()).unwrap();
    let edited = text.replace("\"batch_size\": 2,", "\"batch_size\": 2,  // Change from 4 to 2");
    assert_ne!(edited, text);
    fs::write(tree.plans_file(), edited).unwrap();
    tree.typed(&format!("{TRAIN} {SHORT}"));
    // what is no comment is told with its line
    fs::write(tree.plans_file(), text.replacen("\"batch_size\": 2,", "\"batch_size\": 2  # Change from 4 to 2", 1)).unwrap();
    let line = text.lines().position(|line| line.contains("\"batch_size\": 2,")).unwrap() + 1;
    let said = tree.refused(&format!("{TRAIN} {SHORT}"), 1);
    assert!(said.contains("nnUNetPlans.json: ") && said.contains(&format!("at line {line} column")), "{said}");
}

#[test]
fn row_19_patch_size_is_that_of_the_training_and_must_fit_the_strides() {
    let tree = Tree::planned();
    tree.edit(|c| c["3d_fullres"]["patch_size"] = json!([10, 12, 14]));
    tree.typed(&format!("{TRAIN} {SHORT}"));
    let svg = fs::read_to_string(tree.default_fold("3d_fullres", 0).0.join("network_architecture.svg")).unwrap();
    assert!(svg.contains("input 1×10×12×14"));
    tree.edit(|c| c["3d_fullres"]["patch_size"] = json!([10, 11, 14]));
    let said = tree.refused(&format!("{TRAIN} {SHORT}"), 1);
    assert!(said.contains("axis 1 is 11, wanted a multiple of 2 (10 or 12)"), "{said}");
}

/// A patch that the network's topology does not allow is refused with what to change; after the change it is not.
#[test]
fn row_20_the_topology_goes_with_the_patch() {
    let tree = Tree::planned();
    tree.edit(|c| c["3d_fullres"] = guide(&c["3d_fullres"], json!({"patch_size": [40, 40, 40]})));
    let said = tree.types("host plans check 001");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.contains("3d_fullres: `patch_size` [40, 40, 40] does not fit the strides: axis 0 is 40, wanted a multiple of 16 (32 or 48)"),
        "{said}"
    );
    let shallower = json!({"n_conv_per_stage_encoder": [2, 2, 2, 2], "n_conv_per_stage_decoder": [2, 2, 2], "num_pool_per_axis": [3, 3, 3]});
    tree.edit(|c| c["3d_fullres"].as_object_mut().unwrap().extend(shallower.as_object().unwrap().clone()));
    let said = tree.typed("host plans check 001");
    assert!(said.contains("2 configurations can be followed"), "{said}");
}

/// The guide's snippet as it stands there, on a patch of 32 voxels, with changes.
fn guide(planned: &Value, changes: Value) -> Value {
    let mut edited = planned.clone();
    // beside it the snippet would have to say the same
    edited.as_object_mut().unwrap().remove("architecture");
    let snippet = json!({
        "patch_size": [32, 32, 32],
        "UNet_class_name": "PlainConvUNet",
        "UNet_base_num_features": 32,
        "n_conv_per_stage_encoder": [2, 2, 2, 2, 2],
        "n_conv_per_stage_decoder": [2, 2, 2, 2],
        "num_pool_per_axis": [4, 4, 4],
    });
    for part in [snippet, changes] {
        edited.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    }
    edited
}

/// What `host plans show` says of the snippet with changes, or why it cannot be followed.
fn shown(tree: &Tree, changes: Value) -> Result<String, String> {
    let planned = tree.plans()["configurations"]["3d_fullres"].clone();
    tree.edit(|c| c["3d_guide"] = guide(&planned, changes));
    let output = tree.types("host plans show 001 -c 3d_guide");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn parameters(shown: &str) -> u64 {
    let (before, _) = shown.split_once(" parameters,").unwrap();
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn row_21_unet_class_name_takes_effect() {
    let tree = Tree::planned();
    let plain = shown(&tree, json!({})).unwrap();
    assert!(plain.contains("  PlainConvUNet: "), "{plain}");
    let residual = shown(&tree, json!({"UNet_class_name": "ResidualEncoderUNet"})).unwrap();
    assert!(residual.contains("  ResidualEncoderUNet: ") && parameters(&residual) != parameters(&plain), "{residual}");
    let said = shown(&tree, json!({"UNet_class_name": "VNet"})).unwrap_err();
    assert!(said.contains("`UNet_class_name` is \"VNet\"; it can be PlainConvUNet or ResidualEncoderUNet"), "{said}");
    // beside the key of today they cannot say two things
    let architecture = tree.plans()["configurations"]["3d_fullres"]["architecture"].clone();
    let said = shown(&tree, json!({"architecture": architecture})).unwrap_err();
    assert!(said.contains("but `architecture` says"), "{said}");
}

#[test]
fn row_22_unet_base_num_features_takes_effect() {
    let tree = Tree::planned();
    let (wide, narrow) = (shown(&tree, json!({})).unwrap(), shown(&tree, json!({"UNet_base_num_features": 16})).unwrap());
    let first = |text: &str| text.lines().find(|line| line.contains("encoder.stages.0")).unwrap().split_whitespace().nth(1).unwrap().to_owned();
    assert_eq!((first(&wide).as_str(), first(&narrow).as_str()), ("32x32x32x32", "16x32x32x32"));
    assert!(parameters(&wide) > parameters(&narrow));
}

#[test]
fn row_23_n_conv_per_stage_encoder_makes_the_stages() {
    let tree = Tree::planned();
    let stages = |text: &str| text.lines().filter(|line| line.contains("encoder.stages.")).count();
    let five = shown(&tree, json!({})).unwrap();
    let four = json!({"n_conv_per_stage_encoder": [2, 2, 2, 2], "n_conv_per_stage_decoder": [2, 2, 2], "num_pool_per_axis": [3, 3, 3]});
    assert_eq!((stages(&five), stages(&shown(&tree, four).unwrap())), (5, 4));
    let thin = shown(&tree, json!({"n_conv_per_stage_encoder": [1, 1, 1, 1, 1]})).unwrap();
    assert!(stages(&thin) == 5 && parameters(&thin) < parameters(&five));
}

#[test]
fn row_24_n_conv_per_stage_decoder_is_one_shorter() {
    let tree = Tree::planned();
    assert_eq!(shown(&tree, json!({})).unwrap().lines().filter(|line| line.contains("decoder.stages.")).count(), 4);
    let said = shown(&tree, json!({"n_conv_per_stage_decoder": [2, 2, 2]})).unwrap_err();
    assert!(said.contains("n_conv_per_stage_decoder"), "{said}");
}

#[test]
fn row_25_num_pool_per_axis_halves_each_axis_so_often() {
    let tree = Tree::planned();
    let bottleneck = |text: &str| text.lines().find(|line| line.contains("encoder.stages.4")).unwrap().split_whitespace().nth(1).unwrap().to_owned();
    assert_eq!(bottleneck(&shown(&tree, json!({})).unwrap()), "320x2x2x2");
    assert_eq!(bottleneck(&shown(&tree, json!({"num_pool_per_axis": [2, 4, 4]})).unwrap()), "320x8x2x2");
    let said = shown(&tree, json!({"num_pool_per_axis": [3, 3, 3]})).unwrap_err();
    assert!(said.contains("`num_pool_per_axis` [3, 3, 3] makes 4 stages, but there are 5 (`n_conv_per_stage_encoder`)"), "{said}");
}

#[test]
fn row_26_spacing_is_what_images_are_resampled_to() {
    let tree = Tree::planned();
    let before = tree.shape_of("phantom_000");
    let spacing: Vec<f64> = serde_json::from_value(tree.plans()["configurations"]["3d_fullres"]["spacing"].clone()).unwrap();
    tree.edit(|c| c["3d_fullres"]["spacing"] = json!([2.0, 2.0, 2.0]));
    tree.typed("nnUNetv2_preprocess -d 001 -c 3d_fullres");
    let after = tree.shape_of("phantom_000");
    assert_eq!((before.len(), after.len()), (4, 4));
    for axis in 0..3 {
        let wanted = before[axis + 1] as f64 * spacing[axis] / 2.0;
        assert!((after[axis + 1] as f64 - wanted).abs() <= 1.0, "{before:?} at {spacing:?} mm became {after:?} at 2 mm");
    }
}

/// Training asks for it, it remakes the cases, and the edit stays.
#[test]
fn row_27_preprocessing_again_after_an_edit() {
    let tree = Tree::planned();
    tree.edit(|c| c["3d_fullres"]["spacing"] = json!([1.0, 1.0, 1.5]));
    let (plans, before) = (fs::read(tree.plans_file()).unwrap(), tree.shape_of("phantom_001"));
    let said = tree.refused(&format!("{TRAIN} {SHORT}"), 1);
    assert!(said.contains("another spacing") && said.contains("run nnUNetv2_preprocess anew"), "{said}");
    tree.typed("nnUNetv2_preprocess -d 001 -c 3d_fullres");
    assert!(plans == fs::read(tree.plans_file()).unwrap(), "the plans changed");
    assert_ne!(tree.shape_of("phantom_001"), before);
    assert_eq!(files(&tree.path("pre/Dataset001_Name/nnUNetPlans_3d_fullres"), ".npz").len(), 5);
    tree.typed(&format!("{TRAIN} {SHORT}"));
}

/// What the planner makes it makes anew; a configuration of another name is the user's.
#[test]
fn row_28_an_own_configuration_survives_planning() {
    let tree = Tree::planned();
    tree.edit(|c| {
        c["3d_fullres"]["batch_size"] = json!(7);
        c["mine"] = json!({"inherits_from": "3d_fullres", "batch_size": 5});
    });
    tree.typed("nnUNetv2_plan_experiment -d 001");
    let configurations = tree.plans()["configurations"].clone();
    assert_ne!(configurations["3d_fullres"]["batch_size"], 7);
    assert_eq!(configurations["mine"], json!({"inherits_from": "3d_fullres", "batch_size": 5}));
}
