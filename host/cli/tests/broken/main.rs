//! Inputs that are broken: each ends with a message that says what is wrong and what to do, with its exit code, and leaves nothing half
//! written. `docs/errors.md` is what was said; INSTA_UPDATE=always writes it anew.
//!
//! One file a theme, each a table of cases.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod archives;
mod case;
mod command_line;
mod dataset_json;
mod images;
#[allow(dead_code)] // each target uses its part
#[path = "../guide/lab.rs"]
mod lab;
mod labels;
mod left_behind;
mod models;
mod page;
mod plans;
mod preprocessed;
mod system;
#[allow(dead_code)]
#[path = "../training/tree.rs"]
mod tree;

use case::Case;
use tree::Tree;

/// The themes in the order of the page.
const THEMES: [(&str, &[Case]); 9] = [
    ("The command line and the variables", command_line::CASES),
    ("Images", images::CASES),
    ("Labels", labels::CASES),
    ("dataset.json", dataset_json::CASES),
    ("Plans and splits", plans::CASES),
    ("Preprocessed data and training", preprocessed::CASES),
    ("Models and predictions", models::CASES),
    ("Models as zip files", archives::CASES),
    ("Disks and folders", system::CASES),
];
