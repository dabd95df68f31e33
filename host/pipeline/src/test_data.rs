//! What tests of several rooms need.

use std::path::{Path, PathBuf};

use ndarray::Array3;
use serde_json::{Value, json};
use volume::image::{Geometry, write_segmentation};

use crate::dataset::DatasetJson;

/// `name` below the folder that a variable names; without it the test says that it is skipped.
pub(crate) fn folder(variable: &str, name: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(|folder| Path::new(&folder).join(name));
    if found.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    found
}

/// `name` among the reference numbers.
pub(crate) fn reference(name: &str) -> Option<PathBuf> {
    folder("NNUNET_REFERENCE", name)
}

/// A dataset of one channel with these labels; `order` is `regions_class_order`.
pub(crate) fn dataset(labels: Value, order: Value) -> DatasetJson {
    let file = json!({"channel_names": {"0": "MRI"}, "labels": labels, "regions_class_order": order, "numTraining": 3, "file_ending": ".nii.gz"});
    serde_json::from_value(file).unwrap()
}

/// Writes labels (z, y, x) of 1 mm.
pub(crate) fn write_labels(path: &Path, labels: &Array3<i16>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_segmentation(path, labels, &Geometry::of_spacing([1.0; 3])).unwrap();
}

/// One row of labels as an image of one slice.
pub(crate) fn row(labels: &[i16]) -> Array3<i16> {
    Array3::from_shape_vec((1, 1, labels.len()), labels.to_vec()).unwrap()
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A registry of what is linked into the tests, with no plugin files.
pub(crate) fn registry_of_tests() -> (tempfile::TempDir, registry::Registry) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = registry::Options::of_user(&[]).unwrap();
    (options.search, options.cache, options.lock) = (registry::SearchPath::default(), dir.path().join("cache"), dir.path().join("lock"));
    let registry = registry::Registry::open(options).unwrap();
    (dir, registry)
}
