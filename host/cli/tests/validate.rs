//! The validator as a process, on a plugin without faults and on those of `tests/fixtures` that have one each.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

const FIXTURES: [&str; 9] = ["fx-badgrad", "fx-configs", "fx-faults", "fx-good", "fx-hollow", "fx-hooks", "fx-leak", "fx-panic", "fx-segv"];

/// Check, the fixture that fails it, the component, whether it is a failure or a warning, and what is said.
const FAULTS: &[[&str; 5]] = &[
    ["metadata", "fx-faults", "", "fail", "`license` of Cargo.toml is empty"],
    ["load", "fx-hollow", "", "fail", "was built with another abi_stable"],
    ["components", "fx-faults", "", "fail", "missing field `weight`"],
    ["network-builds-3d", "fx-faults", "architecture:fx_small", "fail", "this plan is too large (at "],
    ["network-builds-2d", "fx-faults", "architecture:fx_small", "fail", "this plan is too large (at "],
    ["network-builds-anisotropic", "fx-faults", "architecture:fx_small", "fail", "this plan is too large (at "],
    ["network-builds-odd-channels", "fx-faults", "architecture:fx_small", "fail", "this plan is too large (at "],
    ["network-no-read", "fx-faults", "architecture:fx_reads", "fail", "the planner cannot know its memory"],
    ["network-heads", "fx-faults", "architecture:fx_coarse", "fail", "head 0 is (2, 3, 31, 32, 32)"],
    ["network-runs", "fx-faults", "architecture:fx_infinite", "fail", "values that are not finite"],
    ["network-state-dict", "fx-faults", "architecture:fx_second_head", "fail", "`second.weight` depends on deep supervision"],
    ["network-parameters", "fx-faults", "architecture:fx_dead", "warn", "unused (3D)"],
    ["network-gradient", "fx-badgrad", "architecture:fx_badgrad", "fail", "by differences"],
    ["network-deterministic", "fx-faults", "architecture:fx_moody", "fail", "different logits"],
    ["network-leaks", "fx-leak", "architecture:fx_leak", "fail", "neither returned nor released"],
    ["network-threads", "fx-faults", "architecture:fx_spawns", "fail", "threads running"],
    ["network-memory", "fx-faults", "architecture:fx_hoards", "fail", "memory grows by"],
    ["loss-shapes", "fx-faults", "loss:fx_detached", "fail", "does not depend on the logits"],
    ["loss-shapes", "fx-faults", "loss:fx_reads", "warn", "stalls a GPU"],
    ["loss-gradient-3d", "fx-badgrad", "loss:fx_badgrad", "fail", "by differences"],
    ["loss-gradient-2d", "fx-badgrad", "loss:fx_badgrad", "fail", "by differences"],
    ["loss-gradient-regions", "fx-badgrad", "loss:fx_badgrad", "fail", "by differences"],
    ["loss-finite", "fx-faults", "loss:fx_empty", "fail", "a target that is Empty"],
    ["loss-regions", "fx-faults", "loss:fx_empty", "fail", "a target that is Empty"],
    ["loss-ignored", "fx-faults", "loss:fx_unmasked", "fail", "ignored voxels have a gradient"],
    ["loss-heads", "fx-faults", "loss:fx_first_head", "warn", "head 1, 2 has no gradient"],
    ["loss-prepare", "fx-faults", "loss:fx_large", "fail", "for 391 lesions"],
    ["loss-deterministic", "fx-faults", "loss:fx_moody", "fail", "the value"],
    ["loss-leaks", "fx-faults", "loss:fx_forgets", "fail", "neither returned nor released"],
    ["loss-threads", "fx-faults", "loss:fx_spawns", "fail", "threads running"],
    ["loss-memory", "fx-faults", "loss:fx_hoards", "fail", "memory grows by"],
    ["planner-plans", "fx-faults", "planner:fx_odd", "fail", "no plans for Dataset901_Cubes"],
    ["planner-plans", "fx-faults", "planner:fx_same", "warn", "the host's own"],
    ["planner-deterministic", "fx-faults", "planner:fx_moody", "fail", "answered differently"],
    ["preprocessor-runs", "fx-faults", "preprocessor:fx_logarithm", "fail", "a voxel of the image is -inf"],
    ["preprocessor-deterministic", "fx-faults", "preprocessor:fx_moody", "fail", "answered differently"],
    ["preprocessor-threads", "fx-faults", "preprocessor:fx_spawns", "fail", "threads running"],
    ["preprocessor-memory", "fx-faults", "preprocessor:fx_hoards", "fail", "memory grows by"],
    ["normalization-finite", "fx-faults", "normalization:fx_by_range", "fail", "of one value"],
    ["normalization-deterministic", "fx-faults", "normalization:fx_moody", "fail", "answered differently"],
    ["augmentation-runs", "fx-faults", "augmentation:fx_label", "fail", "the label 77 appears"],
    ["augmentation-deterministic", "fx-faults", "augmentation:fx_moody", "fail", "answered differently"],
    ["augmentation-memory", "fx-faults", "augmentation:fx_hoards", "fail", "memory grows by"],
    ["lr_schedule-rates", "fx-faults", "lr_schedule:fx_falling", "fail", "the learning rate of epoch 101"],
    ["config-resolves", "fx-configs", "config:fx_orphan", "fail", "fx_nobody"],
    ["config-resolves", "fx-configs", "config:fx_close", "warn", "no loss is called `dice_cee` here; did you mean `dice_ce`?"],
    ["config-settings", "fx-configs", "config:fx_no_epochs", "fail", "the number of epochs is 0; wanted at least 1"],
    ["config-settings", "fx-configs", "config:fx_no_rate", "fail", "initial_lr is 0; wanted a number above 0"],
    ["config-settings", "fx-configs", "config:fx_nan_rate", "fail", "`initial_lr` is null"],
    ["config-settings", "fx-configs", "config:fx_no_batch", "fail", "the batch size is 0; wanted at least 1"],
    ["config-settings", "fx-configs", "config:fx_percent", "fail", "oversample_foreground_percent is 33; wanted a share from 0 to 1"],
    ["config-settings", "fx-configs", "config:fx_decay", "fail", "weight_decay is -0.00003; wanted a number from 0 up"],
    ["config-settings", "fx-configs", "config:fx_optimizer", "fail", "optimizer adamx is unknown; there are sgd"],
    ["config-settings", "fx-configs", "config:fx_warmup", "fail", "lr_schedule poly has no setting `warmup`"],
    ["config-settings", "fx-configs", "config:fx_orphan", "skip", "does not resolve"],
];

/// The checks of `--list`.
fn checks() -> Vec<String> {
    let list: Value = serde_json::from_slice(&host(&["--list", "--json"], None).stdout).unwrap();
    list.as_array().unwrap().iter().map(|c| c["check"].as_str().unwrap().to_owned()).collect()
}

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
    // the focal loss is for labels alone, and says so
    let skipped: Vec<&str> = rows.iter().filter(|r| r[2] != "pass").map(|r| r[0].as_str()).collect();
    assert_eq!(skipped, ["loss-gradient-regions", "loss-regions"], "{rows:?}");
    assert!(rows.iter().filter(|r| r[2] == "skip").all(|r| r[3].contains("has no label map")), "{rows:?}");
    // none was left out
    let mut missing = checks();
    missing.retain(|c| has_fixture(c) && !rows.iter().any(|r| r[0] == *c));
    assert_eq!(missing, [""; 0]);
    let lines = host(&["--only", "scan", "--only", "metadata"], Some(&fixture("fx-good")));
    let text = String::from_utf8(lines.stdout).unwrap();
    let firsts: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().take(2).collect()).collect();
    assert_eq!(firsts, [["pass", "scan"], ["pass", "metadata"]], "{text}");
}

/// Whether `fx-good` has a component of the check's kind.
fn has_fixture(check: &str) -> bool {
    !["planner", "preprocessor", "normalization", "augmentation", "lr_schedule"].iter().any(|kind| check.starts_with(&format!("{kind}-")))
}

#[test]
fn each_check_has_a_plugin_that_fails_it() {
    for [check, name, component, status, said] in FAULTS {
        let mut arguments = vec!["--only", check];
        if !component.is_empty() {
            arguments.extend(["--component", component]);
        }
        let (rows, _) = results(name, &arguments);
        let row = rows.iter().find(|r| r[0] == *check).unwrap();
        assert!(row[2] == *status && row[3].contains(said), "{name} {component}: {row:?}");
    }
    let without: Vec<String> = checks().into_iter().filter(|c| c != "scan" && !FAULTS.iter().any(|f| f[0] == c)).collect();
    assert_eq!(without, [""; 0]);
}

#[test]
fn preprocessors_and_the_like_pass_what_is_asked_of_them() {
    // planners and normalizations are passed by the crates of `authors.rs`
    let good = ["preprocessor:fx_shifted", "augmentation:fx_offset", "lr_schedule:fx_stairs"];
    let arguments: Vec<&str> = good.iter().flat_map(|c| ["--component", c]).collect();
    let (rows, _) = results("fx-hooks", &arguments);
    let bad: Vec<_> = rows.iter().filter(|r| !r[1].is_empty() && r[2] != "pass").collect();
    assert!(bad.is_empty() && rows.len() == 12, "{bad:?} {rows:?}");
}

#[test]
fn regions_are_asked_of_a_loss_that_takes_them() {
    let (rows, _) = results("fx-faults", &["--component", "loss:fx_unmasked", "--only", "loss-regions", "--only", "loss-gradient-regions"]);
    assert!(rows.iter().all(|r| r[2] == "pass") && rows.len() == 2, "{rows:?}");
}

#[test]
fn memory_runs_out() {
    let (rows, passed) = results("fx-faults", &["--component", "loss:fx_large", "--only", "loss-prepare", "--memory", "0.5"]);
    assert!(!passed && rows[0][3].contains("0.50 are allowed"), "{rows:?}");
}

#[test]
fn only_what_failed_is_shown() {
    let (all, _) = results("fx-leak", &[]);
    let (rows, _) = results("fx-leak", &["--only-failed"]);
    assert!(rows.len() < all.len() && rows.iter().all(|r| r[2] == "fail" || r[2] == "warn"), "{rows:?}");
    let lines = String::from_utf8(host(&["--only-failed"], Some(&fixture("fx-leak"))).stdout).unwrap();
    assert!(lines.lines().all(|l| l.starts_with("FAIL") || l.starts_with("warn")) && lines.lines().count() == rows.len(), "{lines}");
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
    for seed in ["1", "2", "3", "4", "5", "6"] {
        let failed = failures("fx-badgrad", &["--seed", seed, "--only", "network-gradient", "--only", "loss-gradient"]);
        let checks: Vec<&str> = failed.iter().map(|f| f.0.as_str()).collect();
        assert_eq!(checks, ["network-gradient", "loss-gradient-3d", "loss-gradient-2d", "loss-gradient-regions"]);
    }
}

#[test]
fn configs_are_asked_one_by_one() {
    let (rows, _) = results("fx-configs", &["--only", "config"]);
    let asked = |check: &str, name: &str| rows.iter().find(|r| r[0] == check && r[1] == format!("config:{name}")).unwrap();
    let of = |name: &str| asked("config-resolves", name);
    assert_eq!((of("fx_child")[2].as_str(), of("fx_child")[3].as_str()), ("pass", "fx_child -> fx_parent"));
    assert_eq!((of("fx_others")[2].as_str(), of("fx_others")[3].as_str()), ("pass", "fx_others; needs the lr_schedule fx_waves of another plugin"));
    assert!(["fx_parent", "fx_child", "fx_others", "fx_close"].iter().all(|name| asked("config-settings", name)[2] == "pass"), "{rows:?}");
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
    assert!(list.lines().count() == checks().len() && list.contains("loss-prepare"), "{list}");
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
