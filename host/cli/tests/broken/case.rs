//! A broken input, and what becomes of a command that is given it.

use crate::{
    Tree,
    lab::{copy, small},
    left_behind,
};
use pipeline::json;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Of a longer line, such as one that lists all trainer configs, only the beginning is on the page.
const LONGEST: usize = 600;

/// Where a user stands before something breaks.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    /// A raw dataset 001.
    Raw,
    /// It was planned and preprocessed.
    Planned,
    /// All folds of `2d` and `3d_fullres` were trained.
    Trained,
}

pub(crate) struct Case {
    /// What is wrong, for the page.
    pub(crate) input: &'static str,
    pub(crate) from: Start,
    pub(crate) breaks: fn(&Tree),
    /// What is typed.
    pub(crate) line: &'static str,
    /// 0 where there are only warnings, 1 for a failure, 2 for a command line that makes no sense.
    pub(crate) code: i32,
}

impl Start {
    fn tree(self) -> Tree {
        let mut tree = match self {
            Start::Raw => return Tree::of_phantom(&small()),
            Start::Planned => Tree::planned(),
            Start::Trained => Tree::with_models(),
        };
        // what is broken is nobody else's
        copy(&tree.raw, &tree.path("raw"));
        tree.raw = tree.path("raw");
        tree
    }
}

impl Case {
    /// What the command said; why the case fails, where the exit code is another, something panicked or something was left half written.
    pub(crate) fn run(&self) -> Result<String, String> {
        let tree = self.from.tree();
        (self.breaks)(&tree);
        let before = left_behind::files(&tree.path(""));
        let output = tree.types(self.line);
        let said = plain(&tree, &String::from_utf8_lossy(&output.stderr));
        let wrong = |what: String| Err(format!("{}: {what}\n    {}\n{said}", self.input, self.line));
        if output.status.code() != Some(self.code) {
            return wrong(format!("exit code {:?}, wanted {}", output.status.code(), self.code));
        }
        if said.contains("panicked") || said.contains("RUST_BACKTRACE") || said.trim().is_empty() {
            return wrong("no message for a user".into());
        }
        let left = left_behind::half_written(&before, &tree.path(""));
        if left.is_empty() { Ok(said) } else { wrong(format!("left behind {left:?}")) }
    }
}

/// Without progress, and with the user's folders as `~`.
fn plain(tree: &Tree, said: &str) -> String {
    let is_progress = |line: &&str| {
        let at = line.split_once(": ").and_then(|(_, rest)| rest.split_once(' ')).and_then(|(at, _)| at.split_once('/'));
        at.is_some_and(|(done, total)| done.parse::<u32>().is_ok() && total.parse::<u32>().is_ok())
    };
    let given = tree.path("");
    let folders = [given.canonicalize().unwrap(), given];
    let at_home = folders.iter().fold(said.to_owned(), |said, folder| said.replace(folder.to_str().unwrap().trim_end_matches('/'), "~"));
    let lines = at_home.lines().filter(|line| !is_progress(line)).map(without_place).map(|line| match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Without the place in the source that a component's own error names: it moves with every edit.
fn without_place(line: &str) -> String {
    let place = line.split_once(" (at ").and_then(|(before, rest)| Some((before, rest.split_once(')')?)));
    match place {
        Some((before, (place, after))) if place.contains(".rs:") => format!("{before}{after}"),
        _ => line.to_owned(),
    }
}

/// Nothing is broken but the command.
pub(crate) fn nothing(_: &Tree) {}

/// A file of the raw dataset.
pub(crate) fn raw(tree: &Tree, name: &str) -> PathBuf {
    tree.raw.join(&tree.dataset).join(name)
}

/// A file of the preprocessed dataset.
pub(crate) fn preprocessed(tree: &Tree, name: &str) -> PathBuf {
    tree.path("pre").join(&tree.dataset).join(name)
}

/// A file of the model of 3d_fullres.
pub(crate) fn model(tree: &Tree, name: &str) -> PathBuf {
    tree.path("res").join(&tree.dataset).join("nnUNetTrainer__nnUNetPlans__3d_fullres").join(name)
}

/// Leaves the first part of a file, in hundredths.
pub(crate) fn cut(file: &Path, hundredths: usize) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() * hundredths / 100]).unwrap();
}

/// Changes a JSON file.
pub(crate) fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = json::read(file).unwrap();
    change(&mut value);
    json::write(file, &value).unwrap();
}
