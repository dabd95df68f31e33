//! The sections of the parity report over nnU-Net's reference numbers: every row within its tolerance, every file understood.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use engine::Device;
use pipeline::parity::{Options, Parity, Section, nearest, run};
use pipeline::progress::silent;
use registry::{Registry, SearchPath};
use std::path::{Path, PathBuf};

/// Walks `section` of `folder` without any plugin.
fn walk(folder: &Path, section: Section) -> Parity {
    standard::link();
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    let search = SearchPath::default();
    let registry =
        Registry::open(registry::Options { search, cache: place("cache"), lock: place("lock"), dev_plugins: false, trust: Default::default() })
            .unwrap();
    let data = std::env::var_os("NNUNET_TEST_DATA").map(PathBuf::from).into_iter().collect();
    let options = Options { sections: vec![section], data, registry: &registry, device: Device::cpu(), num_processes: 8 };
    run(folder, &options, &silent).unwrap()
}

/// Fails with the rows that fell short; `rows` is how many there are at least.
fn holds(section: Section, rows: usize) {
    let Some(folder) = std::env::var_os("NNUNET_REFERENCE") else { return eprintln!("skipped: NNUNET_REFERENCE is not set") };
    let found = walk(Path::new(&folder), section);
    let short: Vec<String> = found.fell_short().map(|row| format!("{row:?}")).collect();
    assert!(short.is_empty(), "{} of {} rows fell short:\n{}", short.len(), found.rows.len(), short.join("\n"));
    assert!(found.rows.len() >= rows, "{} rows, wanted {rows}", found.rows.len());
    found.not_compared.iter().for_each(|line| println!("not compared: {line}"));
    println!("{} rows, nearest to its tolerance: {:?}", found.rows.len(), nearest(&found.rows.iter().collect::<Vec<_>>()));
}

#[test]
fn planner() {
    holds(Section::Planner, 600);
}

#[test]
fn preproc() {
    holds(Section::Preproc, 500);
}

#[test]
fn network() {
    holds(Section::Network, 200);
}

#[test]
fn metrics() {
    holds(Section::Metrics, 400);
}

#[test]
#[ignore = "draws 1e8 voxels for each dataset"]
fn fingerprint_and_plans() {
    holds(Section::Fingerprint, 50);
    holds(Section::Plans, 300);
}

#[test]
#[ignore = "predicts some 90 cases with whole networks"]
fn training_and_predict() {
    holds(Section::Training, 50);
    holds(Section::Predict, 100);
}
