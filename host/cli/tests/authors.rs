//! The road of a new author, as processes: `host new-plugin`, cargo, `host validate-plugin`, a training with the plugin.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// `host LINE` in a folder.
fn host(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
    for (variable, below) in [("XDG_CACHE_HOME", "cache"), ("XDG_DATA_HOME", "data")] {
        command.env(variable, folder.join(below));
    }
    command.env_remove("NNUNET_PLUGINS").args(line.split_whitespace()).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

fn done(folder: &Path, line: &str) -> String {
    let output = host(folder, line);
    assert!(output.status.success(), "host {line}: {}", text(&output));
    text(&output)
}

/// Cargo in the new crate, with the versions that the host itself was built with: no network where they are there already.
fn cargo(krate: &Path, target: &Path, arguments: &[&str]) {
    let run = |offline: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        // the vendored sources are all that the crate may know of this workspace
        cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").current_dir(krate).args(arguments).args(offline).arg("--target-dir").arg(target).output().unwrap()
    };
    let first = run(&["--offline"]);
    let last = if first.status.success() { first } else { run(&[]) };
    assert!(last.status.success(), "cargo {}: {}", arguments.join(" "), text(&last));
}

/// From nothing to a validated library, which lies in the folder that comes back. Each kind has a place of its own, so that what cargo built is
/// found again by the next run. With `vendored` the sources beside another new crate are taken, which are the same, so they are compiled once.
fn road(kind: &str, vendored: Option<&Path>) -> (PathBuf, PathBuf) {
    let home = root().join("target/authors").join(kind);
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(&home).unwrap();
    let said = done(&home, &format!("new-plugin my_{kind} --kind {kind} --author Somebody --license MIT"));
    assert!(said.contains("cargo build --release") && said.contains(&format!("my_{kind}")), "{said}");
    let krate = home.join(format!("my_{kind}"));
    fs::copy(root().join("Cargo.lock"), krate.join("Cargo.lock")).unwrap();
    if let Some(vendored) = vendored {
        let manifest = fs::read_to_string(krate.join("Cargo.toml")).unwrap();
        fs::write(krate.join("Cargo.toml"), manifest.replace("\"vendor/", &format!("\"{}/", vendored.display()))).unwrap();
    }
    let target = root().join("target/authors/built");
    cargo(&krate, &target, &["test", "--release"]);
    cargo(&krate, &target, &["build", "--release"]);
    let file = format!("{}my_{kind}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let built = home.join("built");
    fs::create_dir(&built).unwrap();
    fs::copy(target.join("release").join(&file), built.join(&file)).unwrap();
    let said = done(&home, &format!("validate-plugin built/{file}"));
    assert!(said.lines().all(|l| !l.starts_with("FAIL") && !l.starts_with("warn")), "{said}");
    (home, built)
}

/// Two epochs on a phantom, and what they leave.
fn trained(home: &Path, built: &Path, config: &str) {
    done(home, &format!("demo --quick --folder demo -tr {config} --plugins-dir {} -device cpu", built.display()));
    let fold = home.join("demo/results/Dataset999_Phantom").join(format!("{config}__nnUNetPlans__3d_demo/fold_0"));
    assert!(fold.join("checkpoint_final.pth").is_file() && fold.join("validation/summary.json").is_file());
    let log = fs::read_dir(&fold).unwrap().flatten().map(|e| e.path()).find(|p| p.to_string_lossy().contains("training_log")).unwrap();
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("Epoch 1"), "{log}");
}

#[test]
fn from_nothing_to_a_training_with_a_loss() {
    let (home, built) = road("loss", None);
    trained(&home, &built, "my_loss");
}

#[test]
fn from_nothing_to_a_training_with_an_architecture() {
    let (home, built) = road("architecture", None);
    trained(&home, &built, "my_architecture");
}

#[test]
fn from_nothing_to_the_other_kinds() {
    let (home, _) = road("config", None);
    for kind in ["planner", "preprocessor", "normalization", "augmentation", "lr_schedule"] {
        road(kind, Some(&home.join("my_config/vendor")));
    }
}

#[test]
fn what_is_there_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    fs::create_dir(here.join("my-loss")).unwrap();
    fs::write(here.join("my-loss/precious.txt"), "mine").unwrap();
    let refused = host(here, "new-plugin my-loss --kind loss");
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("my-loss: something of that name is there"), "{}", text(&refused));
    assert_eq!(fs::read_dir(here.join("my-loss")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(here).unwrap().flatten().filter(|e| e.file_name().to_string_lossy().contains(".new")).count(), 0);
    for wrong in ["new-plugin My-Loss --kind loss", "new-plugin dice --kind loss", "new-plugin x --kind losses", "new-plugin x --kind loss --id x"] {
        assert_eq!(host(here, wrong).status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn id_author_and_licence_are_the_authors() {
    let dir = tempfile::tempdir().unwrap();
    done(dir.path(), "new-plugin fast-unet --kind architecture --id edu.uni.fast_unet --author Ada --license MIT --folder .");
    let manifest = fs::read_to_string(dir.path().join("fast-unet/Cargo.toml")).unwrap();
    assert!(manifest.contains("authors = [\"Ada\"]") && manifest.contains("license = \"MIT\""), "{manifest}");
    let source = fs::read_to_string(dir.path().join("fast-unet/src/lib.rs")).unwrap();
    assert!(source.contains("plugin!(\"edu.uni.fast_unet\");") && source.contains("struct FastUnet"), "{source}");
}
