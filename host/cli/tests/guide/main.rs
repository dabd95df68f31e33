//! What the guide (docs of nnU-Net's fork) promises, row by row of the list of features; each test is named after its row.
//!
//! One file a theme. Rows about a command run it as a process on a small phantom dataset.
#![allow(clippy::unwrap_used)]

mod config_files;
mod debugging;
mod editing_plans;
mod effects;
mod extending;
mod flags;
mod inference;
mod lab;
mod parallel;
mod performance;
mod scenarios;
mod trainer_configs;
mod training;
#[allow(dead_code)] // each target uses its part
#[path = "../training/tree.rs"]
mod tree;

use lab::{Fold, copy};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};
use tree::Tree;

/// One epoch of one iteration.
const SHORT: &str = "--epochs 1 --iterations 1 --val-iterations 1 --seed 1 -device cpu";

impl Tree {
    /// Planned and preprocessed, with the configuration `small` of two stages.
    fn preprocessed() -> Self {
        static SHARED: OnceLock<(PathBuf, String)> = OnceLock::new();
        let (shared, dataset) = SHARED.get_or_init(|| {
            let tree = Tree::phantom();
            tree.done("plan_and_preprocess -d 999 -c 3d_fullres");
            tree.add_small(Some([16, 16, 16]), &[4, 8]);
            let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide");
            if place.exists() {
                fs::remove_dir_all(&place).unwrap();
            }
            ["raw", "pre"].iter().for_each(|folder| copy(&tree.path(folder), &place.join(folder)));
            (place, tree.dataset)
        });
        let tree = Tree::of(&shared.join("raw"), dataset);
        copy(&shared.join("pre"), &tree.path("pre"));
        tree
    }

    /// A file in its folder `plugins`.
    fn plugin(&self, name: &str, content: &[u8]) -> PathBuf {
        let folder = self.path("plugins");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), content).unwrap();
        folder.join(name)
    }

    /// The built library of a workspace's member in its folder `plugins`.
    fn library(&self, workspace: &str, target: &str, member: &str) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root.join(workspace)).args(["build", "--release", "-p", member, "--target-dir"]).arg(root.join(target));
        assert!(cargo.status().unwrap().success(), "{member} does not build");
        let name = format!("{}{}{}", std::env::consts::DLL_PREFIX, member.replace('-', "_"), std::env::consts::DLL_SUFFIX);
        self.plugin(&name, &fs::read(root.join(target).join("release").join(&name)).unwrap())
    }

    /// The fixture with the guide's own network, loss and configs.
    fn guide_plugin(&self) -> PathBuf {
        self.library("tests/fixtures", "target/fixtures", "fx-guide")
    }

    /// What it said on stdout.
    fn says(&self, line: &str) -> String {
        let output = self.host(line).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "host {line}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// What it said on stderr, after it failed with this exit code.
    fn fails(&self, line: &str, code: i32) -> String {
        let output = self.host(line).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "host {line}: {said}");
        said
    }

    /// Trains `small` with a config for one iteration; the folder of fold 0.
    fn trained(&self, config: &str) -> Fold {
        fs::create_dir_all(self.path("plugins")).unwrap();
        self.done(&format!("train 999 small 0 -tr {config} --plugins-dir plugins {SHORT}"));
        self.fold(config)
    }

    fn fold(&self, config: &str) -> Fold {
        Fold(self.path("res").join(&self.dataset).join(format!("{config}__nnUNetPlans__small/fold_0")))
    }
}
