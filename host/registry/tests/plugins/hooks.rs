//! Kinds that do not work on tensors.

use crate::bench::Bench;
use plugin_api::{
    ChannelFacts, LrQuestion, PlanningDataset, Spacing, SpacingQuestion,
    abi::host::{Edited, Named, NewValues, Values, ValuesMut},
    json,
};
use registry::{Error, Kind};
use serde_json::{Map, Value};

fn none() -> Map<String, Value> {
    Map::new()
}

#[test]
fn a_planner_answers_the_steps_that_it_has() {
    let bench = Bench::with(&["fx-hooks"]);
    let registry = bench.open();
    let planner = registry.hook(Kind::Planner, "fx_halved").unwrap().create(&none(), &PlanningDataset::default()).unwrap();
    let host = Spacing([3.0, 0.1 + 0.2, 1.0]);
    assert_eq!(planner.answer("target_spacing", &SpacingQuestion::default(), host).unwrap(), Spacing::isotropic(3.0));
    // a step that is left out keeps the host's answer, to the last bit
    assert_eq!(planner.answer("lowres_spacing", &json!({}), Some(host)).unwrap(), Some(host));
    // and so does one that this version does not know
    assert_eq!(planner.answer("colour_of_the_scanner", &json!({"shade": 3}), "grey".to_string()).unwrap(), "grey");
}

#[test]
fn voxels_are_changed_where_they_are() {
    let bench = Bench::with(&["fx-hooks"]);
    let registry = bench.open();
    let plan = plugin_api::PreprocessingPlan::default();
    let shifted = registry.hook(Kind::Preprocessor, "fx_shifted").unwrap().create(&none(), &plan).unwrap();
    let question = json!({"spacing": [1, 1, 1], "target_spacing": [1, 1, 1]});
    let mut voxels = vec![0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0];
    let address = voxels.as_ptr();
    let mut arrays = [Named::new("image", &[1, 3, 1, 2], ValuesMut::F32(&mut voxels))];
    assert_eq!(shifted.edit("before", &question, &[], &mut arrays).unwrap(), Some(Edited::default()));
    assert_eq!(shifted.edit("run", &question, &[], &mut arrays).unwrap(), None, "the standard steps are the host's");
    assert_eq!(shifted.edit("sharpen", &question, &[], &mut arrays).unwrap(), None);
    assert_eq!((voxels.as_ptr(), voxels.as_slice()), (address, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0][..]));

    let thinned = registry.hook(Kind::Preprocessor, "fx_thinned").unwrap().create(&none(), &plan).unwrap();
    let mut labels = [0i16, 1, 2, 3, 4, 5];
    let mut arrays =
        [Named::new("image", &[1, 3, 1, 2], ValuesMut::F32(&mut voxels)), Named::new("labels", &[1, 3, 1, 2], ValuesMut::I16(&mut labels))];
    let edited = thinned.edit("run", &question, &[], &mut arrays).unwrap().unwrap();
    assert_eq!(edited.answer, r#"{"crop":[[1,3],[0,1],[0,2]]}"#);
    let wanted =
        [Named::new("image", &[1, 1, 1, 2], NewValues::F32(vec![3.0, 4.0])), Named::new("labels", &[1, 1, 1, 2], NewValues::I16(vec![2, 3]))];
    assert_eq!(edited.arrays, wanted);
}

#[test]
fn a_normalization_gets_mask_and_facts() {
    let bench = Bench::with(&["fx-hooks"]);
    let registry = bench.open();
    let scheme = registry.hook(Kind::Normalization, "fx_by_maximum").unwrap().create(&none(), &json!({})).unwrap();
    let facts = ChannelFacts { name: "T1".into(), ..Default::default() };
    let mut voxels = vec![9.0f32, 2.0, 4.0];
    let mask = [Named::new("mask", &[1, 1, 3], Values::I16(&[-1, 0, 2]))];
    scheme.edit("normalize", &facts, &mask, &mut [Named::new("channel", &[1, 1, 3], ValuesMut::F32(&mut voxels))]).unwrap().unwrap();
    assert_eq!(voxels, [9.0, 0.5, 1.0]);
    let mut empty = vec![0.0f32; 3];
    let error = scheme.edit("normalize", &facts, &[], &mut [Named::new("channel", &[1, 1, 3], ValuesMut::F32(&mut empty))]).unwrap_err().to_string();
    assert!(error.starts_with("plugin org.example.fx_hooks (fx-hooks.so) failed in normalize at "), "{error}");
    assert!(error.contains("src/lib.rs:") && error.ends_with("channel T1 has no voxel above 0"), "{error}");
}

#[test]
fn a_panic_in_a_hook_is_an_error_with_its_line() {
    let bench = Bench::with(&["fx-hooks"]);
    let registry = bench.open();
    let dataset = PlanningDataset { channel_names: vec!["a".into(); 5], ..Default::default() };
    let planner = registry.hook(Kind::Planner, "fx_faulty_planner").unwrap().create(&none(), &dataset).unwrap();
    let error = planner.answer("patch_size", &plugin_api::PatchQuestion::default(), vec![8usize, 8]).unwrap_err().to_string();
    assert!(error.contains("(fx-hooks.so) failed in patch_size at ") && error.contains("src/lib.rs:"), "{error}");
    assert!(error.ends_with("panicked: fx-hooks: 5 channels"), "{error}");
}

#[test]
fn settings_and_names_are_checked() {
    let bench = Bench::with(&["fx-hooks"]);
    let registry = bench.open();
    let stairs = registry.hook(Kind::LrSchedule, "fx_stairs").unwrap();
    let settings = json!({"every": 2, "factor": 0.5});
    let schedule = stairs.create(settings.as_object().unwrap(), &json!({})).unwrap();
    assert_eq!(schedule.ask::<f64>("lr", &LrQuestion { epoch: 4, epochs: 9, initial: 0.4 }).unwrap(), Some(0.1));
    let wrong = stairs.create(json!({"evry": 2}).as_object().unwrap(), &json!({})).unwrap_err().to_string();
    assert!(wrong.contains("failed in create of lr_schedule `fx_stairs`") && wrong.contains("unknown field `evry`"), "{wrong}");
    let Err(Error::Unknown { kind: Kind::Augmentation, nearest, .. }) = registry.hook(Kind::Augmentation, "fx_offst") else { panic!("found") };
    assert_eq!(nearest.as_deref(), Some("fx_offset"));
    // of another kind
    assert!(registry.hook(Kind::Preprocessor, "fx_stairs").is_err());
}
