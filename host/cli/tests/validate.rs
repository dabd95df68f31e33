//! The validator as a process, on a plugin without faults and on those of `tests/fixtures` that have one each.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

const FIXTURES: [&str; 6] = ["fx-badgrad", "fx-configs", "fx-good", "fx-leak", "fx-panic", "fx-segv"];

/// The built library of a fixture.
fn fixture(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let file = format!("{}{}{}", std::env::consts::DLL_PREFIX, name.replace('-', "_"), std::env::consts::DLL_SUFFIX);
    FOLDER.get_or_init(build).join(file)
}

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root.join("tests/fixtures")).args(["build", "--release", "--target-dir", "../../target/fixtures"]);
    assert!(cargo.args(FIXTURES.iter().flat_map(|f| ["-p", f])).status().unwrap().success(), "the fixtures do not build");
    root.join("target/fixtures/release")
}

fn host(arguments: &[&str], file: Option<&Path>) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
    command.env("XDG_CACHE_HOME", home.path().join("cache")).env("XDG_DATA_HOME", home.path().join("data")).env_remove("NNUNET_PLUGINS");
    command.arg("validate-plugin").args(file).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// The results of `--json` as (check, component, status, detail), and whether all passed.
fn results(name: &str, arguments: &[&str]) -> (Vec<[String; 4]>, bool) {
    let output = host(&[&["--json"], arguments].concat(), Some(&fixture(name)));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    let passed = report["passed"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!passed)), "{report}");
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let row = |r: &Value| [text(&r["check"]), text(&r["component"]), text(&r["status"]), text(&r["detail"])];
    (report["results"].as_array().unwrap().iter().map(row).collect(), passed)
}

/// Names of the checks that failed, with the detail of each.
fn failures(name: &str, arguments: &[&str]) -> Vec<(String, String)> {
    let rows = results(name, arguments).0;
    rows.into_iter().filter(|r| r[2] == "fail").map(|[check, _, _, detail]| (check, detail)).collect()
}

#[test]
fn a_plugin_without_faults_passes_everything() {
    let (rows, passed) = results("fx-good", &[]);
    assert!(passed, "{rows:?}");
    assert_eq!(rows.len(), 21);
    assert!(rows.iter().all(|r| r[2] == "pass"), "{rows:?}");
    let lines = host(&["--only", "scan", "--only", "metadata"], Some(&fixture("fx-good")));
    let text = String::from_utf8(lines.stdout).unwrap();
    let firsts: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().take(2).collect()).collect();
    assert_eq!(firsts, [["pass", "scan"], ["pass", "metadata"]], "{text}");
}

#[test]
fn a_panic_is_told_with_its_place() {
    let failed = failures("fx-panic", &["--only", "network-runs", "--only", "loss-finite"]);
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|(_, detail)| detail.contains("fx-panic") && detail.contains("src/lib.rs:")), "{failed:?}");
}

#[cfg(unix)]
#[test]
fn a_crash_is_told_with_its_signal() {
    let failed = failures("fx-segv", &["--only", "network-heads", "--only", "load"]);
    assert_eq!(failed.len(), 1);
    assert!(failed[0].0 == "network-heads" && failed[0].1.contains("signal 11 (SIGSEGV"), "{failed:?}");
}

#[test]
fn a_leak_is_found_and_nothing_else() {
    let failed = failures("fx-leak", &[]);
    assert_eq!(failed.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), ["network-leaks"], "{failed:?}");
}

#[test]
fn a_wrong_backward_is_found_in_network_and_loss() {
    for seed in ["1", "2"] {
        let failed = failures("fx-badgrad", &["--seed", seed, "--only", "network-gradient", "--only", "loss-gradient"]);
        assert_eq!(failed.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), ["network-gradient", "loss-gradient-3d", "loss-gradient-2d"]);
    }
}

#[test]
fn configs_are_asked_one_by_one() {
    let (rows, _) = results("fx-configs", &["--only", "config"]);
    let of = |name: &str| rows.iter().find(|r| r[1] == format!("config:{name}")).unwrap();
    assert_eq!((of("fx_child")[2].as_str(), of("fx_child")[3].as_str()), ("pass", "fx_child -> fx_parent"));
    for (name, why) in [("fx_orphan", "fx_nobody"), ("fx_ring_a", "circle"), ("fx_misspelt", "num_epoch")] {
        assert!(of(name)[2] == "fail" && of(name)[3].contains(why), "{:?}", of(name));
    }
}

#[test]
fn what_is_asked_can_be_chosen() {
    let (rows, _) = results("fx-good", &["--component", "loss:fx_focal", "--skip", "loss-gradient", "--skip", "scan"]);
    assert!(rows.iter().all(|r| r[1].is_empty() || r[1] == "loss:fx_focal"));
    assert!(rows.iter().all(|r| r[0] != "scan" && !r[0].starts_with("loss-gradient")) && rows.iter().any(|r| r[0] == "loss-finite"));
    let list = String::from_utf8(host(&["--list"], None).stdout).unwrap();
    assert!(list.lines().count() == 21 && list.contains("loss-prepare"), "{list}");
    for wrong in [["--only", "los"], ["--component", "loss:no_such"]] {
        let output = host(&wrong, Some(&fixture("fx-good")));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

#[test]
fn time_runs_out() {
    let failed = failures("fx-good", &["--only", "network-gradient", "--timeout", "0"]);
    assert!(failed.len() == 1 && failed[0].1.contains("more than 0 s"), "{failed:?}");
}

#[test]
fn a_file_that_is_no_plugin_is_refused_without_running_it() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(fixture("fx-good")).unwrap();
    for (name, bytes, why) in [("text.so", &b"I am a plugin.\n"[..], "is a text file"), ("cut.so", &whole[..whole.len() / 2], "damaged or truncated")]
    {
        let file = dir.path().join(name);
        fs::write(&file, bytes).unwrap();
        let output = host(&[], Some(&file));
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1));
        assert!(said.starts_with("FAIL  scan") && said.contains(why) && errors.contains(why), "{said}{errors}");
        assert!(said.lines().skip(1).all(|line| line.starts_with("skip")), "{said}");
    }
}
