//! Images between this program and Python's libraries: `NNUNET_PYTHON` names a python that has SimpleITK, nibabel, tifffile,
//! pydicom, numpy and pillow.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside #[test] functions, too
mod common;

use common::{Npz, json, numbers};
use ndarray::{Array3, Array4, Ix4};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use volume::image::*;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/round_trips.py");

/// Runs the script; it prints the number of files that it made or compared.
fn python(python: &Path, command: &str, folder: &Path) -> usize {
    let output = Command::new(python).arg(SCRIPT).arg(command).arg(folder).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// What Python says that a file holds.
struct Made {
    voxels: Array4<f32>,
    geometry: Geometry,
    reader: Reader,
    exact: bool,
}

impl Made {
    fn of(entry: &Value, arrays: &mut Npz) -> Self {
        let voxels = arrays.get(entry["voxels"].as_str().unwrap()).into_dimensionality::<Ix4>().unwrap().mapv(|value| value as f32);
        let [a, b, c, d, e, f, g, h, i] = numbers(&entry["direction"]);
        let mut geometry = Geometry::of_spacing(numbers(&entry["spacing"]));
        geometry.origin = numbers(&entry["origin"]);
        geometry.direction = [[a, b, c], [d, e, f], [g, h, i]];
        let reader = entry["reader"].as_str().map_or(Reader::SimpleItk, |name| Reader::named(name).unwrap());
        Self { voxels, geometry, reader, exact: entry["exact"] == true }
    }

    /// What differs in `image`, if anything.
    fn compare(&self, file: &str, image: &Image) -> Option<String> {
        if image.data != self.voxels {
            return Some(format!("{file}: other voxels; the shape is {:?}, but Python has {:?}", image.data.shape(), self.voxels.shape()));
        }
        let numbers = |g: &Geometry| [&g.spacing[..], &g.origin, g.direction.as_flattened()].concat();
        // what a header holds as f32, or as vectors of spacing and direction in one
        let most = if self.exact { 0.0 } else { 2e-6 };
        let mut pairs = numbers(&image.geometry).into_iter().zip(numbers(&self.geometry));
        let is_far = |(found, wanted): (f64, f64)| (found - wanted).abs() > most * wanted.abs().max(1.0);
        pairs.any(is_far).then(|| format!("{file}: {:?}, but Python has {:?}", image.geometry, self.geometry))
    }
}

/// Writes what `image` holds in each format that can hold it, as an image and, where its values are labels, as a segmentation.
fn write_back(folder: &Path, index: usize, image: &Image, voxels: &Value) -> Vec<Value> {
    let (channels, depth, height, width) = image.data.dim();
    let is_label = |value: &f32| (0.0..=32767.0).contains(value) && value.fract() == 0.0;
    // labels below 255 where values are colours
    let labels = (channels == 1 && image.data.iter().all(is_label))
        .then(|| Array3::from_shape_fn((depth, height, width), |(z, y, x)| image.data[[0, z, y, x]] as i16));
    let axial = image.geometry.direction == Geometry::of_spacing([1.0; 3]).direction;
    let natural = image.geometry.flat && axial && image.geometry.spacing == Geometry::of_pixels([1.0, 1.0]).spacing && matches!(channels, 1 | 3 | 4);
    let is_byte = image.data.iter().all(|value| is_label(value) && *value <= 255.0);
    let endings: &[&str] = match (natural, is_byte) {
        (true, true) => &[".png", ".bmp"],
        (true, false) if image.data.iter().all(is_label) => &[".png"],
        (true, false) => &[],
        (false, _) if image.geometry.flat => &[".nii.gz", ".nrrd", ".mha"],
        _ => &[".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".gipl", ".tif"],
    };
    let mut written = Vec::new();
    let mut note = |file: String, labels: bool| {
        let g = &image.geometry;
        written.push(json!({"file": file, "voxels": voxels, "spacing": g.spacing, "origin": g.origin, "direction": g.direction.as_flattened(), "labels": labels}));
    };
    for ending in endings {
        if (*ending == ".gipl" && !axial) || (*ending == ".tif" && channels > 1) {
            continue;
        }
        let stem = format!("ours_{index}_{}", &ending[1..].replace('.', ""));
        let file = format!("{stem}_0000{ending}");
        write_image(folder.join(&file), &image.data, &image.geometry).unwrap();
        note(file, false);
        if let Some(labels) = &labels {
            let file = format!("{stem}_seg{ending}");
            write_segmentation(folder.join(&file), labels, &image.geometry).unwrap();
            note(file, true);
        }
    }
    written
}

#[test]
fn python_and_we_read_each_others_images() {
    let Some(interpreter) = std::env::var_os("NNUNET_PYTHON") else {
        return eprintln!("skipped: NNUNET_PYTHON is not set");
    };
    let interpreter = Path::new(&interpreter);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = python(interpreter, "make", folder);
    assert!(made > 300, "only {made} files were made");
    let mut arrays = Npz::open(&folder.join("voxels.npz"));
    let (mut ours, mut failures, mut compared) = (Vec::new(), Vec::new(), 0);
    for (index, entry) in json(&folder.join("made.json")).as_array().unwrap().iter().enumerate() {
        let (file, wanted) = (entry["file"].as_str().unwrap(), Made::of(entry, &mut arrays));
        compared += 1;
        let image = match wanted.reader.read_image(folder.join(file)) {
            Ok(image) => image,
            Err(error) => {
                failures.push(error.to_string());
                continue;
            }
        };
        failures.extend(wanted.compare(file, &image));
        if wanted.reader.reorients() {
            // turned back it is the file that was read
            let (original, written) = (read_image(folder.join(file)).unwrap(), folder.join(format!("back_{file}")));
            write_image(&written, &image.data, &image.geometry).unwrap();
            let back = read_image(&written).unwrap();
            assert_eq!(back.data, original.data, "{file}");
            assert!(back.geometry.differences(&original.geometry).is_empty(), "{file}: {:?}", back.geometry);
        } else {
            ours.extend(write_back(folder, index, &image, &entry["voxels"]));
        }
    }
    assert_eq!(compared, made);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    fs::write(folder.join("ours.json"), serde_json::to_vec(&ours).unwrap()).unwrap();
    let checked = python(interpreter, "check", folder);
    assert_eq!(checked, ours.len());
    eprintln!("{made} files of Python's libraries were read, and {checked} of ours by them");
}
