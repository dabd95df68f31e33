//! Plans and splits.

use crate::case::{
    Case,
    Start::{Planned, Raw},
    edit, nothing, preprocessed,
};
use serde_json::json;
use std::fs;

const TRAIN: &str = "nnUNetv2_train 001 3d_fullres 0 --epochs 1 --iterations 1 --val-iterations 1 -device cpu";
const PLANS: &str = "nnUNetPlans.json";
const SPLITS: &str = "splits_final.json";

pub(crate) const CASES: &[Case] = &[
    Case { input: "No plans", from: Raw, breaks: nothing, line: TRAIN, code: 1 },
    Case {
        input: "No plans of that name",
        from: Planned,
        breaks: nothing,
        line: "nnUNetv2_train 001 3d_fullres 0 -p myPlans --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
    Case { input: "Plans that were cut off", from: Planned, breaks: |tree| crate::case::cut(&preprocessed(tree, PLANS), 50), line: TRAIN, code: 1 },
    Case {
        input: "A key of the plans with a wrong type",
        from: Planned,
        breaks: |tree| edit(&preprocessed(tree, PLANS), |plans| plans["configurations"]["3d_fullres"]["batch_size"] = json!("two")),
        line: TRAIN,
        code: 1,
    },
    Case {
        input: "A key of the plans that is missing",
        from: Planned,
        breaks: |tree| {
            edit(&preprocessed(tree, PLANS), |plans| drop(plans["configurations"]["3d_fullres"].as_object_mut().unwrap().remove("spacing")))
        },
        line: TRAIN,
        code: 1,
    },
    Case {
        input: "Plans of another dataset",
        from: Planned,
        breaks: |tree| edit(&preprocessed(tree, PLANS), |plans| plans["dataset_name"] = json!("Dataset002_Other")),
        line: "nnUNetv2_train 001 3d_fullres 0 --epochs 1 --iterations 1 --val-iterations 1 -device cpu | grep warning >&2",
        code: 0,
    },
    Case {
        input: "A configuration that does not exist",
        from: Planned,
        breaks: nothing,
        line: "nnUNetv2_train 001 3d_fulres 0 --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
    Case {
        input: "Configurations that inherit in a circle",
        from: Planned,
        breaks: |tree| {
            edit(&preprocessed(tree, PLANS), |plans| {
                plans["configurations"]["a"] = json!({"inherits_from": "b"});
                plans["configurations"]["b"] = json!({"inherits_from": "a"});
            });
        },
        line: "nnUNetv2_train 001 a 0 --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
    Case {
        input: "A patch that the strides do not divide",
        from: Planned,
        breaks: |tree| edit(&preprocessed(tree, PLANS), |plans| plans["configurations"]["3d_fullres"]["patch_size"] = json!([8, 9, 8])),
        line: TRAIN,
        code: 1,
    },
    Case {
        input: "A planner that does not exist",
        from: Planned,
        breaks: nothing,
        line: "nnUNetv2_plan_experiment -d 001 -pl nnUNetPlannerResEncXXL",
        code: 1,
    },
    Case { input: "No fingerprint", from: Raw, breaks: nothing, line: "nnUNetv2_plan_experiment -d 001", code: 1 },
    Case {
        input: "A preprocessor that does not exist",
        from: Planned,
        breaks: |tree| edit(&preprocessed(tree, PLANS), |plans| plans["configurations"]["3d_fullres"]["preprocessor_name"] = json!("MyPreprocessor")),
        line: "nnUNetv2_preprocess -d 001 -c 3d_fullres",
        code: 1,
    },
    Case {
        input: "Splits that are no JSON",
        from: Planned,
        breaks: |tree| fs::write(preprocessed(tree, SPLITS), "[{'train': []}]").unwrap(),
        line: TRAIN,
        code: 1,
    },
    Case {
        input: "Splits of a wrong form",
        from: Planned,
        breaks: |tree| fs::write(preprocessed(tree, SPLITS), r#"{"0": {"train": ["phantom_000"]}}"#).unwrap(),
        line: TRAIN,
        code: 1,
    },
    Case {
        input: "Splits that name a case with its channel",
        from: Planned,
        breaks: |tree| fs::write(preprocessed(tree, SPLITS), r#"[{"train": ["phantom_000_0000"], "val": ["phantom_001"]}]"#).unwrap(),
        line: TRAIN,
        code: 1,
    },
    Case {
        input: "A fold without training cases",
        from: Planned,
        breaks: |tree| fs::write(preprocessed(tree, SPLITS), r#"[{"train": [], "val": ["phantom_001"]}]"#).unwrap(),
        line: TRAIN,
        code: 1,
    },
];
