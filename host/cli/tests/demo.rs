//! The demo as a process, small enough for a test: whether all of it runs and its files are there, not whether it learns.
#![allow(missing_docs, clippy::unwrap_used)]

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A copy of the executable in a folder of its own, so that no plugin lies beside it.
fn installed(folder: &Path) -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_host"));
    let host = folder.join(built.file_name().unwrap());
    fs::copy(built, &host).unwrap();
    host
}

/// Puts the plugin that the demo trains with beside the copy, as a release has it.
fn add_plugin(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let release: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    let status = Command::new(env!("CARGO")).current_dir(root).args(["build", "-p", "blob-dice"]).args(release).status().unwrap();
    assert!(status.success(), "blob-dice does not build");
    let name = format!("{}blob_dice{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    fs::copy(Path::new(env!("CARGO_BIN_EXE_host")).with_file_name(&name), folder.join(&name)).unwrap();
}

fn run(host: &Path, home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(host);
    command.current_dir(home).env("XDG_CACHE_HOME", home.join("cache")).env("XDG_DATA_HOME", home.join("data")).env_remove("NNUNET_PLUGINS");
    command.args(arguments).output().unwrap()
}

#[test]
fn all_of_it_runs_and_leaves_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let host = installed(dir.path());
    let without = run(&host, dir.path(), &["demo", "--quick", "-device", "cpu"]);
    assert_eq!(without.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&without.stderr).contains("`cargo build --release`"));
    assert!(!dir.path().join("nnunet_demo").exists());

    add_plugin(dir.path());
    let output = run(&host, dir.path(), &["demo", "--folder", "my demo", "--quick", "-device", "cpu"]);
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    for shown in ["export nnUNet_raw=", "$ host plan_and_preprocess -d 999", "$ host train 999 3d_demo 0", "$ host predict", "$ host evaluate_folder"]
    {
        assert!(said.contains(shown), "{shown} is not in {said}");
    }
    let folder = dir.path().join("my demo");
    let results = "results/Dataset999_Phantom/blob_dice_loss__nnUNetPlans__3d_demo/fold_0";
    for file in [
        "raw/Dataset999_Phantom/dataset.json",
        "raw/Dataset999_Phantom/imagesTr/phantom_005_0000.nii.gz",
        "preprocessed/Dataset999_Phantom/nnUNetPlans.json",
        &format!("{results}/checkpoint_final.pth"),
        &format!("{results}/validation/summary.json"),
        "predictions/phantom_007.nii.gz",
    ] {
        assert!(folder.join(file).is_file(), "{file} is missing");
    }
    let summary: Value = serde_json::from_slice(&fs::read(folder.join("predictions/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["metric_per_case"].as_array().unwrap().len(), 2);
    assert!(summary["mean"]["1"]["Dice"].is_f64(), "{summary}");
    assert_eq!(&fs::read(folder.join("demo.png")).unwrap()[..8], b"\x89PNG\r\n\x1a\n");
    let page = fs::read_to_string(folder.join("demo.html")).unwrap();
    assert!(page.contains("data:image/png;base64,iVBORw0KGgo") && page.contains("<td>lesion</td>") && page.ends_with("</html>\n"));
    // what is there is not overwritten
    let again = run(&host, dir.path(), &["demo", "--folder", "my demo", "--quick"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("my demo is not empty"));
}
