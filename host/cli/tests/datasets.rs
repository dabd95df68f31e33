//! Datasets in other formats than NIfTI, from raw images to predictions, with the commands as processes.
#![allow(missing_docs, clippy::unwrap_used)]

use ndarray::Array4;
use pipeline::{
    dataset::images_in,
    phantom::{self, PhantomSpec},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use volume::image::{Geometry, Image, read_header, read_image, read_segmentation, write_image, write_segmentation};

struct Lab {
    dir: TempDir,
    ending: &'static str,
    spec: PhantomSpec,
}

impl Lab {
    /// A phantom dataset whose files end in `ending`.
    fn new(spec: PhantomSpec, ending: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let spec = PhantomSpec { dataset: "Dataset001_Format".into(), cases: 5, test_cases: 1, lesions: 2..=3, ..spec };
        let lab = Self { dir, ending, spec };
        phantom::write(&lab.at("nnUNet_raw"), &lab.spec).unwrap();
        for folder in ["imagesTr", "imagesTs"] {
            for (_, files) in images_in(&lab.raw(folder), ".nii.gz").unwrap() {
                lab.convert(&files[0], |path| {
                    let Image { data, geometry } = read_image(path).unwrap();
                    (data.mapv(|value| value.round().clamp(0.0, 255.0)), geometry)
                });
            }
        }
        for folder in ["labelsTr", "labelsTs"] {
            for entry in fs::read_dir(lab.raw(folder)).unwrap() {
                let path = entry.unwrap().path();
                let (labels, geometry) = read_segmentation(&path).unwrap();
                fs::remove_file(&path).unwrap();
                write_segmentation(lab.renamed(&path), &labels, &geometry).unwrap();
            }
        }
        let about = lab.raw("dataset.json");
        let mut json: Value = serde_json::from_slice(&fs::read(&about).unwrap()).unwrap();
        json["file_ending"] = ending.into();
        fs::write(about, json.to_string()).unwrap();
        lab
    }

    fn convert(&self, path: &Path, read: impl Fn(&Path) -> (Array4<f32>, Geometry)) {
        let (data, geometry) = read(path);
        fs::remove_file(path).unwrap();
        write_image(self.renamed(path), &data, &geometry).unwrap();
    }

    fn renamed(&self, path: &Path) -> PathBuf {
        PathBuf::from(path.to_str().unwrap().replace(".nii.gz", self.ending))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn raw(&self, name: &str) -> PathBuf {
        self.at("nnUNet_raw/Dataset001_Format").join(name)
    }

    fn preprocessed(&self, name: &str) -> PathBuf {
        self.at("nnUNet_preprocessed/Dataset001_Format").join(name)
    }

    fn host(&self, line: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
        command.args(line.split(' ')).current_dir(self.dir.path()).env("HOME", self.dir.path());
        for name in ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"] {
            command.env(name, self.at(name));
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// All the way with a tiny network of `configuration`; the reader is what the plans name.
    fn goes_all_the_way(&self, configuration: &str, reader: &str) {
        assert_eq!(self.host("verify -d 1"), "Dataset001_Format: 5 cases, no problem\n");
        self.host(&format!("plan_and_preprocess -d 1 -c {configuration} --verify_dataset_integrity"));
        let path = self.preprocessed("nnUNetPlans.json");
        let mut plans: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(plans["image_reader_writer"], reader);

        let axes = self.spec.shape.len();
        let mut architecture = plans["configurations"][configuration]["architecture"].clone();
        for (key, value) in [
            ("n_stages", json!(2)),
            ("features_per_stage", json!([4, 8])),
            ("kernel_sizes", json!([vec![3; axes], vec![3; axes]])),
            ("strides", json!([vec![1; axes], vec![2; axes]])),
            ("n_conv_per_stage", json!([1, 1])),
            ("n_conv_per_stage_decoder", json!([1])),
        ] {
            architecture["arch_kwargs"][key] = value;
        }
        plans["configurations"]["tiny"] =
            json!({"inherits_from": configuration, "patch_size": vec![16; axes], "batch_size": 2, "architecture": architecture});
        fs::write(&path, plans.to_string()).unwrap();
        self.host("train 1 tiny 0 --epochs 1 --iterations 1 --val-iterations 1 --seed 1 -device cpu");
        self.host(&format!("predict -i {} -o predictions -d 1 -c tiny -f 0 -device cpu --disable_tta", self.raw("imagesTs").display()));

        // a prediction lies where its image does
        let name = format!("phantom_005{}", self.ending);
        let (labels, geometry) = read_segmentation(self.at("predictions").join(&name)).unwrap();
        let image = read_header(self.raw("imagesTs").join(format!("phantom_005_0000{}", self.ending))).unwrap();
        assert_eq!((labels.shape(), &geometry), (image.shape.as_slice(), &image.geometry));
        let summary = format!("evaluate_folder {} predictions -djfile predictions/dataset.json", self.raw("labelsTs").display());
        assert!(self.host(&summary).contains("foreground mean of 1 cases"));
        // so does a validation's
        let fold = self.at("nnUNet_results/Dataset001_Format/nnUNetTrainer__nnUNetPlans__tiny/fold_0/validation");
        let validated: Vec<PathBuf> =
            fs::read_dir(fold).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.to_str().unwrap().ends_with(self.ending)).collect();
        assert_eq!(validated.len(), 1);
        let image = read_header(self.raw("labelsTr").join(validated[0].file_name().unwrap())).unwrap();
        assert_eq!(read_header(&validated[0]).unwrap(), image);
    }
}

fn small() -> PhantomSpec {
    PhantomSpec { shape: vec![18, 20, 22], spacing: vec![1.5, 1.0, 1.0], ..PhantomSpec::default() }
}

#[test]
fn png() {
    Lab::new(PhantomSpec { shape: vec![40, 44], spacing: vec![1.0; 2], ..PhantomSpec::default() }, ".png").goes_all_the_way("2d", "NaturalImage2DIO");
}

#[test]
fn mha() {
    Lab::new(small(), ".mha").goes_all_the_way("3d_fullres", "SimpleITKIO");
}

#[test]
fn stacks_of_tif() {
    let lab = Lab::new(small(), ".tif");
    lab.goes_all_the_way("3d_fullres", "Tiff3DIO");
    let spacing: Value = serde_json::from_slice(&fs::read(lab.at("predictions/phantom_005.json")).unwrap()).unwrap();
    let case: Value = serde_json::from_slice(&fs::read(lab.raw("imagesTs/phantom_005.json")).unwrap()).unwrap();
    assert_eq!(spacing, case);
}
