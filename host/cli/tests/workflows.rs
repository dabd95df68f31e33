//! nnU-Net's workflows, the scripts in `workflows/`, on real images.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{path::Path, process::Command};

fn run(name: &str) {
    if std::env::var_os("NNUNET_TEST_DATA").is_none() {
        return eprintln!("skipped: NNUNET_TEST_DATA is not set");
    }
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows").join(name);
    let mut command = Command::new("bash");
    command.arg(&script).arg(dir.path().join("work")).env("HOST", env!("CARGO_BIN_EXE_host")).env("HOME", dir.path());
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {out}\n{err}");
}

#[test]
fn three_dimensions() {
    run("3d.sh");
}

#[test]
fn two_dimensions() {
    run("2d.sh");
}

#[test]
fn a_cascade() {
    run("cascade.sh");
}

#[test]
fn regions() {
    run("regions.sh");
}

#[test]
fn an_ignore_label() {
    run("ignore.sh");
}

#[test]
fn fine_tuning() {
    run("fine-tuning.sh");
}

#[test]
fn ensembling() {
    run("ensembling.sh");
}

#[test]
fn sharing() {
    run("sharing.sh");
}

#[test]
fn each_script_is_run_and_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows");
    let (own, list) = (include_str!("workflows.rs"), std::fs::read_to_string(folder.join("README.md")).unwrap());
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".sh") && name != "common.sh" {
            assert!(own.contains(&format!("run(\"{name}\")")) && list.contains(&format!("[{name}]({name})")), "{name}");
        }
    }
}
