//! Every crate in `examples/` stands alone: it is built outside the workspace, passes the validator, and is used in a training.

use crate::tree::Tree;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Two epochs of few iterations.
const SHORT: &str = "--epochs 2 --iterations 2 --val-iterations 1 --seed 1 -device cpu";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The library of an example. All share one build folder, so plugin-api is compiled once; the versions of the workspace are taken where no
/// lock file came with the example.
fn built(example: &Path) -> PathBuf {
    let target = root().join("target/examples");
    let lock = example.join("Cargo.lock");
    let own = lock.exists();
    if !own {
        fs::copy(root().join("Cargo.lock"), &lock).unwrap();
    }
    let run = |offline: &[&str]| -> Output {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(example).args(["test", "--release"]).args(offline).arg("--target-dir").arg(&target).output().unwrap()
    };
    let first = run(&["--offline"]);
    let last = if first.status.success() { first } else { run(&[]) };
    let build =
        |arguments: &[&str]| Command::new(env!("CARGO")).current_dir(example).args(arguments).arg("--target-dir").arg(&target).output().unwrap();
    let library = build(&["build", "--release", "--offline"]);
    if !own {
        fs::remove_file(&lock).unwrap();
    }
    for output in [last, library] {
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", example.display());
    }
    let name = example.file_name().unwrap().to_str().unwrap().replace('-', "_");
    target.join("release").join(format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

/// Names of the components of a kind that come from `plugin`.
fn names(tree: &Tree, plugin: &Path, kind: &str) -> Vec<String> {
    let plugin = plugin.canonicalize().unwrap();
    let output = tree.host("list-plugins --json --plugins-dir plugins").output().unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let theirs = rows.iter().filter(|r| r["kind"] == kind && r["file"].as_str().is_some_and(|file| Path::new(file) == plugin));
    theirs.map(|r| r["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_example_builds_alone_passes_every_check_and_trains() {
    let folder = root().join("examples");
    let mut examples: Vec<PathBuf> = fs::read_dir(&folder).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    examples.retain(|e| e.join("Cargo.toml").exists());
    examples.sort();
    assert!(!examples.is_empty(), "{} holds no crate", folder.display());
    let plain = Tree::phantom();
    plain.done("plan_and_preprocess -d 999 -c 3d_fullres");
    plain.add_small(Some([16, 16, 16]), &[4, 8, 8]);
    for example in &examples {
        let library = built(example);
        assert!(library.exists(), "{} is not called as its folder", library.display());
        fs::create_dir_all(plain.path("plugins")).unwrap();
        let plugin = plain.path("plugins").join(library.file_name().unwrap());
        fs::copy(&library, &plugin).unwrap();
        plain.done(&format!("validate-plugin plugins/{}", library.file_name().unwrap().display()));
        for config in names(&plain, &plugin, "config") {
            plain.done(&format!("train 999 small 0 -tr {config} --plugins-dir plugins {SHORT}"));
        }
        for planner in names(&plain, &plugin, "planner") {
            planned(&plain, &format!("-pl {planner}"), &format!("{planner}Plans"));
        }
        for name in names(&plain, &plugin, "preprocessor") {
            planned(&plain, &format!("-preprocessor_name {name} -overwrite_plans_name {name}Plans"), &format!("{name}Plans"));
        }
        fs::remove_file(&plugin).unwrap();
    }
}

/// A training on plans of their own.
fn planned(tree: &Tree, flags: &str, plans: &str) {
    tree.done(&format!("plan_and_preprocess -d 999 -c 3d_fullres {flags} --plugins-dir plugins"));
    tree.add_small_to(plans, Some([16, 16, 16]), &[4, 8]);
    tree.done(&format!("train 999 small 0 -p {plans} --plugins-dir plugins {SHORT}"));
}
