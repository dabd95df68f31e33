//! `host parity` on a folder so small that its numbers can be checked by hand.

use crate::User;
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::{fs, path::Path};

/// A folder with two rules, cases of `compute_new_shape`, and a file that tells of the run.
fn folder(user: &User) -> std::path::PathBuf {
    let folder = user.path("numbers");
    let write = |name: &str, content: Value| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.to_string()).unwrap();
    };
    let rules = json!({
        "deep_supervision_weights": {"1": "assert", "3": [2.0 / 3.0, 1.0 / 3.0, 0.0]},
        "sliding_window_steps": [{"image": [110], "tile": [64], "step": 0.5, "steps": [[0, 23, 46]]}],
    });
    write("metrics/rules.json", rules);
    let shapes = json!([{"shape": [10, 20, 30], "old": [4.0, 1.0, 1.0], "new": [2.0, 1.0, 2.0], "new_shape": [20, 20, 15], "sepz": [true, 0]}]);
    write("preproc/resample/compute_new_shape.json", shapes);
    write("scan.json", json!({"anything": 1}));
    folder
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut content: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut content);
    fs::write(path, content.to_string()).unwrap();
}

#[test]
fn a_folder_of_our_own_numbers_passes() {
    let user = User::new();
    folder(&user);
    let done = user.host("parity numbers --out report -device cpu");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_snapshot!("parity_passes", done.out);
    let report: Value = serde_json::from_slice(&fs::read(user.path("report/parity.json")).unwrap()).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.len() >= 4);
    for row in rows {
        let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["what", "ours", "theirs", "difference", "tolerance", "verdict"], "{row}");
        assert_eq!(row["verdict"], "pass", "{row}");
    }
    assert_eq!((&report["compared"], &report["information"]), (&json!(2), &json!(1)));
    let csv = fs::read_to_string(user.path("report/parity.csv")).unwrap();
    assert_eq!(csv.lines().next(), Some("what,ours,theirs,difference,tolerance,verdict"));
    assert_eq!(csv.lines().count(), rows.len() + 1);
    let page = fs::read_to_string(user.path("report/parity.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("sliding_window_steps"));
}

#[test]
fn a_tampered_number_and_a_file_that_nobody_knows_fall_short() {
    let user = User::new();
    let folder = folder(&user);
    edit(&folder.join("metrics/rules.json"), |rules| rules["sliding_window_steps"][0]["steps"][0][1] = json!(24));
    fs::write(folder.join("metrics/odd.json"), "{}").unwrap();
    fs::write(folder.join("stray.txt"), "?").unwrap();
    let done = user.host("parity numbers --json report.json -device cpu");
    assert_eq!(done.code, Some(1), "{}", done.out);
    assert_snapshot!("parity_falls_short", done.out);
    assert!(done.err.ends_with("error: 3 of 6 comparisons with numbers fell short\n"), "{}", done.err);
    let report: Value = serde_json::from_slice(&fs::read(user.path("report.json")).unwrap()).unwrap();
    let short = |row: &&Value| row["verdict"] == "fail";
    let what: Vec<&str> = report["rows"].as_array().unwrap().iter().filter(short).map(|row| row["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["metrics/rules.json: sliding_window_steps, image [110], tile [64], step 0.5", "metrics/odd.json", "stray.txt"]);

    // a section by itself judges its own files alone
    let done = user.host("parity numbers --section preproc -device cpu");
    assert_eq!(done.code, Some(0), "{}\n{}", done.out, done.err);
    fs::write(folder.join("preproc/resample/compute_new_shape.json"), "[{").unwrap();
    let done = user.host("parity numbers --section preproc -device cpu");
    assert_eq!(done.code, Some(1));
    assert!(done.out.starts_with("FAIL  preproc/resample/compute_new_shape.json: "), "{}", done.out);
}

#[test]
fn images_that_are_not_there_are_told() {
    let user = User::new();
    let folder = folder(&user);
    fs::create_dir_all(folder.join("fingerprint")).unwrap();
    fs::write(folder.join("fingerprint/per_case_dataset004.json"), "{}").unwrap();
    let done = user.host("parity numbers --section fingerprint -device cpu");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("not compared: fingerprint/per_case_dataset004.json: the raw images of Dataset004 are not there"), "{}", done.out);
}

#[test]
fn a_folder_with_none_of_the_sections() {
    let user = User::new();
    fs::create_dir_all(user.path("empty")).unwrap();
    assert_snapshot!("parity_no_sections", user.host("parity empty -device cpu").failed_with(1));
    assert_snapshot!("parity_unknown_section", user.host("parity empty --section network metric -device cpu").failed_with(2));
    assert_snapshot!("parity_no_folder", user.host("parity nowhere -device cpu").failed_with(1));
}
