//! The C library beside the program: the same labels, errors as texts, and a header that is the library's.

use crate::{model, succeed};
use ndarray::{Array3, Array4};
use nnunet::{ArrayOptions, TrainedModel};
use pipeline::checkpoint::HostRecord;
use registry::{Options, Registry, SearchPath};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use volume::image::{Geometry, read_segmentation, write_image};

const SHAPE: [usize; 3] = [14, 22, 26];
const SPACING: [f64; 3] = [2.0, 1.5, 1.0];

fn nnunet_crate() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../nnunet").canonicalize().unwrap()
}

/// An image of blobs, written as raw numbers and as a file of imagesTs; its model beside it.
fn scene(home: &Path) -> Array4<f32> {
    model::write(&home.join("model"), 16, 3, "nnUNetTrainer", HostRecord::default());
    let wave = |(_, z, y, x): (usize, usize, usize, usize)| ((z * 3) as f32 * 0.21).sin() * 40.0 + ((y + 2 * x) as f32 * 0.3).cos() * 25.0 + 50.0;
    let image = Array4::from_shape_fn((1, SHAPE[0], SHAPE[1], SHAPE[2]), wave);
    fs::create_dir(home.join("images")).unwrap();
    write_image(home.join("images/case_0000.nii"), &image, &Geometry::of_spacing(SPACING)).unwrap();
    fs::write(home.join("image.raw"), image.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    image
}

#[test]
fn a_c_program_an_array_and_a_file_get_the_same_labels() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let image = scene(home);
    succeed(home, "predict_from_modelfolder -m model -i images -o out -f 0 -device cpu --disable_progress_bar");
    let (by_host, _) = read_segmentation(home.join("out/case.nii")).unwrap();
    assert!(by_host.iter().any(|&label| label != by_host[[0, 0, 0]]), "a prediction of one label shows nothing");

    let open =
        TrainedModel::open(&model::registry(home, &[]), &home.join("model"), &["0".parse().unwrap()], nnunet::CHECKPOINT, &engine::Device::cpu());
    let found = open.unwrap().predict(image, SPACING, &ArrayOptions { probabilities: true, ..ArrayOptions::default() }).unwrap();
    assert_eq!(found.labels, by_host);
    let probabilities = found.probabilities.unwrap();
    for sum in probabilities.sum_axis(ndarray::Axis(0)) {
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }

    // cargo puts the library of a dev-dependency beside the tests
    let libraries = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let program = home.join("program");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"]).arg(nnunet_crate().join("include"));
    cc.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/prediction/c_library.c")).arg("-o").arg(&program).arg("-L").arg(&libraries);
    let built = cc.arg("-lnnunet").arg(format!("-Wl,-rpath,{}", libraries.display())).output();
    let built = built.expect("there is no C compiler `cc`");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut run = Command::new(&program);
    run.current_dir(home).env("HOME", home).env_remove("NNUNET_PLUGINS").env_remove("XDG_DATA_HOME").env_remove("XDG_CACHE_HOME");
    let output = run.args(["model", "image.raw"]).args(SHAPE.map(|n| n.to_string())).args(["labels.raw", "probabilities.raw"]).output().unwrap();
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("version {}, 1 channels, 3 outputs\n", env!("CARGO_PKG_VERSION")));
    let bytes = fs::read(home.join("labels.raw")).unwrap();
    let labels: Vec<i16> = bytes.chunks_exact(2).map(|b| i16::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(Array3::from_shape_vec(SHAPE, labels).unwrap(), by_host);
    let bytes = fs::read(home.join("probabilities.raw")).unwrap();
    let by_c: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(by_c, probabilities.iter().copied().collect::<Vec<_>>());
}

/// It has the built-in components in it, and lies beside the program in a folder of builds; it is no plugin, so it is not listed as one.
#[test]
fn the_library_is_not_taken_for_a_plugin() {
    let dir = tempfile::tempdir().unwrap();
    let library = format!("{}nnunet{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let built = std::env::current_exe().unwrap().with_file_name(&library);
    std::os::unix::fs::symlink(&built, dir.path().join(&library)).unwrap();
    let open = |search: SearchPath| {
        let options =
            Options { search, cache: dir.path().join("cache"), lock: dir.path().join("lock"), dev_plugins: false, trust: Default::default() };
        Registry::open(options).unwrap().judgements().map(|judgement| format!("{:?}", judgement.state)).collect::<Vec<_>>()
    };
    assert!(open(SearchPath::new(&[], None, Some(dir.path()), None)).is_empty());
    // whoever names it is told why not
    let named = open(SearchPath::new(&[built], None, None, None));
    assert!(named.len() == 1 && named[0].starts_with("Refused("), "{named:?}");
}

/// Name and number of parameters of each function of a text of C or Rust.
fn functions(text: &str, before: &str) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = (text.match_indices(before))
        .filter_map(|(at, _)| {
            let rest = &text[at + before.len() - "nnunet_".len()..];
            let (name, rest) = rest.split_once('(')?;
            let inside = rest.split_once(')')?.0.trim().trim_end_matches(',');
            let none = inside.is_empty() || inside == "void";
            name.chars().all(|c| c.is_alphanumeric() || c == '_').then(|| (name.to_owned(), if none { 0 } else { inside.split(',').count() }))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn the_header_declares_what_the_library_has() {
    let header = fs::read_to_string(nnunet_crate().join("include/nnunet.h")).unwrap();
    let library = fs::read_to_string(nnunet_crate().join("src/ffi.rs")).unwrap();
    let code: String = header.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code)).collect();
    let (declared, defined) = (functions(&code, "nnunet_"), functions(&library, "extern \"C\" fn nnunet_"));
    assert_eq!(defined.len(), 7);
    assert_eq!(declared, defined);
}
