//! `list-plugins` on a folder with everything that people put there.

use crate::User;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The built libraries of a workspace's members.
pub(crate) fn build(workspace: &str, target: &str, members: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root.join(workspace)).args(["build", "--release", "--target-dir"]).arg(root.join(target));
    assert!(cargo.args(members.iter().flat_map(|m| ["-p", m])).status().unwrap().success(), "{members:?} do not build");
    root.join(target).join("release")
}

pub(crate) fn library(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn each_file_has_its_line_and_nothing_of_the_refused_ones_runs() {
    let (own, fixtures) = (build(".", "target", &["kiunet", "blob-dice"]), build("tests/fixtures", "target/fixtures", &["fx-ctor", "fx-good"]));
    let (kiunet, blob_dice, good) = (library(&own, "kiunet"), library(&own, "blob_dice"), library(&fixtures, "fx_good"));
    let user = User::new();
    let folder = user.path("mine");
    fs::create_dir(&folder).unwrap();
    let add = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    add("kiunet.so", &kiunet);
    add("blob_dice.so", &blob_dice);
    add("text.so", b"I am a plugin, honestly.\n");
    add("truncated.so", &kiunet[..kiunet.len() / 2]);
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.lines().filter_map(|l| l.split_whitespace().nth(5)).find(|p| p.contains("/libc.")).unwrap();
    add("unrelated.so", &fs::read(libc).unwrap());
    let mut other = good.clone();
    let arm_or_x86 = if cfg!(target_arch = "x86_64") { 183u16 } else { 62 };
    other[18..20].copy_from_slice(&arm_or_x86.to_le_bytes());
    add("other_cpu.so", &other);
    // its constructor leaves a file where the variable says
    add("api_2.so", &library(&fixtures, "fx_ctor"));
    add("twin_a.so", &good);
    add("twin_b.so", &[&good[..], &[0]].concat());

    let proof = user.path("proof");
    let done = user.run(&user.path("host"), "list-plugins --plugins-dir mine", &[("FX_CTOR_PROOF", proof.clone())]);
    let list: Vec<&str> = done.succeeded().lines().filter(|line| !line.contains(" built-in ")).map(str::trim_end).collect();
    insta::assert_snapshot!(list.join("\n"));
    assert!(!proof.exists(), "a refused file was executed");
}
