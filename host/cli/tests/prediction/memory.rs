//! Memory of a prediction with 118 outputs, measured as the resident set of a process.

use super::{command, model, peak};
use ndarray::Array4;
use pipeline::checkpoint::HostRecord;
use std::{fs, path::Path, process::Stdio};
use volume::image::{Geometry, read_segmentation, write_image};

const OUTPUTS: usize = 118;

/// Writes an image of waves at 0.75 mm, and its model: 118 outputs at 1.5 mm.
fn prepare(home: &Path, [depth, height, width]: [usize; 3], patch: usize) {
    model::write(&home.join("model"), patch, OUTPUTS, "nnUNetTrainer", HostRecord::default());
    fs::create_dir(home.join("images")).unwrap();
    let wave = |z: usize, y: usize, x: usize| 200.0 + 80.0 * ((z as f32 / 9.0).sin() + (y as f32 / 7.0).cos() * (x as f32 / 11.0).sin());
    let image = Array4::from_shape_fn((1, depth, height, width), |(_, z, y, x)| wave(z, y, x).round());
    write_image(home.join("images/waves_0000.nii"), &image, &Geometry::of_spacing([0.75; 3])).unwrap();
}

/// Peak of the resident set in bytes, and what was foretold for the prediction.
fn measure(home: &Path) -> (u64, u64) {
    let arguments = ["predict_from_modelfolder", "-m", "model", "-i", "images", "-o", "out", "-f", "0", "-device", "cpu", "--disable_tta"];
    let said = fs::File::create(home.join("said")).unwrap();
    let child = command(home, &arguments).env("nnUNet_verbose", "true").stdout(Stdio::null()).stderr(said).spawn().unwrap();
    let (status, peak) = peak::wait(child);
    let said = fs::read_to_string(home.join("said")).unwrap();
    assert!(status.success(), "{said}");
    let foretold = said.split("takes at most ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    (peak, foretold.unwrap_or_else(|| panic!("no bytes in {said}")))
}

#[test]
fn logits_of_the_image_are_never_all_there() {
    if !Path::new("/proc/self/status").exists() {
        return eprintln!("skipped: the system does not tell a process's memory");
    }
    let dir = tempfile::tempdir().unwrap();
    let shape = [720, 128, 128];
    prepare(dir.path(), shape, 48);
    let (peak, foretold) = measure(dir.path());
    let voxels = shape.iter().product::<usize>() as u64;
    let logits = 4 * OUTPUTS as u64 * voxels / 8;
    println!("{} MiB at the peak, {} MiB foretold, logits would be {} MiB", peak >> 20, foretold >> 20, logits >> 20);
    assert!(peak <= foretold, "{peak} bytes at the peak, {foretold} foretold");
    assert!(foretold <= 2 * peak, "{peak} bytes at the peak, {foretold} foretold");
    assert!(peak < logits, "{peak} bytes at the peak, {logits} of logits");
    let (labels, _) = read_segmentation(dir.path().join("out/waves.nii")).unwrap();
    assert_eq!(labels.shape(), shape);
    assert!(labels.iter().any(|&label| label != labels[[0, 0, 0]]), "one label alone shows nothing");
}

/// 512 x 512 x 900 voxels; minutes, and 8 GiB of memory.
#[test]
#[ignore = "minutes"]
fn a_whole_body_in_8_gib() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path(), [900, 512, 512], 128);
    let start = std::time::Instant::now();
    let (peak, foretold) = measure(dir.path());
    println!("{:.2} GiB at the peak, {:.2} GiB foretold, {:.0?}", peak as f64 / 2_f64.powi(30), foretold as f64 / 2_f64.powi(30), start.elapsed());
    assert!(peak <= 8 << 30, "{peak} bytes");
}
