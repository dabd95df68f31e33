//! Checkpoints: round trips, hostile files, and those of the reference.

use std::path::PathBuf;

use half::{bf16, f16};

use super::*;
use crate::files::npz::read_npz;

fn example() -> Pth {
    let mut pth = Pth::default();
    let weight = pth.add(&[2, 3], &[0.0_f32, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
    let bias = pth.add(&[2], &[f16::from_f32(0.5), f16::from_f32(-2.0)]).unwrap();
    let scale = pth.add(&[], &[bf16::from_f32(3.0)]).unwrap();
    let steps = pth.add(&[3], &[1_i64, 2, 3]).unwrap();
    let mut transposed = weight.as_tensor().unwrap().clone();
    (transposed.shape, transposed.stride) = (vec![3, 2], vec![1, 3]);
    let weights = [
        ("encoder.weight", weight.clone()),
        ("encoder.bias", bias),
        ("decoder.encoder.weight", weight),
        ("transposed", Value::Tensor(Box::new(transposed))),
        ("scale", scale),
    ];
    pth.root = Value::dict([
        ("network_weights", Value::ordered_dict(weights)),
        ("optimizer_state", Value::dict([("steps", steps)])),
        ("current_epoch", Value::Int(3)),
        ("init_args", Value::dict([("device", Value::Device("cpu".into()))])),
        ("inference_allowed_mirroring_axes", Value::Tuple(vec![Value::Int(0), Value::Int(1)])),
    ]);
    pth
}

#[test]
fn what_is_written_reads_back_and_is_the_same_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint_best.pth");
    write_pth(&path, &example()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let pth = read_pth(&path).unwrap();
    assert_eq!(pth, example());
    write_pth(&path, &pth).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);

    let tensors = named_tensors(pth.root.get("network_weights").unwrap());
    let names: Vec<_> = tensors.iter().map(|t| (t.name, t.aliases.clone())).collect();
    let first = ("encoder.weight", vec!["decoder.encoder.weight"]);
    assert_eq!(names, [first, ("encoder.bias", vec![]), ("transposed", vec![]), ("scale", vec![])]);
    let values: Vec<_> = tensors.iter().map(|t| pth.tensor_f32(t.tensor).unwrap()).collect();
    assert_eq!(values[1], [0.5, -2.0]);
    assert_eq!(values[2], [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(values[3], [3.0]);
}

#[test]
fn storages_start_at_multiples_of_64_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.pth");
    write_pth(&path, &example()).unwrap();
    let mut archive = Archive::open(&path).unwrap();
    for index in 0..archive.len() {
        let member = archive.member(index).unwrap();
        assert_eq!(member.start % 64, 0, "{}", member.name);
    }
}

#[test]
fn broken_checkpoints_are_errors_that_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broken.pth");
    write_pth(&path, &example()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for cut in (0..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let error = read_pth(&path).unwrap_err().to_string();
        assert!(error.contains("broken.pth"), "{error}");
    }
    for (at, flip) in (0..whole.len()).zip([0x01, 0x80, 0xff].into_iter().cycle()) {
        let mut broken = whole.clone();
        broken[at] ^= flip;
        std::fs::write(&path, &broken).unwrap();
        let Ok(pth) = read_pth(&path) else { continue };
        let weights = pth.root.get("network_weights");
        for named in weights.map(named_tensors).unwrap_or_default() {
            let _ = pth.tensor_f32(named.tensor);
        }
    }
    std::fs::write(&path, b"\x80\x02\x8a\nl\xfc").unwrap();
    assert!(read_pth(&path).unwrap_err().to_string().contains("before 1.6"));
    let mut pth = example();
    pth.storages.remove("0");
    assert!(write_pth(&path, &pth).unwrap_err().to_string().contains("no storage 0"));
}

fn reference() -> Option<PathBuf> {
    let found = std::env::var_os("NNUNET_REFERENCE").map(PathBuf::from);
    if found.is_none() {
        eprintln!("skipped: NNUNET_REFERENCE is not set");
    }
    found
}

/// Compares the tensors of `state_dict` with the npz of canonical names, bit by bit.
fn assert_same(pth: &Pth, state_dict: &Value, npz: &Path) {
    let tensors = named_tensors(state_dict);
    let wanted = read_npz(npz).unwrap();
    assert_eq!(tensors.len(), wanted.len());
    for (name, array) in wanted {
        let found = tensors.iter().find(|t| t.name == name).unwrap_or_else(|| panic!("{name} is no first name"));
        assert_eq!(pth.array(found.tensor).unwrap(), array, "{name}");
    }
}

#[test]
fn the_checkpoint_of_the_reference() {
    let Some(reference) = reference() else { return };
    let fold = reference.join("training/small/fold_0");
    let pth = read_pth(&fold.join("checkpoint_final.pth")).unwrap();
    let weights = pth.root.get("network_weights").unwrap();
    assert_eq!((weights.entries().unwrap().len(), named_tensors(weights).len()), (188, 68));
    assert_same(&pth, weights, &fold.join("checkpoint_final_weights.npz"));

    // rewritten, it says the same
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint_final.pth");
    write_pth(&path, &pth).unwrap();
    assert_eq!(read_pth(&path).unwrap(), pth);
}

#[test]
fn the_state_dicts_of_the_reference() {
    let Some(reference) = reference() else { return };
    let mut compared = 0;
    for entry in std::fs::read_dir(reference.join("network")).unwrap() {
        let folder = entry.unwrap().path();
        let pth = folder.join("state_dict.pth");
        if pth.exists() {
            let pth = read_pth(&pth).unwrap();
            assert!(!named_tensors(&pth.root).is_empty());
            let npz = folder.join("weights.npz");
            if npz.exists() {
                assert_same(&pth, &pth.root, &npz);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 3);
}

/// A checkpoint that PyTorch wrote (`tests/reference/small_checkpoint.py`).
fn small_checkpoint() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/small_checkpoint.pth")
}

#[test]
fn a_small_checkpoint_of_pytorch() {
    let pth = read_pth(&small_checkpoint()).unwrap();
    let tensors = named_tensors(pth.root.get("network_weights").unwrap());
    let names: Vec<_> = tensors.iter().map(|t| (t.name, t.tensor.shape.clone(), t.aliases.clone())).collect();
    let first = ("encoder.weight", vec![2, 3, 4], vec!["decoder.encoder.weight"]);
    assert_eq!(names, [first, ("encoder.bias", vec![2], vec![]), ("scale", vec![], vec![])]);
    let wanted: Vec<f32> = (0..24).map(|i| i as f32 / 7.0).collect();
    assert_eq!(pth.tensor_f32(tensors[0].tensor).unwrap(), wanted);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    /// A damaged file is an error that names it, or the damage is where it changes nothing.
    #[test]
    fn a_damaged_checkpoint_never_reads_as_another(
        flips in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0_u8..8), 1..5),
        cut in proptest::option::weighted(0.3, proptest::prelude::any::<proptest::sample::Index>()),
    ) {
        let whole = std::fs::read(small_checkpoint()).unwrap();
        let mut broken = whole.clone();
        for (at, bit) in &flips {
            broken[at.index(whole.len())] ^= 1 << bit;
        }
        if let Some(cut) = cut {
            broken.truncate(cut.index(whole.len()));
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("damaged.pth");
        std::fs::write(&path, &broken).unwrap();
        match read_pth(&path) {
            Ok(pth) => proptest::prop_assert_eq!(pth, read_pth(&small_checkpoint()).unwrap()),
            Err(error) => proptest::prop_assert!(error.to_string().contains("damaged.pth"), "{}", error),
        }
    }
}
