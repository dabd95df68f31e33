use super::*;
use crate::progress::{Progress, silent};
use std::path::PathBuf;

fn reference(name: &str) -> Option<PathBuf> {
    let found = std::env::var_os("NNUNET_REFERENCE").map(|folder| Path::new(&folder).join(name));
    if found.is_none() {
        eprintln!("skipped: NNUNET_REFERENCE is not set");
    }
    found
}

fn paths(raw: &Path, preprocessed: &Path) -> Paths {
    Paths::new(raw, preprocessed, preprocessed)
}

/// Two channels, anisotropic, zero borders, a case without foreground: the file to the byte.
#[test]
fn crafted_cases_to_the_byte() {
    let Some(raw) = reference("fingerprint") else { return };
    let dir = tempfile::tempdir().unwrap();
    run(&paths(&raw, dir.path()), "Dataset011_FPCraft", &Options::default(), &silent).unwrap();
    let folder = dir.path().join("Dataset011_FPCraft");
    let text = |path: &Path| fs::read_to_string(path.join(FILE)).unwrap();
    let (made, wanted) = (text(&folder), text(&raw.join("Dataset011_FPCraft")));
    let differing: Vec<_> = made.lines().zip(wanted.lines()).filter(|(a, b)| a != b).collect();
    assert!(made == wanted, "{differing:?}");
    assert!(!folder.join(PARTIAL).exists());
}

/// Killed after some cases, the next run goes on with the rest.
#[test]
fn an_interrupted_extraction_goes_on() {
    let Some(raw) = reference("fingerprint/Dataset011_FPCraft") else { return };
    let dir = tempfile::tempdir().unwrap();
    let whole = extract(&raw, dir.path(), 2, &silent).unwrap();
    let partial = dir.path().join(PARTIAL);
    fs::remove_file(partial.join("fp_2.npz")).unwrap();
    fs::write(partial.join("fp_3.npz"), "half a file").unwrap();
    let before = fs::metadata(partial.join("fp_0.npz")).unwrap().modified().unwrap();
    assert_eq!(extract(&raw, dir.path(), 2, &silent).unwrap(), whole);
    assert_eq!(fs::metadata(partial.join("fp_0.npz")).unwrap().modified().unwrap(), before);
}

/// Draws of single cases, and the statistics of all their foreground voxels.
#[test]
fn single_cases() {
    let Some(path) = reference("fingerprint/per_case_dataset004.json") else { return };
    let Some(data) = std::env::var_os("NNUNET_TEST_DATA") else { return eprintln!("skipped: NNUNET_TEST_DATA is not set") };
    let raw = Path::new(&data).join("Dataset004_Hippocampus");
    let dataset = DatasetJson::read(&raw).unwrap();
    let wanted: Map<String, Value> = json::read(&path).unwrap();
    assert!(!wanted.is_empty());
    let dir = tempfile::tempdir().unwrap();
    for case in training_cases(&raw, &dataset).unwrap() {
        let Some(wanted) = wanted.get(&case.name) else { continue };
        let samples = SAMPLES / 60;
        let mut record = Record::read_or_make(&dir.path().join(&case.name), &case, &dataset, samples).unwrap();
        assert_eq!(serde_json::json!(record.shape), wanted["shape_after_crop"]);
        assert_eq!(record.voxels as u64, wanted["n_fg"].as_u64().unwrap());
        let mut drawn = vec![0.0; samples];
        record.draw(0, &mut drawn).unwrap();
        let first: Vec<f64> = drawn[..16].iter().map(|&v| f64::from(v)).collect();
        assert_eq!(serde_json::json!(first), wanted["first16_samples"], "{}", case.name);
        let mean = drawn.iter().map(|&v| f64::from(v)).sum::<f64>() / drawn.len() as f64;
        let wanted_mean = wanted["samples_mean_f64"].as_f64().unwrap();
        assert!((mean - wanted_mean).abs() < 1e-9 * wanted_mean.abs(), "{mean} {wanted_mean}");
    }
}

/// All of nnU-Net's own fingerprints of real data, to the byte.
#[test]
fn real_datasets_to_the_byte() {
    let (Some(plans), Some(data)) = (reference("plans"), std::env::var_os("NNUNET_TEST_DATA")) else { return };
    for name in ["Dataset004_Hippocampus", "Dataset005_HippoRegions", "Dataset006_HippoIgnore"] {
        let dir = tempfile::tempdir().unwrap();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let report = |progress: Progress<'_>| {
            count.fetch_max(progress.done, std::sync::atomic::Ordering::Relaxed);
        };
        let options = Options { verify_dataset_integrity: true, ..Options::default() };
        let (fingerprint, _) = run(&paths(Path::new(&data), dir.path()), name, &options, &report).unwrap();
        assert_eq!(count.into_inner(), fingerprint.spacings.len());
        let text = |folder: &Path| fs::read_to_string(folder.join(name).join(FILE)).unwrap();
        assert_eq!(text(dir.path()), text(&plans), "{name}");
    }
}
