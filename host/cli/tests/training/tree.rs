//! nnU-Net's three folders with a dataset in them.

use pipeline::{
    json,
    phantom::{self, PhantomSpec},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A user's folders: `raw`, `pre` (preprocessed), `res` (results) and `out` (predictions).
pub(crate) struct Tree {
    dir: TempDir,
    /// The folder of raw datasets.
    pub(crate) raw: PathBuf,
    /// The dataset's folder name.
    pub(crate) dataset: String,
}

impl Tree {
    /// Of a small phantom dataset.
    pub(crate) fn phantom() -> Self {
        Tree::of_phantom(&PhantomSpec { cases: 6, test_cases: 2, shape: vec![24, 28, 26], ..PhantomSpec::default() })
    }

    /// The same, preprocessed, with the configuration `small` of two stages and patches of 16 voxels.
    pub(crate) fn small() -> Self {
        let tree = Tree::phantom();
        tree.done("plan_and_preprocess -d 999 -c 3d_fullres");
        tree.add_small(Some([16, 16, 16]), &[4, 8]);
        tree
    }

    /// Of a phantom dataset as `spec` says.
    pub(crate) fn of_phantom(spec: &PhantomSpec) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let raw = dir.path().join("raw");
        phantom::write(&raw, spec).unwrap();
        Tree { dir, raw, dataset: spec.dataset.clone() }
    }

    /// Of a dataset in a folder of raw datasets.
    pub(crate) fn of(raw: &Path, dataset: &str) -> Self {
        Tree { dir: tempfile::tempdir().unwrap(), raw: raw.into(), dataset: dataset.into() }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Images to predict.
    pub(crate) fn images(&self) -> PathBuf {
        self.raw.join(&self.dataset).join("imagesTs")
    }

    /// Adds the configuration `small` to the plans: 3d_fullres in a network of few features.
    pub(crate) fn add_small(&self, patch: Option<[usize; 3]>, features: &[usize]) {
        self.add_small_to("nnUNetPlans", patch, features);
    }

    /// The same for plans of another name.
    pub(crate) fn add_small_to(&self, plans: &str, patch: Option<[usize; 3]>, features: &[usize]) {
        let path = self.path("pre").join(&self.dataset).join(format!("{plans}.json"));
        let mut plans: Value = json::read(&path).unwrap();
        let mut small = plans["configurations"]["3d_fullres"].clone();
        if let Some(patch) = patch {
            small["patch_size"] = json!(patch);
        }
        let arch = &mut small["architecture"]["arch_kwargs"];
        let n = features.len();
        arch["n_stages"] = json!(n);
        arch["features_per_stage"] = json!(features);
        for (key, length) in [("kernel_sizes", n), ("strides", n), ("n_conv_per_stage", n), ("n_conv_per_stage_decoder", n - 1)] {
            let short: Vec<Value> = arch[key].as_array().unwrap().iter().take(length).cloned().collect();
            arch[key] = short.into();
        }
        plans["configurations"]["small"] = small;
        json::write(&path, &plans).unwrap();
    }

    /// `host LINE`, as [`Tree::command`].
    pub(crate) fn host(&self, line: &str) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_host"));
        command.args(line.split_whitespace());
        command
    }

    /// A program with the folders' variables; it runs in the tree's own folder and says nothing on the terminal.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, folder) in [("nnUNet_raw", self.raw.clone()), ("nnUNet_preprocessed", self.path("pre")), ("nnUNet_results", self.path("res"))] {
            fs::create_dir_all(&folder).unwrap();
            command.env(name, folder);
        }
        command.env("XDG_CACHE_HOME", self.path("cache")).env("XDG_DATA_HOME", self.path("data")).env_remove("NNUNET_PLUGINS");
        command.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end, which must be a good one.
    pub(crate) fn done(&self, line: &str) {
        let output = self.host(line).output().unwrap();
        assert!(output.status.success(), "host {line}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
}
