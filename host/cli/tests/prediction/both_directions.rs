//! Files go both ways between this program and Python's nnU-Net.

use std::{path::Path, process::Command};

/// Runs `tests/python/both_directions.py`, which says what is shown.
#[test]
fn files_go_both_ways() {
    let Some(python) = std::env::var_os("NNUNET_PYTHON") else {
        return eprintln!("skipped: NNUNET_PYTHON names no Python with nnunetv2");
    };
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/both_directions.py");
    let output = Command::new(python).arg(script).arg(env!("CARGO_BIN_EXE_host")).arg(dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
