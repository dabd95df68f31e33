//! What several tests need: the reference numbers, and the arrays in them.
#![allow(dead_code)] // each test uses a part

use ndarray::ArrayD;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A path below the folder of reference numbers; `None`, with a note, where there is none.
pub(crate) fn reference(path: &str) -> Option<PathBuf> {
    below("NNUNET_REFERENCE", path)
}

/// A file of `tests/reference`, beside the script that made it.
pub(crate) fn own_reference(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(file)
}

/// A path below the folder of real images; `None`, with a note, where there is none.
pub(crate) fn data(path: &str) -> Option<PathBuf> {
    below("NNUNET_TEST_DATA", path)
}

fn below(variable: &str, path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable);
    if folder.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    folder.map(|folder| Path::new(&folder).join(path))
}

/// A JSON file.
pub(crate) fn json(path: &Path) -> serde_json::Value {
    serde_json::from_reader(File::open(path).unwrap()).unwrap()
}

/// A JSON array of numbers.
pub(crate) fn numbers<const N: usize>(value: &serde_json::Value) -> [f64; N] {
    let numbers: Vec<f64> = value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// A JSON array of lengths.
pub(crate) fn lengths(value: &serde_json::Value) -> [usize; 3] {
    numbers::<3>(value).map(|n| n as usize)
}

/// An npz file.
pub(crate) struct Npz(zip::ZipArchive<File>);

impl Npz {
    pub(crate) fn open(path: &Path) -> Self {
        Self(zip::ZipArchive::new(File::open(path).unwrap()).unwrap())
    }

    /// The array `name`, of whatever type, as `f64`.
    pub(crate) fn get(&mut self, name: &str) -> ArrayD<f64> {
        let mut bytes = Vec::new();
        self.0.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
        let length = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
        let (header, content) = bytes[10..].split_at(length);
        let header = std::str::from_utf8(header).unwrap();
        assert!(header.contains("'fortran_order': False"));
        let field = |key: &str, close: char| header.split(key).nth(1).unwrap().split(close).next().unwrap();
        let shape: Vec<usize> = field("'shape': (", ')').split(',').filter_map(|n| n.trim().parse().ok()).collect();
        let values = match field("'descr': '", '\'') {
            "<f8" => content.chunks(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            "<f4" => content.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect(),
            "<f2" => content.chunks(2).map(|b| half::f16::from_le_bytes(b.try_into().unwrap()).into()).collect(),
            "<i2" => content.chunks(2).map(|b| i16::from_le_bytes(b.try_into().unwrap()).into()).collect(),
            "|u1" => content.iter().map(|&b| b.into()).collect(),
            "|i1" => content.iter().map(|&b| (b as i8).into()).collect(),
            other => panic!("{name} has type {other}"),
        };
        ArrayD::from_shape_vec(shape, values).unwrap()
    }

    /// Whether there is an array `name`.
    pub(crate) fn has(&mut self, name: &str) -> bool {
        self.0.by_name(&format!("{name}.npy")).is_ok()
    }
}

/// A repeatable sequence of numbers in 0..1 (splitmix64).
pub(crate) fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
