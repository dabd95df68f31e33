//! `list-plugins` and `trust`.

use crate::User;
use std::fs;

#[test]
fn an_empty_folder_adds_nothing() {
    let user = User::new();
    fs::create_dir(user.path("empty")).unwrap();
    let without = user.host("list-plugins").succeeded().to_owned();
    assert_eq!(user.host("list-plugins -plugins-dir empty --plugins-dir empty").succeeded(), without);
    let mut lines = without.lines();
    let head: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["KIND", "NAME", "PLUGIN", "VERSION", "STATE", "SIGNED", "DESCRIPTION"]);
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.iter().all(|row| row[2] == "built-in" && row[4] == "built-in"), "{without}");
    assert!(rows.iter().any(|row| row[..2] == ["architecture", "PlainConvUNet"]), "{without}");
    assert!(rows.iter().any(|row| row[..2] == ["config", "nnUNetTrainer"]), "{without}");
}

#[test]
fn json_holds_the_same_rows() {
    let user = User::new();
    let json: serde_json::Value = serde_json::from_str(user.host("list-plugins --json").succeeded()).unwrap();
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len() + 1, user.host("list-plugins").succeeded().lines().count());
    assert!(rows.iter().all(|row| row["state"] == "built-in" && row["file"].is_null()));
}

#[test]
fn a_file_that_is_no_plugin_has_its_reason() {
    let user = User::new();
    fs::create_dir(user.path("mine")).unwrap();
    fs::write(user.path("mine/libodd.so"), "no library").unwrap();
    let list = user.host("list-plugins -plugins-dir mine").succeeded().to_owned();
    let row: Vec<&str> = list.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(row[..3], ["-", "libodd.so", "refused"], "{list}");
    assert!(row.len() > 3, "{list}");
    let text = user.host("trust mine/libodd.so").failed_with(1).to_owned();
    assert!(text.starts_with("error: plugin ~/mine/libodd.so was refused: it "), "{text}");
}

#[test]
fn a_folder_that_is_not_there() {
    let user = User::new();
    insta::assert_snapshot!(user.host("list-plugins --plugins-dir nowhere").failed_with(1));
}
