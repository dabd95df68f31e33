//! Preprocessed cases, and what a training is started from.

use crate::{
    Tree,
    case::{
        Case,
        Start::{Planned, Trained},
        cut, edit, nothing, preprocessed,
    },
    lab::files,
};
use serde_json::json;
use std::fs;

const TRAIN: &str = "nnUNetv2_train 001 3d_fullres 0 --epochs 1 --iterations 1 --val-iterations 1 -device cpu";
const CASE: &str = "nnUNetPlans_3d_fullres/phantom_001";

fn case(tree: &Tree, ending: &str) -> std::path::PathBuf {
    preprocessed(tree, &format!("{CASE}.{ending}"))
}

/// Configurations of a cascade, whose cases are those of 3d_fullres.
fn add_cascade(tree: &Tree) {
    edit(&preprocessed(tree, "nnUNetPlans.json"), |plans| {
        plans["configurations"]["3d_lowres"] = json!({"inherits_from": "3d_fullres", "next_stage": "3d_cascade_fullres"});
        plans["configurations"]["3d_cascade_fullres"] = json!({"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"});
    });
}

pub(crate) const CASES: &[Case] = &[
    Case {
        input: "No preprocessed cases",
        from: Planned,
        breaks: |tree| {
            fs::remove_dir_all(preprocessed(tree, "nnUNetPlans_3d_fullres")).unwrap();
            fs::remove_file(preprocessed(tree, "nnUNetPlans_3d_fullres.manifest.json")).unwrap();
        },
        line: TRAIN,
        code: 1,
    },
    Case {
        input: "An empty folder of preprocessed cases",
        from: Planned,
        breaks: |tree| files(&preprocessed(tree, "nnUNetPlans_3d_fullres"), "").iter().for_each(|file| fs::remove_file(file).unwrap()),
        line: TRAIN,
        code: 1,
    },
    Case {
        input: "A case of the fold that is missing",
        from: Trained,
        breaks: |tree| ["npz", "pkl"].iter().for_each(|ending| fs::remove_file(case(tree, ending)).unwrap()),
        line: TRAIN,
        code: 1,
    },
    Case {
        input: "A case whose properties are missing",
        from: Planned,
        breaks: |tree| fs::remove_file(case(tree, "pkl")).unwrap(),
        line: TRAIN,
        code: 1,
    },
    Case { input: "A preprocessed case that was cut off", from: Planned, breaks: |tree| cut(&case(tree, "npz"), 70), line: TRAIN, code: 1 },
    Case { input: "Properties that were cut off", from: Planned, breaks: |tree| cut(&case(tree, "pkl"), 50), line: TRAIN, code: 1 },
    Case {
        input: "Cases that were made by another plan",
        from: Planned,
        breaks: |tree| edit(&preprocessed(tree, "nnUNetPlans.json"), |plans| plans["configurations"]["3d_fullres"]["spacing"] = json!([2, 2, 2])),
        line: TRAIN,
        code: 1,
    },
    Case {
        input: "A trainer config that does not exist",
        from: Planned,
        breaks: nothing,
        line: "nnUNetv2_train 001 3d_fullres 0 -tr 5epoch --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
    Case {
        input: "A cascade without its first stage",
        from: Planned,
        breaks: add_cascade,
        line: "nnUNetv2_train 001 3d_cascade_fullres 0 --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
    Case {
        input: "A fold beyond the splits",
        from: Planned,
        breaks: nothing,
        line: "nnUNetv2_train 001 3d_fullres 9 --epochs 1 --iterations 1 --val-iterations 1 -device cpu | grep warning >&2",
        code: 0,
    },
    Case {
        input: "Weights & Biases",
        from: Planned,
        breaks: nothing,
        line: "nnUNet_wandb_enabled=1 nnUNetv2_train 001 3d_fullres 0 --epochs 1 --iterations 1 --val-iterations 1 -device cpu | grep warning >&2",
        code: 0,
    },
    Case {
        input: "Trainers in Python",
        from: Planned,
        breaks: nothing,
        line: "nnUNet_extTrainer=trainers nnUNetv2_train 001 3d_fullres 0 --epochs 1 --iterations 1 --val-iterations 1 -device cpu | grep warning >&2",
        code: 0,
    },
    Case {
        input: "Validation of what was not trained",
        from: Planned,
        breaks: nothing,
        line: "nnUNetv2_train 001 3d_fullres 0 --val --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
    Case {
        input: "Pretrained weights that are not there",
        from: Planned,
        breaks: nothing,
        line: "nnUNetv2_train 001 3d_fullres 0 -pretrained_weights checkpoint.pth --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
    Case {
        input: "Pretrained weights of another network",
        from: Trained,
        breaks: nothing,
        line: "nnUNetv2_train 001 3d_fullres 0 -pretrained_weights $nnUNet_results/Dataset001_Name/nnUNetTrainer__nnUNetPlans__2d/fold_0/checkpoint_final.pth --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
];
