//! Each command, run as a process.
#![allow(clippy::unwrap_used)]

mod after_training;
mod budget;
mod cluster;
mod doctor;
mod errors;
mod generate_dataset_json;
mod help;
mod instances;
mod links;
mod manuals;
mod mutated;
mod parity;
#[path = "../shared/peak.rs"]
mod peak;
mod plans;
mod plugin_folder;
mod plugins;
mod publishing;
mod relabel;
mod report;
mod selftest;
mod split;
mod status;
mod verify;

use std::{
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A user with an empty home folder, and an executable with no plugins beside it.
struct User {
    dir: TempDir,
}

/// What a process left behind; paths of the user are written as `~`.
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl User {
    fn new() -> Self {
        let user = User { dir: tempfile::tempdir().unwrap() };
        let (built, own) = (env!("CARGO_BIN_EXE_host"), user.path("host"));
        std::fs::hard_link(built, &own).or_else(|_| std::fs::copy(built, &own).map(drop)).unwrap();
        user
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `host LINE`, the line split at spaces.
    fn host(&self, line: &str) -> Done {
        self.run(&self.path("host"), line, &[])
    }

    /// The same with the three folders of nnU-Net below the home folder, made if need be.
    fn host_with_folders(&self, line: &str) -> Done {
        let folders = ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"].map(|name| (name, self.path(name)));
        folders.iter().for_each(|(_, folder)| std::fs::create_dir_all(folder).unwrap());
        self.run(&self.path("host"), line, &folders)
    }

    fn run(&self, program: &Path, line: &str, variables: &[(&str, PathBuf)]) -> Done {
        let mut command = Command::new(program);
        command.args(line.split(' ').filter(|word| !word.is_empty())).env_clear().env("HOME", self.dir.path()).env("COLUMNS", "110");
        let output = command.envs(variables.iter().map(|(name, value)| (name, value))).current_dir(self.dir.path()).output().unwrap();
        let real = self.dir.path().canonicalize().unwrap();
        let text = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            text.replace(real.to_str().unwrap(), "~").replace(self.dir.path().to_str().unwrap(), "~")
        };
        Done { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Done {
    /// What it said on stdout, whatever progress it told on stderr.
    fn finished(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        &self.out
    }

    /// What it said on stderr, after nothing on stdout, with this exit code.
    fn failed_with(&self, code: i32) -> &str {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{}", self.err);
        &self.err
    }

    /// What it said on stdout, with nothing on stderr.
    fn succeeded(&self) -> &str {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        &self.out
    }
}
