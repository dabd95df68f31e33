//! The guide's dataset 001, planned and trained once for all tests, and a shell in which its lines are typed as they stand there.

use crate::Tree;
use pipeline::{
    checkpoint::{self, Checkpoint},
    json,
    phantom::PhantomSpec,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    sync::OnceLock,
};
use volume::files::npz::read_npz_array;

pub(crate) const DATASET: &str = "Dataset001_Name";
/// Where what is shared lies; each test target has its own.
const LAB: &str = concat!("lab_", env!("CARGO_CRATE_NAME"));
/// What makes a training short; nothing of the guide.
pub(crate) const SHORT: &str = "--epochs 1 --iterations 1 --val-iterations 1 --seed 1 -device cpu";
/// The rest of a prediction on the processor.
pub(crate) const CPU: &str = "-device cpu";

/// Five training and two test cases, so small that a step takes a moment.
pub(crate) fn small() -> PhantomSpec {
    PhantomSpec { dataset: DATASET.into(), cases: 5, test_cases: 2, shape: vec![12, 14, 13], ..PhantomSpec::default() }
}

impl Tree {
    /// Planned and preprocessed by the guide's commands, with small networks.
    pub(crate) fn planned() -> Self {
        static SHARED: OnceLock<PathBuf> = OnceLock::new();
        Tree::copied(SHARED.get_or_init(|| {
            let tree = Tree::of_phantom(&small());
            tree.typed("nnUNetv2_plan_and_preprocess -d 001 -c 2d 3d_fullres");
            tree.shrink();
            tree.typed("nnUNetv2_preprocess -d 001 -c 2d 3d_fullres");
            tree.kept("planned")
        }))
    }

    /// With all folds of both configurations trained, as the guide has it before an ensemble.
    pub(crate) fn with_models() -> Self {
        static SHARED: OnceLock<PathBuf> = OnceLock::new();
        Tree::copied(SHARED.get_or_init(|| {
            let tree = Tree::planned();
            tree.typed(&format!("nnUNetv2_train 001 2d all --npz {SHORT}\nnnUNetv2_train 001 3d_fullres all --npz {SHORT}"));
            tree.kept("trained")
        }))
    }

    fn copied(from: &Path) -> Self {
        let tree = Tree::of(&from.join("raw"), DATASET);
        ["pre", "res"].iter().for_each(|folder| copy(&from.join(folder), &tree.path(folder)));
        tree
    }

    /// Its folders in a place that outlives it.
    fn kept(&self, name: &str) -> PathBuf {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(LAB).join(name);
        if place.exists() {
            fs::remove_dir_all(&place).unwrap();
        }
        copy(&self.raw, &place.join("raw"));
        ["pre", "res"].iter().for_each(|folder| copy(&self.path(folder), &place.join(folder)));
        place
    }

    /// Makes the planned networks those of two stages of 2 and 4 features, on patches of 8 voxels.
    pub(crate) fn shrink(&self) {
        self.edit(|configurations| {
            for configuration in configurations.as_object_mut().unwrap().values_mut() {
                let dims = configuration["spacing"].as_array().unwrap().len();
                let (ones, twos, threes) = (vec![1; dims], vec![2; dims], vec![3; dims]);
                configuration["patch_size"] = json!(vec![8; dims]);
                configuration["batch_size"] = json!(2);
                let small = json!({
                    "n_stages": 2, "features_per_stage": [2, 4], "kernel_sizes": [threes, threes], "strides": [ones, twos],
                    "n_conv_per_stage": [1, 1], "n_conv_per_stage_decoder": [1],
                });
                configuration["architecture"]["arch_kwargs"].as_object_mut().unwrap().extend(small.as_object().unwrap().clone());
            }
        });
    }

    pub(crate) fn plans_file(&self) -> PathBuf {
        self.path("pre").join(&self.dataset).join("nnUNetPlans.json")
    }

    pub(crate) fn plans(&self) -> Value {
        json::read(&self.plans_file()).unwrap()
    }

    /// Edits the configurations of the plans, as a user with an editor.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut plans = self.plans();
        change(&mut plans["configurations"]);
        json::write(&self.plans_file(), &plans).unwrap();
    }

    /// Lines in a shell where nnU-Net's names, and `host`, are commands.
    pub(crate) fn types(&self, lines: &str) -> Output {
        static LINKS: OnceLock<PathBuf> = OnceLock::new();
        let links = LINKS.get_or_init(|| {
            let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(LAB).join("bin");
            fs::create_dir_all(&place).unwrap();
            self.done(&format!("link {}", place.display()));
            let host = place.join("host");
            let _ = fs::remove_file(&host);
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_host"), host).unwrap();
            place
        });
        let path = std::env::join_paths([links.clone()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap()))).unwrap();
        self.command("sh").args(["-e", "-c", lines]).env("PATH", path).output().unwrap()
    }

    /// What lines that must succeed said.
    pub(crate) fn typed(&self, lines: &str) -> String {
        let output = self.types(lines);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{lines}: {said}");
        said
    }

    /// What a line said on stderr, after it failed with this exit code.
    pub(crate) fn refused(&self, line: &str, code: i32) -> String {
        let output = self.types(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        said
    }

    /// The folder of a fold of the default trainer.
    pub(crate) fn default_fold(&self, configuration: &str, fold: usize) -> Fold {
        Fold(self.path("res").join(&self.dataset).join(format!("nnUNetTrainer__nnUNetPlans__{configuration}/fold_{fold}")))
    }

    /// The array `data` (C, z, y, x) of a preprocessed case's file: its shape.
    pub(crate) fn shape_of(&self, case: &str) -> Vec<usize> {
        let file = self.path("pre").join(&self.dataset).join(format!("nnUNetPlans_3d_fullres/{case}.npz"));
        read_npz_array(&file, "data").unwrap().shape().to_vec()
    }
}

/// Probabilities (K, z, y, x) in a file: the shape, and the values.
pub(crate) fn probabilities(file: &Path) -> (Vec<usize>, Vec<f32>) {
    let array = read_npz_array(file, "probabilities").unwrap();
    (array.shape().to_vec(), array.to_f32())
}

/// The files in a folder that end so, sorted.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else if kind.is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The folder of a trained fold.
pub(crate) struct Fold(pub(crate) PathBuf);

impl Fold {
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        checkpoint::read(&self.0.join("checkpoint_final.pth")).unwrap()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.0.join("training_log.txt")).unwrap()
    }

    pub(crate) fn debug(&self) -> Value {
        json::read(&self.0.join("debug.json")).unwrap()
    }
}
