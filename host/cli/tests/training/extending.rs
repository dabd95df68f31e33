//! The guide's "Extending nnU-Net" with planners and preprocessors: a test named after each row of features.md.

use crate::tree::Tree;
use pipeline::{json, plan::Plans};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};
use volume::files::npz::read_npz_array;

const LIBRARIES: [(&str, &str); 3] = [
    ("examples/isotropic-planner", "isotropic_planner"),
    ("examples/standardize-preprocessor", "standardize_preprocessor"),
    ("tests/fixtures/fx-hooks", "fx_hooks"),
];

/// A folder with the example plugins and a fixture, built as their authors would.
fn plugins() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let folder = root.join("target/extending");
        fs::create_dir_all(&folder).unwrap();
        for (manifest, library) in LIBRARIES {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--release", "--manifest-path"]).arg(root.join(manifest).join("Cargo.toml"));
            assert!(cargo.arg("--target-dir").arg(root.join("target/fixtures")).status().unwrap().success(), "{manifest} does not build");
            let name = format!("{}{library}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
            fs::copy(root.join("target/fixtures/release").join(&name), folder.join(&name)).unwrap();
        }
        folder
    })
}

fn with_plugins(line: &str) -> String {
    format!("{line} --plugins-dir {}", plugins().display())
}

fn plans(tree: &Tree, name: &str) -> Plans {
    Plans::read(&tree.path("pre").join(&tree.dataset).join(format!("{name}.json"))).unwrap()
}

/// What is said of a run that must fail.
fn said(tree: &Tree, line: &str) -> String {
    let output = tree.host(line).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "host {line}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn row_65_a_planner_hook_changes_the_patch_size() {
    let tree = Tree::phantom();
    tree.done("extract_fingerprint -d 999");
    tree.done("plan_experiment -d 999");
    tree.done(&with_plugins("plan_experiment -d 999 -pl SmallPatchPlanner"));
    let [host, small] = ["nnUNetPlans", "SmallPatchPlannerPlans"].map(|name| plans(&tree, name).configuration("3d_fullres").unwrap());
    assert!(small.patch_size.iter().zip(&host.patch_size).all(|(small, host)| small < host), "{small:?} {host:?}");
    assert!(small.batch_size >= host.batch_size);
    // planners without a patch of their own take the host's; refused is what cannot be planned
    let error = said(&tree, &with_plugins("plan_experiment -d 999 -pl fx_faulty_planner"));
    assert!(error.contains("org.example.fx_hooks") && error.contains("in patch_size: answered the patch ") && error.contains("would do"), "{error}");
}

#[test]
fn row_66_plan_experiment_takes_a_planner_by_name() {
    let tree = Tree::phantom();
    tree.done("extract_fingerprint -d 999");
    tree.done(&with_plugins("plan_experiment -d 999 -pl IsotropicPlanner"));
    let plans = plans(&tree, "IsotropicPlannerPlans");
    assert_eq!(plans.experiment_planner_used, "IsotropicPlanner");
    let spacing = plans.configuration("3d_fullres").unwrap().spacing;
    assert!(spacing.windows(2).all(|pair| pair[0] == pair[1]), "{spacing:?}");
    let error = said(&tree, &with_plugins("plan_experiment -d 999 -pl IsotropicPlaner"));
    assert!(error.starts_with("error: no planner is called `IsotropicPlaner`; did you mean `IsotropicPlanner`?"), "{error}");
}

#[test]
fn row_63_and_64_a_preprocessor_of_the_plans_acts_in_preprocessing_training_and_prediction() {
    let tree = Tree::phantom();
    tree.done("plan_and_preprocess -d 999 -c 3d_fullres");
    tree.done(&with_plugins(
        "plan_and_preprocess -d 999 -c 3d_fullres -preprocessor_name StandardizePreprocessor -overwrite_plans_name standardPlans",
    ));
    let folder = |plans: &str| tree.path("pre").join(&tree.dataset).join(format!("{plans}_3d_fullres"));
    let case = fs::read_dir(folder("nnUNetPlans")).unwrap().flatten().map(|e| e.file_name()).find(|n| n.to_string_lossy().ends_with(".npz")).unwrap();
    let [own, standardized] = ["nnUNetPlans", "standardPlans"].map(|plans| read_npz_array(&folder(plans).join(&case), "data").unwrap());
    assert_eq!(own.shape(), standardized.shape());
    let differing = own.to_f32().iter().zip(standardized.to_f32()).filter(|(a, b)| (*a - b).abs() > 0.01).count();
    assert!(differing > own.to_f32().len() / 10, "row 63: only {differing} voxels differ");

    // the guide's way: the name is written into the plans, and cases of other plans are not trained on
    let path = tree.path("pre").join(&tree.dataset).join("nnUNetPlans.json");
    let mut edited: serde_json::Value = json::read(&path).unwrap();
    edited["configurations"]["3d_fullres"]["preprocessor_name"] = "StandardizePreprocessor".into();
    json::write(&path, &edited).unwrap();
    tree.add_small(Some([16, 16, 16]), &[4, 8]);
    let train = "train 999 small 0 -tr fx_hooks --iterations 2 --val-iterations 1 --seed 1 -device cpu";
    assert!(said(&tree, &with_plugins(train)).contains("run nnUNetv2_preprocess anew"));
    let unknown = said(&tree, "preprocess -d 999 -c small");
    assert!(unknown.contains("small asks for the preprocessor `StandardizePreprocessor`, which no plugin here has"), "{unknown}");
    tree.done(&with_plugins("preprocess -d 999 -c small"));
    tree.done(&with_plugins(train));
    let fold = tree.path("res").join(&tree.dataset).join("fx_hooks__nnUNetPlans__small/fold_0");
    let log = fs::read_dir(&fold).unwrap().flatten().map(|e| e.path()).find(|p| p.to_string_lossy().contains("training_log")).unwrap();
    let log = fs::read_to_string(log).unwrap();
    // the schedule of a plugin: a tenth after each epoch
    assert!(log.contains("Current learning rate: 0.01000") && log.contains("Current learning rate: 0.00100"), "{log}");

    let predict = format!("predict -i {} -o out -d 999 -tr fx_hooks -c small -f 0 -device cpu --disable_tta", tree.images().display());
    tree.done(&with_plugins(&predict));
    let error = said(&tree, &predict);
    assert!(error.contains("no preprocessor is called `StandardizePreprocessor`"), "{error}");
}

#[test]
fn row_67_the_example_plugins_build() {
    for (_, library) in LIBRARIES {
        assert!(plugins().join(format!("{}{library}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)).is_file());
    }
    let tree = Tree::phantom();
    let output = tree.host(&with_plugins("list-plugins")).output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    for (kind, name) in [("planner", "IsotropicPlanner"), ("planner", "ExperimentPlanner"), ("preprocessor", "StandardizePreprocessor")] {
        assert!(list.lines().any(|line| line.split_whitespace().take(2).eq([kind, name])), "{kind} {name}: {list}");
    }
}
