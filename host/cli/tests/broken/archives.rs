//! Models in zip files.

use crate::{
    Tree,
    case::{Case, Start::Raw, Start::Trained, cut},
};
use std::{fs, io::Write};
use zip::{ZipWriter, write::SimpleFileOptions};

const INSTALL: &str = "nnUNetv2_install_pretrained_model_from_zip model.zip";

/// `model.zip` with these members.
fn zip_of(tree: &Tree, members: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(fs::File::create(tree.path("model.zip")).unwrap());
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

pub(crate) const CASES: &[Case] = &[
    Case { input: "A path that leads out", from: Raw, breaks: |tree| zip_of(tree, &[("Dataset001_A/../../evil", b"x")]), line: INSTALL, code: 1 },
    Case { input: "A path from the root", from: Raw, breaks: |tree| zip_of(tree, &[("/tmp/evil", b"x")]), line: INSTALL, code: 1 },
    Case {
        input: "More than is allowed",
        from: Raw,
        breaks: |tree| zip_of(tree, &[("Dataset001_A/a__b__c/plans.json", &[b' '; 2_000_000])]),
        line: "nnUNetv2_install_pretrained_model_from_zip model.zip -max_size 0",
        code: 1,
    },
    Case { input: "No model", from: Raw, breaks: |tree| zip_of(tree, &[("Dataset001_A/readme.txt", b"x")]), line: INSTALL, code: 1 },
    Case { input: "A folder that is no dataset", from: Raw, breaks: |tree| zip_of(tree, &[("Task001_A/x", b"x")]), line: INSTALL, code: 1 },
    Case { input: "A file that is no zip", from: Raw, breaks: |tree| fs::write(tree.path("model.zip"), "text").unwrap(), line: INSTALL, code: 1 },
    Case {
        input: "A zip file that was cut off",
        from: Trained,
        breaks: |tree| {
            tree.typed("nnUNetv2_export_model_to_zip -d 001 -o model.zip -c 3d_fullres");
            fs::rename(tree.path("res"), tree.path("before")).unwrap();
            cut(&tree.path("model.zip"), 90);
        },
        line: INSTALL,
        code: 1,
    },
];
