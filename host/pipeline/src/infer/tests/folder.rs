//! Folders of images, with a network that looks at single voxels: its segmentation is known beforehand.

use super::{Arrays, Pointwise, dataset, plans};
use crate::dataset::DatasetJson;
use crate::error::Result;
use crate::infer::{LoadedModel, PredictOptions, Predictor, predict_folder};
use crate::json;
use crate::plan::{Configuration, Plans};
use crate::progress::silent;
use ndarray::{Array3, Array4, Axis, Ix4};
use serde_json::{Value, json};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use volume::files::CaseProperties;
use volume::image::{Geometry, read_segmentation, write_image, write_segmentation};

/// A case of each size: smaller than the patch (8, 6, 5), larger, a bit of both; and a border of zeros to crop.
const CASES: [(&str, [usize; 3]); 4] = [("flat", [9, 3, 20]), ("large", [12, 9, 11]), ("small", [3, 4, 2]), ("with_border", [10, 11, 12])];

/// Labels in a pattern; the last case has them only in the middle.
fn truth(index: usize) -> Array3<i16> {
    let (name, [d, h, w]) = CASES[index];
    Array3::from_shape_fn((d, h, w), |(z, y, x)| {
        let inside = name != "with_border" || ((2..7).contains(&z) && (3..9).contains(&y) && (1..11).contains(&x));
        if inside { ((z / 2 + y / 3 + x + index) % 3) as i16 } else { 0 }
    })
}

struct Lab {
    dir: TempDir,
    plans: Plans,
    dataset: DatasetJson,
}

impl Lab {
    /// Writes the images: label 1 has intensity 0.5, label 2 has 1.5. Further channels are noise that the network must not see.
    fn new(channels: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("images")).unwrap();
        for (index, (case, _)) in CASES.iter().enumerate() {
            let geometry = Geometry { origin: [1.0, -2.0, 3.5], ..Geometry::of_spacing([1.0; 3]) };
            let image = truth(index).mapv(|label| [0.0, 0.5, 1.5][label as usize]).insert_axis(Axis(0));
            for channel in 0..channels {
                let image = if channel == 0 { image.clone() } else { image.mapv(|v| -7.0 * v) };
                write_image(dir.path().join(format!("images/{case}_{channel:04}.nii.gz")), &image, &geometry).unwrap();
            }
        }
        Self { dir, plans: plans(channels), dataset: dataset(channels) }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn options(&self, output: &str) -> PredictOptions {
        PredictOptions::new(self.at("images"), self.at(output))
    }

    fn predict(&self, configuration: &str, network: &dyn Predictor, options: &PredictOptions) -> Result<crate::infer::Predicted> {
        let configuration: Configuration = self.plans.configuration(configuration).unwrap();
        let model = LoadedModel { plugins: None, plans: &self.plans, configuration: &configuration, dataset: &self.dataset, predictors: &[network] };
        predict_folder(&model, options, &silent)
    }
}

fn pointwise(axes: &[usize]) -> Pointwise {
    Pointwise { classes: 3, mirror_axes: axes.to_vec() }
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
    files.sort_by_key(|entry| entry.file_name());
    files.iter().map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn segmentations_are_right_in_every_size() {
    let lab = Lab::new(2);
    for (configuration, axes) in [("3d_fullres", vec![0, 1, 2]), ("2d", vec![0, 1])] {
        let options = PredictOptions { save_probabilities: true, ..lab.options(configuration) };
        let predicted = lab.predict(configuration, &pointwise(&axes), &options).unwrap();
        assert_eq!(predicted.done, CASES.map(|(case, _)| case));
        for (index, (case, _)) in CASES.iter().enumerate() {
            let (found, geometry) = read_segmentation(options.output.join(format!("{case}.nii.gz"))).unwrap();
            assert_eq!(found, truth(index), "{configuration} {case}");
            assert_eq!(geometry.origin, [1.0, -2.0, 3.5]);
            let probabilities: Array4<f32> = Arrays::read(&options.output.join(format!("{case}.npz"))).get::<Ix4>("probabilities");
            let (d, h, w) = found.dim();
            assert_eq!(probabilities.dim(), (3, d, h, w));
            assert!(probabilities.map_axis(Axis(0), |lane| (lane.sum() - 1.0).abs() < 1e-5).iter().all(|&one| one));
            let properties = CaseProperties::read(&options.output.join(format!("{case}.pkl"))).unwrap();
            assert_eq!(properties.shape_before_cropping, [w, d, h]);
        }
    }
    // what lies beside them
    let output = lab.at("2d");
    assert_eq!(DatasetJson::read(&output).unwrap(), lab.dataset);
    assert_eq!(Plans::read(&output.join("plans.json")).unwrap(), lab.plans);
    let record: Value = json::read(&output.join("predict_from_raw_data_args.json")).unwrap();
    assert_eq!((&record["save_probabilities"], &record["overwrite"], &record["part_id"]), (&json!(true), &json!(true), &json!(0)));
    assert_eq!(record["output_folder_or_list_of_truncated_output_files"], json!(output));
}

#[test]
fn the_same_run_makes_the_same_bytes() {
    let lab = Lab::new(1);
    let options = PredictOptions { save_probabilities: true, ..lab.options("out") };
    lab.predict("3d_fullres", &pointwise(&[0, 1, 2]), &options).unwrap();
    let first = files(&options.output);
    lab.predict("3d_fullres", &pointwise(&[0, 1, 2]), &options).unwrap();
    assert!(first == files(&options.output));
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 3 * CASES.len() + 3, "{names:?}");
}

/// Fails after some calls, as a run that is interrupted.
struct Interrupted {
    inner: Pointwise,
    left: Cell<usize>,
}

impl Predictor for Interrupted {
    fn logits(&self, x: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| crate::error::Error::invalid("the power went off"))?;
        self.left.set(left);
        self.inner.logits(x, shape)
    }

    fn mirror_axes(&self) -> Vec<usize> {
        self.inner.mirror_axes()
    }
}

#[test]
fn an_interrupted_run_goes_on() {
    let lab = Lab::new(1);
    let whole = lab.options("whole");
    lab.predict("3d_fullres", &pointwise(&[]), &whole).unwrap();

    let options = PredictOptions { continue_prediction: true, ..lab.options("out") };
    let network = Interrupted { inner: pointwise(&[]), left: Cell::new(2) };
    let error = lab.predict("3d_fullres", &network, &options).unwrap_err().to_string();
    assert_eq!(error, "case small: the power went off");
    let finished: Vec<String> = files(&options.output).into_iter().map(|(name, _)| name).filter(|name| name.ends_with(".nii.gz")).collect();
    assert_eq!(finished, ["flat.nii.gz", "large.nii.gz"], "what was predicted before the failure is written");

    let predicted = lab.predict("3d_fullres", &pointwise(&[]), &options).unwrap();
    assert_eq!((predicted.kept, predicted.done), (vec!["flat".to_owned(), "large".into()], vec!["small".to_owned(), "with_border".into()]));
    let images = |folder: &Path| files(folder).into_iter().filter(|(name, _)| name.ends_with(".nii.gz")).collect::<Vec<_>>();
    assert!(images(&options.output) == images(&whole.output));

    // probabilities are part of a case's files: none are there yet
    let with = PredictOptions { save_probabilities: true, ..options.clone() };
    assert!(lab.predict("3d_fullres", &pointwise(&[]), &with).unwrap().kept.is_empty());
    assert!(lab.predict("3d_fullres", &pointwise(&[]), &with).unwrap().done.is_empty());
    let again = PredictOptions { continue_prediction: false, ..options };
    assert_eq!(lab.predict("3d_fullres", &pointwise(&[]), &again).unwrap().done.len(), CASES.len());
}

#[test]
fn parts_share_the_cases() {
    let lab = Lab::new(1);
    let part = |part_id| lab.predict("2d", &pointwise(&[]), &PredictOptions { num_parts: 3, part_id, ..lab.options("out") });
    assert_eq!(part(0).unwrap().done, ["flat", "with_border"]);
    assert_eq!(part(1).unwrap().done, ["large"]);
    assert_eq!(part(2).unwrap().done, ["small"]);
    assert!(part(3).unwrap_err().to_string().contains("-part_id is 3 of -num_parts 3"));
}

#[test]
fn every_case_that_does_not_fit_is_named() {
    let lab = Lab::new(2);
    fs::remove_file(lab.at("images/large_0001.nii.gz")).unwrap();
    fs::rename(lab.at("images/small_0001.nii.gz"), lab.at("images/small_0002.nii.gz")).unwrap();
    let error = lab.predict("2d", &pointwise(&[]), &lab.options("out")).unwrap_err().to_string();
    assert!(error.contains("large: there are 1 channel(s), but the model was trained with 2"), "{error}");
    assert!(error.contains("small: there is no small_0001.nii.gz"), "{error}");
    assert!(!error.contains("flat"), "{error}");
    assert!(!lab.at("out").exists(), "nothing is begun");
    fs::create_dir(lab.at("empty")).unwrap();
    let empty = PredictOptions { input: lab.at("empty"), ..lab.options("out") };
    assert!(lab.predict("2d", &pointwise(&[]), &empty).unwrap_err().to_string().contains("no image such as case_0000.nii.gz"));
    assert!(lab.predict("2d", &pointwise(&[]), &PredictOptions { output: lab.at("images"), ..lab.options("out") }).is_err());
}

#[test]
fn a_voxel_that_is_no_number_names_the_case() {
    let lab = Lab::new(1);
    let mut image = Array4::<f32>::ones((1, 4, 4, 4));
    image[[0, 1, 2, 3]] = f32::NAN;
    write_image(lab.at("images/broken_0000.nii.gz"), &image, &Geometry::of_spacing([1.0; 3])).unwrap();
    let error = lab.predict("3d_fullres", &pointwise(&[]), &lab.options("out")).unwrap_err().to_string();
    assert!(error.starts_with("case broken: "), "{error}");
}

/// Gives the one-hot channel of label `k` as the logit of class `k`.
struct Previous;

impl Predictor for Previous {
    fn logits(&self, x: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)> {
        assert_eq!(shape[1], 3, "the image and two labels");
        let voxels: usize = shape[2..].iter().product();
        let mut logits = x.to_vec();
        logits.chunks_mut(3 * voxels).for_each(|sample| sample[..voxels].fill(0.5));
        Ok((logits, shape.to_vec()))
    }

    fn mirror_axes(&self) -> Vec<usize> {
        vec![0, 1, 2]
    }
}

#[test]
fn a_cascade_sees_the_previous_stage() {
    let lab = Lab::new(1);
    let run =
        |previous: Option<PathBuf>| lab.predict("3d_cascade_fullres", &Previous, &PredictOptions { previous_stage: previous, ..lab.options("out") });
    assert!(run(None).unwrap_err().to_string().contains("predict the same images with 3d_lowres first"));
    fs::create_dir(lab.at("previous")).unwrap();
    let swapped = |index: usize| truth(index).mapv(|label| [0, 2, 1][label as usize]);
    for (index, (case, _)) in CASES.iter().enumerate().skip(1) {
        write_segmentation(lab.at(&format!("previous/{case}.nii.gz")), &swapped(index), &Geometry::of_spacing([1.0; 3])).unwrap();
    }
    let error = run(Some(lab.at("previous"))).unwrap_err().to_string();
    assert!(error.contains("flat: there is no segmentation of the previous stage"), "{error}");
    write_segmentation(lab.at("previous/flat.nii.gz"), &swapped(0), &Geometry::of_spacing([1.0; 3])).unwrap();
    run(Some(lab.at("previous"))).unwrap();
    for (index, (case, _)) in CASES.iter().enumerate() {
        assert_eq!(read_segmentation(lab.at(&format!("out/{case}.nii.gz"))).unwrap().0, swapped(index), "{case}");
    }
    let stray = PredictOptions { previous_stage: Some(lab.at("previous")), ..lab.options("out") };
    assert!(lab.predict("3d_fullres", &Previous, &stray).unwrap_err().to_string().contains("no second stage"));
}
