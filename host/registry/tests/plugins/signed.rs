//! Signatures and trust levels.
#![cfg(unix)]

use crate::bench::{Bench, altered};
use registry::{Level, Registry, Result, SecretKey, Signed, State, judge, trust};
use std::fs;

/// A folder with a signed fx-good.so.
fn signed() -> (Bench, SecretKey) {
    let (bench, key) = (Bench::with(&["fx-good"]), SecretKey::make().unwrap());
    key.sign_beside(&bench.path("fx-good.so")).unwrap();
    (bench, key)
}

fn loads(bench: &Bench) -> Result<()> {
    bench.open().loss("fx_focal").map(drop)
}

fn signer(bench: &Bench) -> Signed {
    bench.open().list().into_iter().find_map(|row| row.signed.filter(|_| row.name == "fx_focal")).unwrap()
}

#[test]
fn the_list_says_who_signed() {
    let (mut bench, key) = signed();
    let id = key.public().id().to_string();
    assert_eq!(signer(&bench), Signed::Unknown { key: id.clone(), checked: true });
    bench.options.trust.add(key.public().clone(), "our lab").unwrap();
    assert_eq!(signer(&bench), Signed::Trusted { key: id, name: "our lab".into() });
    fs::remove_file(bench.path("fx-good.so.minisig")).unwrap();
    assert_eq!(signer(&bench), Signed::No);
}

#[test]
fn what_changed_after_signing_is_refused_at_every_level() {
    for trusted in [false, true] {
        for (level, dev) in [(Level::FirstUse, false), (Level::FirstUse, true), (Level::Pinned, false), (Level::Signed, false)] {
            let (mut bench, key) = signed();
            if trusted {
                bench.options.trust.add(key.public().clone(), "lab").unwrap();
            }
            trust(&bench.path("fx-good.so"), &bench.options).unwrap();
            bench.add("fx-good.so", &altered("fx-good"));
            (bench.options.trust.level, bench.options.dev_plugins) = (level, dev);
            for _remembered in 0..2 {
                assert!(bench.refusal("fx-good.so").starts_with("does not fit its signature (key "), "{level} {dev}");
            }
            assert!(loads(&bench).unwrap_err().to_string().contains("does not fit its signature"));
            let e = trust(&bench.path("fx-good.so"), &bench.options).unwrap_err().to_string();
            assert!(e.contains("does not fit its signature"), "{e}");
            assert!(matches!(judge(&bench.path("fx-good.so")).state, State::Refused(_)));
        }
    }
}

#[test]
fn a_signature_that_is_none_is_no_way_around() {
    let (bench, _) = signed();
    let beside = bench.path("fx-good.so.minisig");
    for odd in [&b""[..], b"untrusted comment: x\n", &[0xff; 100], &[b'a'; 10_000]] {
        fs::write(&beside, odd).unwrap();
        let reason = bench.refusal("fx-good.so");
        assert!(reason.starts_with("has a signature that cannot be used: "), "{reason}");
    }
    fs::remove_file(&beside).unwrap();
    fs::create_dir(&beside).unwrap();
    assert!(bench.refusal("fx-good.so").contains("is a folder"));
}

#[test]
fn levels_ask_for_more() {
    let (mut bench, key) = signed();
    let file = bench.path("fx-good.so");
    bench.options.trust.level = Level::Pinned;
    assert!(bench.refusal("fx-good.so").starts_with("is not pinned, which the trust level `pinned` asks for: `host trust /"));
    trust(&file, &bench.options).unwrap();
    loads(&bench).unwrap();

    bench.options.trust.level = Level::Signed;
    let wanted = format!("is signed by key {}, which is not trusted: `host trust --key PUBKEY` trusts it (trust level `signed`)", key.public().id());
    assert_eq!(bench.refusal("fx-good.so"), wanted);
    bench.options.trust.add(key.public().clone(), "lab").unwrap();
    loads(&bench).unwrap();
    fs::remove_file(bench.path("fx-good.so.minisig")).unwrap();
    assert_eq!(bench.refusal("fx-good.so"), "is not signed, and the trust level `signed` asks for a signature by a trusted key");
    assert!(trust(&file, &bench.options).is_err());
    // a signed file that changed is pinned anew by its user, as any other
    bench.add("fx-good.so", &altered("fx-good"));
    key.sign_beside(&file).unwrap();
    assert!(bench.refusal("fx-good.so").starts_with("changed since its first use"));
    trust(&file, &bench.options).unwrap();
    loads(&bench).unwrap();
}

#[test]
fn changed_files_and_a_stricter_level_exclude_each_other() {
    let (mut bench, _) = signed();
    (bench.options.trust.level, bench.options.dev_plugins) = (Level::Pinned, true);
    let e = Registry::open(bench.options.clone()).unwrap_err().to_string();
    assert_eq!(e, "--dev-plugins loads changed files, and the trust level `pinned` forbids it: leave one of the two");
}

#[test]
fn a_signature_that_comes_or_goes_meanwhile_is_noticed() {
    let (bench, _) = signed();
    let registry = bench.open();
    fs::remove_file(bench.path("fx-good.so.minisig")).unwrap();
    let e = registry.loss("fx_focal").unwrap_err().to_string();
    assert!(e.contains("has another signature than when it was found: start again"), "{e}");
    let registry = bench.open();
    SecretKey::make().unwrap().sign_beside(&bench.path("fx-good.so")).unwrap();
    assert!(registry.loss("fx_focal").is_err());
}
