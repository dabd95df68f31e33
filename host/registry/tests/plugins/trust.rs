//! Who can write a file, and what becomes of a changed one.
#![cfg(unix)]

use crate::bench::{Bench, altered, chmod, reason};
use registry::{Options, Registry, RowState, SearchPath, trust};
use std::fs;

fn loads(bench: &Bench) -> registry::Result<()> {
    bench.open().loss("fx_focal").map(drop)
}

#[test]
fn what_others_can_write_is_refused_with_the_way_out() {
    let bench = Bench::with(&["fx-good"]);
    let (file, folder) = (bench.path("fx-good.so"), bench.path(""));
    for (path, mode, who) in [(&folder, 0o777, "everyone"), (&folder, 0o775, "its group"), (&file, 0o666, "everyone"), (&file, 0o664, "its group")] {
        chmod(path, mode);
        let reason = bench.refusal("fx-good.so");
        assert!(reason.contains(&format!("can be written by {who} (mode {mode:o}): `chmod go-w /")), "{reason}");
        assert!(loads(&bench).unwrap_err().to_string().contains("has one and was refused: it cannot be trusted"));
        assert!(trust(&file, &bench.options).is_err(), "trust does not help against a mode");
        chmod(path, 0o755);
    }
    loads(&bench).unwrap();
}

#[test]
fn a_link_is_judged_by_both_of_its_ends() {
    let (bench, elsewhere) = (Bench::with(&[]), Bench::with(&["fx-good"]));
    std::os::unix::fs::symlink(elsewhere.path("fx-good.so"), bench.path("link.so")).unwrap();
    loads(&bench).unwrap();
    chmod(&elsewhere.path(""), 0o777);
    assert!(loads(&bench).is_err());
    chmod(&elsewhere.path(""), 0o755);
    chmod(&bench.path(""), 0o777);
    assert!(loads(&bench).is_err());
}

#[test]
fn a_changed_file_waits_for_trust() {
    let mut bench = Bench::with(&["fx-good"]);
    bench.open().list();
    assert!(!bench.options.lock.exists(), "a list pins nothing");
    loads(&bench).unwrap();
    let pinned = fs::read_to_string(&bench.options.lock).unwrap();
    assert!(pinned.ends_with(&format!("  {}\n", bench.path("fx-good.so").display())), "{pinned}");

    let file = bench.add("fx-good.so", &altered("fx-good"));
    let reason = bench.refusal("fx-good.so");
    assert!(reason.starts_with("changed since its first use (sha256 ") && reason.contains("`host trust /"), "{reason}");
    assert!(loads(&bench).unwrap_err().to_string().contains("changed since its first use"));

    bench.options.dev_plugins = true;
    loads(&bench).unwrap();
    assert_eq!(fs::read_to_string(&bench.options.lock).unwrap(), pinned, "a developer's run pins nothing");
    bench.options.dev_plugins = false;
    assert!(loads(&bench).is_err());

    trust(&file, &bench.options).unwrap();
    loads(&bench).unwrap();
    assert_ne!(fs::read_to_string(&bench.options.lock).unwrap(), pinned);
}

#[test]
fn what_was_judged_is_what_is_loaded() {
    let bench = Bench::with(&["fx-good"]);
    let registry = bench.open();
    bench.add("fx-good.so", &altered("fx-good"));
    let e = registry.loss("fx_focal").unwrap_err().to_string();
    assert!(e.contains("changed while it was being used: start again"), "{e}");
    assert!(!bench.options.lock.exists());
    loads(&bench).unwrap();
}

#[test]
fn a_replaced_file_is_judged_again() {
    let bench = Bench::with(&[]);
    bench.add("a.so", b"text");
    assert_eq!(bench.refusal("a.so"), "is a text file, not a shared library");
    assert!(bench.options.cache.join("verdicts.json").exists());
    bench.add("a.so", &altered("fx-good"));
    loads(&bench).unwrap();
    fs::write(bench.options.cache.join("verdicts.json"), "{ broken").unwrap();
    loads(&bench).unwrap();
}

#[test]
fn beside_the_executable_only_plugins_count_and_nothing_is_pinned() {
    let bench = Bench::with(&["fx-good", "fx-ctor"]);
    bench.add("text.so", b"text");
    let options = Options { search: SearchPath::new(&[], None, Some(&bench.path("")), None), ..bench.options.clone() };
    let open = || Registry::open(options.clone()).unwrap();
    let rows = open().list();
    assert!(!rows.iter().any(|r| r.name == "text.so"));
    assert!(reason(&rows, &bench.path("fx-ctor.so")).starts_with("needs plugin ABI 2.0"));

    open().loss("fx_focal").unwrap();
    bench.add("fx-good.so", &altered("fx-good"));
    open().loss("fx_focal").unwrap();
    assert!(!options.lock.exists());

    chmod(&bench.path(""), 0o775); // as a build folder is under umask 002
    open().loss("fx_focal").unwrap();
    chmod(&bench.path(""), 0o777);
    assert!(open().list().iter().filter(|r| r.plugin == "org.example.fx_good").all(|r| r.state == RowState::Refused));
}
