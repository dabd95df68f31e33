//! Files that are no plugins, or not for this host.

use crate::bench::{Bench, fixture, patched};
use registry::{Kind, RowState, State, judge};
use std::{fs, path::PathBuf, process::Command};

#[test]
fn a_whole_plugin_is_ready_and_says_what_it_is() {
    let judgement = judge(fixture("fx-good"));
    assert_eq!(judgement.state, State::Ready);
    let m = judgement.metadata.unwrap();
    assert_eq!((m.id.as_str(), m.name.as_str(), m.api.as_str()), ("org.example.fx_good", "fx-good", plugin_api::abi::ABI_VERSION));
    let offers: Vec<(&str, &str)> = m.components.iter().map(|c| (c.kind.as_str(), c.name.as_str())).collect();
    assert_eq!(offers, [("architecture", "fx_small_unet"), ("config", "fx_focal"), ("loss", "fx_focal")]);
}

#[test]
fn no_library_at_all() {
    let bench = Bench::with(&["fx-good"]);
    bench.add("text.so", b"I am a plugin, honestly.\n");
    bench.add("empty.so", b"");
    fs::create_dir(bench.path("folder.so")).unwrap();
    assert_eq!(bench.refusal("text.so"), "is a text file, not a shared library");
    assert_eq!(bench.refusal("empty.so"), "is empty");
    assert_eq!(bench.refusal("folder.so"), "is a folder, not a shared library");
    // bad neighbours do not hide a good plugin
    assert_eq!(bench.open().names(Kind::Loss).iter().filter(|n| *n == "fx_focal").count(), 1);
}

#[test]
fn a_truncated_plugin_is_refused_at_every_length() {
    let (bench, whole) = (Bench::with(&[]), fs::read(fixture("fx-ctor")).unwrap());
    for i in 1..40 {
        bench.add("cut.so", &whole[..whole.len() * i / 40]);
        let reason = bench.refusal("cut.so");
        assert!(reason.starts_with("is damaged or truncated"), "{i}/40: {reason}");
    }
}

#[test]
fn spoilt_headers_do_not_end_the_host() {
    let (bench, whole) = (Bench::with(&[]), fs::read(fixture("fx-good")).unwrap());
    let tables = [0, 0x20, 0x28, 0x40, 0x78, 0xb0, 0xe8];
    for place in tables.into_iter().chain((whole.len() - 1500..whole.len()).step_by(100)) {
        let mut bytes = whole.clone();
        bytes[place..place + 8].copy_from_slice(&[0xff; 8]);
        // ready or not, it must come back with a verdict
        let file = bench.add("spoilt.so", &bytes);
        assert!(judge(&file).sha256.is_some());
    }
}

#[test]
fn damaged_records_are_named() {
    let bench = Bench::with(&[]);
    bench.add("a.so", &patched("fx-good", b"id=org.example.fx_good\0", b"id=org.example.fx_\xff\xfe\xfdd\0"));
    bench.add("b.so", &patched("fx-good", b"nnu-plugin=1", b"nnu-plugin=7"));
    assert!(bench.refusal("a.so").contains("is not a line of text"));
    assert_eq!(bench.refusal("b.so"), "has plugin records of format 7, and this host reads format 1");
}

#[test]
fn another_abi_is_a_sentence() {
    let bench = Bench::with(&["fx-ctor"]);
    assert!(bench.refusal("fx-ctor.so").starts_with("needs plugin ABI 2.0, this host speaks 1.0"), "{}", bench.refusal("fx-ctor.so"));
    let e = bench.open().loss("fx_future").unwrap_err().to_string();
    assert!(e.contains("fx-ctor.so has one and was refused: it needs plugin ABI 2.0"), "{e}");
}

#[test]
fn without_the_root_symbol_it_is_no_plugin() {
    let bench = Bench::with(&[]);
    bench.add("rootless.so", &patched("fx-ctor", b"api=2.0.0", b"api=1.0.0"));
    assert!(bench.refusal("rootless.so").starts_with("does not export nnu_plugin_root_v1"));
}

#[cfg(target_os = "linux")]
mod on_linux {
    use super::*;

    #[test]
    fn another_cpu() {
        let mut bytes = fs::read(fixture("fx-good")).unwrap();
        let (other, name) = if cfg!(target_arch = "x86_64") { (183u16, "Aarch64") } else { (62, "X86_64") };
        bytes[18..20].copy_from_slice(&other.to_le_bytes());
        let bench = Bench::with(&[]);
        bench.add("other.so", &bytes);
        let reason = bench.refusal("other.so");
        assert!(reason.starts_with(&format!("is built for {name}, and this machine is")), "{reason}");
    }

    #[test]
    fn an_unrelated_library() {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let libc = maps.lines().filter_map(|l| l.split_whitespace().nth(5)).find(|p| p.contains("/libc.")).map(PathBuf::from).unwrap();
        let bench = Bench::with(&[]);
        bench.add("libother.so", &fs::read(libc).unwrap());
        assert_eq!(bench.refusal("libother.so"), "has no plugin records: an unrelated library, or `plugin!` is missing");
    }

    #[test]
    fn a_library_that_it_needs_is_missing() {
        let bench = Bench::with(&[]);
        bench.add("lonely.so", &patched("fx-good", b"\0libgcc_s.so.1\0", b"\0libnowhe.so.1\0"));
        let reason = bench.refusal("lonely.so");
        assert!(reason.starts_with("needs libnowhe.so.1, which this machine does not have"), "{reason}");
    }

    /// The fixture's constructor would leave a file behind. The test runs itself as a child, because the environment names it.
    #[test]
    fn nothing_of_a_refused_file_runs() {
        let me = "files::on_linux::nothing_of_a_refused_file_runs";
        let bench = Bench::with(&["fx-ctor"]);
        if std::env::var_os("FX_CTOR_PROOF").is_some() {
            let registry = bench.open();
            assert!(registry.list().iter().any(|r| r.plugin == "org.example.fx_ctor" && r.state == RowState::Refused));
            assert!(registry.loss("fx_future").is_err() && registry.config("fx_future").is_err());
            assert!(registry::trust(&bench.path("fx-ctor.so"), &bench.options).is_err());
            return;
        }
        let proof = bench.path("proof");
        let child = Command::new(std::env::current_exe().unwrap()).args(["--exact", me]).env("FX_CTOR_PROOF", &proof).output().unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
        assert!(!proof.exists());
        // and the constructor does run where the loader opens the file
        let opened = Command::new("true").env("LD_PRELOAD", fixture("fx-ctor")).env("FX_CTOR_PROOF", &proof).status().unwrap();
        assert!(opened.success() && proof.exists());
    }
}
