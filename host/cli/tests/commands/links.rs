//! `link`, and what is done under nnU-Net's names.
#![cfg(unix)]

use crate::User;
use std::{fs, os::unix::fs::symlink};

#[test]
fn links_answer_as_their_command() {
    let user = User::new();
    assert_eq!(user.host("link bin").succeeded(), "21 links in bin\n");
    assert_eq!(user.host("link bin").succeeded(), "21 links in bin\n");
    assert_eq!(fs::read_dir(user.path("bin")).unwrap().count(), 21);
    let train = user.path("bin/nnUNetv2_train");
    let help = user.run(&train, "-h", &[]).succeeded().to_owned();
    assert!(help.contains("Usage: nnUNetv2_train [OPTIONS] <DATASET> <CONFIG> <FOLD>"), "{help}");
    insta::assert_snapshot!(user.run(&train, "1 2d zero", &[]).failed_with(2));
    assert_eq!(user.run(&train, "1 2d 0 -device mps", &[]).err, user.host("train 1 2d 0 -device mps").err);
}

#[test]
fn only_links_are_replaced() {
    let user = User::new();
    fs::create_dir(user.path("bin")).unwrap();
    symlink("/nowhere/host", user.path("bin/nnUNetv2_train")).unwrap();
    user.host("link bin").succeeded();
    assert_eq!(fs::read_link(user.path("bin/nnUNetv2_train")).unwrap(), user.path("host").canonicalize().unwrap());
    fs::create_dir(user.path("other")).unwrap();
    fs::write(user.path("other/nnUNetv2_predict"), "python").unwrap();
    insta::assert_snapshot!(user.host("link other").failed_with(1));
    assert_eq!(fs::read_dir(user.path("other")).unwrap().count(), 1);
}

#[test]
fn a_name_that_is_no_command() {
    let user = User::new();
    for name in ["nnUNetv2_trust", "nnUNetv2_ensembel"] {
        symlink(user.path("host"), user.path(name)).unwrap();
        let text = user.run(&user.path(name), "", &[]).failed_with(2).to_owned();
        assert!(text.starts_with(&format!("error: there is no {name} here; there are nnUNetv2_extract_fingerprint, ")), "{text}");
    }
}
