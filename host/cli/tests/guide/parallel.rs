//! Several processes at once.

use crate::{SHORT, Tree};
use std::{collections::BTreeMap, fs, path::Path};

/// Every file of arrays, labels, plans and splits below a folder, by its name.
fn files(folder: &Path, root: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_dir() && !path.is_symlink() {
            files(&path, root, into);
        } else if !path.is_symlink() && !name.ends_with(".manifest.json") {
            into.insert(name, fs::read(&path).unwrap());
        }
    }
}

impl Tree {
    /// Runs the lines at once, each to its good end.
    fn at_once(&self, lines: &[String]) {
        let running: Vec<_> = lines.iter().map(|line| self.host(line).spawn().unwrap()).collect();
        for (running, line) in running.into_iter().zip(lines) {
            let output = running.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "host {line}: {said}");
        }
    }

    fn made(&self) -> BTreeMap<String, Vec<u8>> {
        let mut made = BTreeMap::new();
        files(&self.path("pre"), &self.path("pre"), &mut made);
        made
    }
}

#[test]
fn row_29_all_trains_five_folds() {
    let tree = Tree::preprocessed();
    tree.done(&format!("train 999 small all {SHORT}"));
    for n in 0..5 {
        let fold = tree.path("res").join(&tree.dataset).join(format!("nnUNetTrainer__nnUNetPlans__small/fold_{n}"));
        assert!(fold.join("checkpoint_final.pth").is_file() && fold.join("validation/summary.json").is_file(), "{n}");
    }
}

#[test]
fn row_72_parallel_folds_with_one_process_each() {
    // the same folder planned and preprocessed by two, from nothing
    let (tree, alone) = (Tree::phantom(), Tree::phantom());
    let line = "plan_and_preprocess -d 999 -c 3d_fullres 2d";
    alone.done(line);
    tree.at_once(&[line, line].map(str::to_owned));
    assert_eq!(tree.made().keys().collect::<Vec<_>>(), alone.made().keys().collect::<Vec<_>>());
    assert!(tree.made() == alone.made(), "two processes made other files than one");

    // and no splits yet when two folds begin
    tree.add_small(Some([16, 16, 16]), &[4, 8]);
    let splits = tree.path("pre").join(&tree.dataset).join("splits_final.json");
    assert!(!splits.exists());
    tree.at_once(&[0, 1, 2].map(|fold| format!("train 999 small {fold} {SHORT}")));
    let splits: Vec<serde_json::Value> = pipeline::json::read(&splits).unwrap();
    assert_eq!(splits.len(), 5);
}
