//! Prediction as a process, with models that are made up or trained for a moment.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside #[test] functions, too

mod both_directions;
#[path = "../shared/bundled.rs"]
mod bundled;
mod c_library;
mod cascade;
mod memory;
mod missing_plugin;
mod model;
mod onnx;
#[path = "../shared/peak.rs"]
mod peak;
mod reference;

use std::{
    path::Path,
    process::{Command, Output},
};

/// `host` with these arguments, on the processor, with nothing of the user's.
fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
    command.args(arguments).current_dir(home).env("HOME", home).env_remove("NNUNET_PLUGINS").env_remove("XDG_DATA_HOME").env_remove("XDG_CACHE_HOME");
    for folder in ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"] {
        command.env(folder, home.join(folder));
    }
    command
}

fn run(home: &Path, line: &str) -> Output {
    command(home, &line.split_whitespace().collect::<Vec<_>>()).output().unwrap()
}

/// What a run that must succeed said.
fn succeed(home: &Path, line: &str) -> String {
    let output = run(home, line);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "host {line}: {said}");
    said
}
