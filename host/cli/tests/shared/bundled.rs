//! The bundled plugins, built, in a folder of a test's own.

use std::{fs, path::Path, process::Command};

/// Makes `folder` with the plugins of these crates.
pub(crate) fn add(folder: &Path, crates: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(&root)
        .args(["build", "--release"])
        .args(crates.iter().flat_map(|name| ["-p", name]))
        .arg("--target-dir")
        .arg(root.join("target"));
    assert!(cargo.status().unwrap().success(), "the plugins do not build");
    fs::create_dir(folder).unwrap();
    for name in crates {
        let name = format!("{}{}{}", std::env::consts::DLL_PREFIX, name.replace('-', "_"), std::env::consts::DLL_SUFFIX);
        fs::copy(root.join("target/release").join(&name), folder.join(&name)).unwrap();
    }
}
