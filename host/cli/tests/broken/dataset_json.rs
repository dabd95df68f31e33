//! `dataset.json`.

use crate::{
    Tree,
    case::{Case, Start::Raw, edit, raw},
};
use serde_json::{Value, json};
use std::fs;

const VERIFY: &str = "host verify -d 001";

fn change(tree: &Tree, key: &str, value: Value) {
    edit(&raw(tree, "dataset.json"), |about| about[key] = value);
}

pub(crate) const CASES: &[Case] = &[
    Case { input: "No dataset.json", from: Raw, breaks: |tree| fs::remove_file(raw(tree, "dataset.json")).unwrap(), line: VERIFY, code: 1 },
    Case {
        input: "A comma too few",
        from: Raw,
        breaks: |tree| {
            let text = fs::read_to_string(raw(tree, "dataset.json")).unwrap();
            fs::write(raw(tree, "dataset.json"), text.replacen(",\n", "\n", 1)).unwrap();
        },
        line: VERIFY,
        code: 1,
    },
    Case {
        input: "Keys of wrong types",
        from: Raw,
        breaks: |tree| {
            edit(&raw(tree, "dataset.json"), |about| {
                *about = json!({"channel_names": "MRI", "labels": ["background"], "numTraining": "five", "file_ending": 3});
            });
        },
        line: VERIFY,
        code: 1,
    },
    Case {
        input: "A list instead of an object",
        from: Raw,
        breaks: |tree| fs::write(raw(tree, "dataset.json"), "[]").unwrap(),
        line: VERIFY,
        code: 1,
    },
    Case { input: "A wrong numTraining", from: Raw, breaks: |tree| change(tree, "numTraining", json!(6)), line: VERIFY, code: 1 },
    Case {
        input: "Labels that are not consecutive",
        from: Raw,
        breaks: |tree| change(tree, "labels", json!({"background": 0, "organ": 1, "lesion": 4})),
        line: VERIFY,
        code: 1,
    },
    Case {
        input: "Labels without background",
        from: Raw,
        breaks: |tree| change(tree, "labels", json!({"organ": 1, "lesion": 2})),
        line: VERIFY,
        code: 1,
    },
    Case {
        input: "An ignore label that is not the highest",
        from: Raw,
        breaks: |tree| change(tree, "labels", json!({"background": 0, "ignore": 1, "lesion": 2})),
        line: VERIFY,
        code: 1,
    },
    Case {
        input: "Regions without their order",
        from: Raw,
        breaks: |tree| change(tree, "labels", json!({"background": 0, "whole": [1, 2], "lesion": 2})),
        line: VERIFY,
        code: 1,
    },
    Case { input: "An ending that is not known", from: Raw, breaks: |tree| change(tree, "file_ending", json!(".img")), line: VERIFY, code: 1 },
    Case {
        input: "A reader that does not exist",
        from: Raw,
        breaks: |tree| change(tree, "overwrite_image_reader_writer", json!("NibabelIOO")),
        line: VERIFY,
        code: 1,
    },
];
