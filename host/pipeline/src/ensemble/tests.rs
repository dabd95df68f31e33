use super::*;
use crate::progress::silent;
use crate::test_data::{dataset, names, reference, row, write_labels};
use ndarray::Array4;
use serde_json::{Value, json};
use std::fs;
use volume::files::npz::{Packing, read_npz_array, write_npz};
use volume::files::{ArrayView, CaseProperties};
use volume::image::read_segmentation;

const OPTIONS: Options = Options { save_probabilities: false, keep: false, num_processes: 2 };

fn properties() -> CaseProperties {
    CaseProperties { spacing: vec![1.0; 3], ..CaseProperties::default() }
}

/// A case's files: probabilities (K, 1, 1, x), one row a class.
fn write_case(folder: &Path, case: &str, probabilities: &[&[f32]]) {
    let width = probabilities[0].len();
    write_labels(&folder.join(format!("{case}.nii.gz")), &row(&vec![0; width]));
    let shape = [probabilities.len(), 1, 1, width];
    let all = Array4::from_shape_vec(shape, probabilities.concat()).unwrap();
    let view = ArrayView::new(&shape, all.as_slice().unwrap()).unwrap();
    write_npz(&folder.join(format!("{case}.npz")), &[("probabilities", view)], Packing::Deflated).unwrap();
    properties().write(&folder.join(format!("{case}.pkl"))).unwrap();
}

/// A model's folder, as the files above `fold_0/validation`.
fn write_model(folder: &Path, labels: Value, order: Value) {
    fs::create_dir_all(folder).unwrap();
    dataset(labels, order).write(folder).unwrap();
    fs::write(folder.join("plans.json"), "{}").unwrap();
}

fn labels() -> Value {
    json!({"background": 0, "a": 1})
}

#[test]
fn ensembles_of_real_predictions_are_nnunets() {
    let Some(folder) = reference("predict") else { return };
    let dir = tempfile::tempdir().unwrap();
    for (members, wanted) in [(["prob3_tta", "prob3_small"], "ensemble3"), (["prob3_tta", "prob3_notta"], "ensemble3_tta_notta")] {
        let members = members.map(|name| {
            let copy = dir.path().join(name);
            fs::create_dir_all(&copy).unwrap();
            for file in names(&folder.join(name)) {
                fs::write(copy.join(&file), fs::read(folder.join(name).join(&file)).unwrap()).unwrap();
                if let Some(case) = file.strip_suffix(".npz") {
                    properties().write(&copy.join(format!("{case}.pkl"))).unwrap();
                }
            }
            copy
        });
        let output = dir.path().join(wanted);
        assert_eq!(ensemble_folders(&members, &output, &Options { save_probabilities: true, ..OPTIONS }, &silent).unwrap(), 3);
        for name in names(&folder.join(wanted)) {
            let [found, wanted] = [&output, &folder.join(wanted)].map(|folder| folder.join(&name));
            if name.ends_with(".nii.gz") {
                let (found, wanted) = (read_segmentation(&found).unwrap(), read_segmentation(&wanted).unwrap());
                assert_eq!(found.0, wanted.0, "{name}");
                assert_eq!((found.1.spacing, found.1.origin, found.1.direction), (wanted.1.spacing, wanted.1.origin, wanted.1.direction));
            } else if name.ends_with(".npz") {
                let [found, wanted] = [found, wanted].map(|path| read_npz_array(&path, "probabilities").unwrap());
                assert_eq!(found.shape(), wanted.shape());
                let furthest = found.to_f32().iter().zip(wanted.to_f32()).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()));
                assert!(furthest < 1e-3, "{name}: {furthest}");
            }
        }
    }
}

#[test]
fn validations_are_merged_with_the_files_of_their_models() {
    let dir = tempfile::tempdir().unwrap();
    let folders = ["one", "two"].map(|name| {
        write_model(&dir.path().join(name), labels(), Value::Null);
        dir.path().join(name).join("fold_0/validation")
    });
    write_case(&folders[0], "x", &[&[0.9, 0.6, 0.2, 0.5], &[0.1, 0.4, 0.8, 0.5]]);
    write_case(&folders[1], "x", &[&[0.8, 0.1, 0.7, 0.5], &[0.2, 0.9, 0.3, 0.5]]);
    let output = dir.path().join("out");
    let options = Options { save_probabilities: true, ..OPTIONS };
    assert_eq!(ensemble_folders(&folders, &output, &options, &silent).unwrap(), 1);
    assert_eq!(names(&output), ["dataset.json", "plans.json", "x.nii.gz", "x.npz", "x.pkl"]);
    // the last voxel is a tie: the first label
    assert_eq!(read_segmentation(output.join("x.nii.gz")).unwrap().0, row(&[0, 1, 1, 0]));
    let mean = read_npz_array(&output.join("x.npz"), "probabilities").unwrap();
    assert_eq!(mean.to_vec::<f32>().unwrap(), [(0.9 + 0.8) / 2.0, (0.6 + 0.1) / 2.0, (0.2 + 0.7) / 2.0, 0.5, 0.15, 0.65, 0.55, 0.5].map(|x: f32| x));
    assert_eq!(CaseProperties::read(&output.join("x.pkl")).unwrap(), properties());
    // an ensemble is a member like any other
    ensemble_folders(&[output, folders[0].clone()], &dir.path().join("again"), &OPTIONS, &silent).unwrap();
}

/// Probabilities of regions are compared with 1/2 as they are: no second sigmoid, which would make all of them win.
#[test]
fn regions_are_thresholded_once() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    write_model(&model, json!({"background": 0, "whole": [1, 2], "core": [2]}), json!([1, 2]));
    let folders = ["a", "b"].map(|name| model.join(name));
    write_case(&folders[0], "x", &[&[0.1, 0.9, 0.9, 0.5], &[0.0, 0.1, 0.8, 0.5]]);
    write_case(&folders[1], "x", &[&[0.3, 0.7, 0.6, 0.5], &[0.2, 0.3, 0.6, 0.5]]);
    ensemble_folders(&folders, &dir.path().join("out"), &OPTIONS, &silent).unwrap();
    assert_eq!(read_segmentation(dir.path().join("out/x.nii.gz")).unwrap().0, row(&[0, 1, 2, 0]));
}

#[test]
fn what_does_not_fit_is_said_before_anything_is_merged() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    write_model(&model, labels(), Value::Null);
    let [a, b, empty] = ["a", "b", "empty"].map(|name| model.join(name));
    write_case(&a, "x", &[&[0.5], &[0.5]]);
    write_case(&a, "y", &[&[0.5], &[0.5]]);
    write_case(&b, "x", &[&[0.5], &[0.5]]);
    write_case(&b, "z", &[&[0.5], &[0.5]]);
    fs::create_dir(&empty).unwrap();
    let output = dir.path().join("out");
    let error = |folders: &[&PathBuf], options: Options| {
        let folders: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
        ensemble_folders(&folders, &output, &options, &silent).unwrap_err().to_string()
    };
    let text = error(&[&a, &b], OPTIONS);
    assert!(text.contains("model/a has no probabilities (.npz) of z; ") && text.contains("model/b has no probabilities (.npz) of y"), "{text}");
    assert!(error(&[&a, &empty], OPTIONS).contains("there are no probabilities"));
    assert!(error(&[], OPTIONS).contains("no folder to ensemble"));
    assert!(error(&[&a, &output], OPTIONS).contains("is both input and output"));
    let spelled = ensemble_folders(std::slice::from_ref(&a), &model.join("b/../a"), &OPTIONS, &silent);
    assert!(spelled.unwrap_err().to_string().contains("is both input and output"));
    assert!(!output.exists());

    for (folder, case) in [(&a, "y"), (&b, "z")] {
        [".npz", ".pkl", ".nii.gz"].iter().for_each(|ending| fs::remove_file(folder.join(format!("{case}{ending}"))).unwrap());
    }
    fs::remove_file(a.join("x.pkl")).unwrap();
    let text = error(&[&a, &b], Options { save_probabilities: true, ..OPTIONS });
    assert!(text.contains("case x") && text.contains("there is no") && text.contains("x.pkl"), "{text}");
    write_labels(&a.join("x.nii.gz"), &row(&[0; 2]));
    let text = error(&[&a, &b], OPTIONS);
    assert!(text.contains("x.nii.gz: has the shape [1, 1, 2] (z, y, x), but the probabilities beside it [1, 1, 1]"), "{text}");
    write_case(&b, "x", &[&[0.5], &[0.2], &[0.3]]);
    assert!(error(&[&a, &b], OPTIONS).contains("x.npz: array `probabilities` has the shape [3, 1, 1, 1]; wanted [2, 1, 1, 1]"));
    assert!(error(&[&b, &b], OPTIONS).contains("wanted 2 classes and z, y, x"));
    write_model(&b, json!({"background": 0, "other": 1}), Value::Null);
    assert!(error(&[&a, &b], OPTIONS).contains("the labels are not those of"));
    assert!(error(&[&dir.path().join("nowhere")], OPTIONS).contains("there is no dataset.json"));
}

/// Probabilities lie in the axes of the reader, which the dataset or the plans name; what is written lies in those of the file.
#[test]
fn a_reader_that_turns_images_is_asked_for_the_geometry() {
    let dir = tempfile::tempdir().unwrap();
    for (file, key) in [("dataset.json", "overwrite_image_reader_writer"), ("plans.json", "image_reader_writer")] {
        let model = dir.path().join(key);
        write_model(&model, labels(), Value::Null);
        let mut about: Value = json::read(&model.join(file)).unwrap();
        about[key] = json!("SimpleITKIOWithReorient");
        json::write(&model.join(file), &about).unwrap();
        write_case(&model.join("a"), "x", &[&[0.9, 0.1, 0.1, 0.1], &[0.1, 0.9, 0.9, 0.9]]);
        ensemble_folders(&[model.join("a")], &model.join("out"), &OPTIONS, &silent).unwrap();
        assert_eq!(read_segmentation(model.join("out/x.nii.gz")).unwrap().0, row(&[1, 1, 1, 0]), "{key}");
    }
}
