//! `--max-ram`: fewer cases at a time, or a refusal that names the case and the sizes.

use crate::{User, peak};
use insta::assert_snapshot;
use ndarray::{Array3, Array4};
use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};
use volume::image::{Geometry, write_image, write_segmentation};

/// Two cases that take some 140 MB each while they are preprocessed.
fn dataset(user: &User) {
    let raw = user.path("nnUNet_raw/Dataset001_A");
    for folder in ["imagesTr", "labelsTr", "../../nnUNet_preprocessed", "../../nnUNet_results"] {
        fs::create_dir_all(raw.join(folder)).unwrap();
    }
    let about = r#"{"channel_names": {"0": "MR"}, "labels": {"background": 0, "a": 1}, "numTraining": 2, "file_ending": ".nii"}"#;
    fs::write(raw.join("dataset.json"), about).unwrap();
    let shape = (160, 160, 160);
    let wave = |z: usize, y: usize, x: usize| 100.0 + 50.0 * ((z as f32 / 9.0).sin() + (y as f32 / 7.0).cos() * (x as f32 / 11.0).sin());
    let image = Array4::from_shape_fn((1, shape.0, shape.1, shape.2), |(_, z, y, x)| wave(z, y, x));
    let labels = Array3::from_shape_fn(shape, |(z, y, x)| i16::from(z / 20 == 4 && y / 20 == 4 && x / 20 == 4));
    for case in ["a", "b"] {
        write_image(raw.join(format!("imagesTr/{case}_0000.nii")), &image, &Geometry::of_spacing([1.0; 3])).unwrap();
        write_segmentation(raw.join(format!("labelsTr/{case}.nii")), &labels, &Geometry::of_spacing([1.0; 3])).unwrap();
    }
}

#[test]
fn a_budget_is_kept_or_refused() {
    if !Path::new("/proc/self/status").exists() {
        return eprintln!("skipped: the system does not tell a process's memory");
    }
    let user = User::new();
    dataset(&user);
    let fingerprint = "extract_fingerprint -d 1 -np 2 --root . --clean";
    assert_snapshot!("max_ram_refuses", user.host(&format!("{fingerprint} --max-ram 0.0625")).failed_with(1).replace(char::is_numeric, "0"));

    user.host(&format!("{fingerprint} --max-ram 4")).finished();
    user.host("plan_experiment -d 1 --root .").finished();
    let preprocess = |gib: &str| {
        let words = format!("preprocess -d 1 -c 3d_fullres -np 2 --root . --verbose --max-ram {gib}");
        let said = File::create(user.path("said")).unwrap();
        let mut command = Command::new(user.path("host"));
        command.args(words.split(' ')).env_clear().env("HOME", user.path(".")).current_dir(user.path("."));
        let (status, peak) = peak::wait(command.stdout(Stdio::null()).stderr(said).spawn().unwrap());
        assert!(status.success(), "{}", fs::read_to_string(user.path("said")).unwrap());
        fs::remove_dir_all(user.path("nnUNet_preprocessed/Dataset001_A/nnUNetPlans_3d_fullres")).unwrap();
        (peak, fs::read_to_string(user.path("said")).unwrap())
    };
    let (peak, said) = preprocess("0.1875");
    assert!(said.contains("1 cases at a time instead of 2: b may take 0."), "{said}");
    assert!(peak <= 192 << 20, "{peak} bytes at the peak");
    let (_, said) = preprocess("4");
    assert!(!said.contains("at a time instead of"), "{said}");

    // what is finished needs no memory
    user.host("preprocess -d 1 -c 3d_fullres --root .").finished();
    user.host("preprocess -d 1 -c 3d_fullres --root . --max-ram 0.0625").finished();
}
