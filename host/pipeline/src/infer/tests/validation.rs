//! The final validation, with a network that looks at single voxels.

use super::{Arrays, Pointwise, dataset, plans};
use crate::dataset::DatasetJson;
use crate::evaluate::Summary;
use crate::infer::{LoadedModel, NextStage, Predictor, ValidationOptions, validate};
use crate::plan::Plans;
use crate::preprocess::preprocess_case;
use crate::progress::silent;
use ndarray::{Array3, Array4, Axis, Ix4};
use std::fs;
use std::path::Path;
use volume::files::ArrayView;
use volume::files::npz::{Packing, write_npz};
use volume::image::{Geometry, Image, read_segmentation, write_segmentation};
use volume::resample::{ResampleOptions, resample_channel};

fn truth(seed: usize) -> Array3<i16> {
    Array3::from_shape_fn((9, 7, 12), |(z, y, x)| ((z / 3 + y / 3 + x / 4 + seed) % 3) as i16)
}

/// The image that the network sees `seg` in.
fn image(seg: &Array3<i16>) -> Array4<f32> {
    seg.mapv(|label| [0.0, 0.4, 1.5][label as usize]).insert_axis(Axis(0))
}

/// Writes the preprocessed case and its reference as preprocessing leaves them.
fn write_case(folder: &Path, case: &str, seg: &Array3<i16>, plans: &Plans, configuration: &str, dataset: &DatasetJson) -> [usize; 3] {
    let configuration = plans.configuration(configuration).unwrap();
    let geometry = Geometry::of_spacing([1.0; 3]);
    let made = preprocess_case(Image { data: image(seg), geometry: geometry.clone() }, Some(seg.clone()), plans, &configuration, dataset).unwrap();
    let cases = folder.join(&configuration.data_identifier);
    [&cases, &folder.join("gt_segmentations")].into_iter().for_each(|path| fs::create_dir_all(path).unwrap());
    let (d, h, w) = made.seg.dim();
    let seg_shape = [1, d, h, w];
    let arrays = [
        ("data", ArrayView::new(made.data.shape(), made.data.as_slice().unwrap()).unwrap()),
        ("seg", ArrayView::new(&seg_shape, made.seg.as_slice().unwrap()).unwrap()),
    ];
    write_npz(&cases.join(format!("{case}.npz")), &arrays, Packing::Stored).unwrap();
    made.properties.write(&cases.join(format!("{case}.pkl"))).unwrap();
    write_segmentation(folder.join(format!("gt_segmentations/{case}.nii.gz")), seg, &geometry).unwrap();
    [d, h, w]
}

#[test]
fn a_fold_is_predicted_and_scored() {
    let dir = tempfile::tempdir().unwrap();
    let (mut plans, dataset) = (plans(1), dataset(1));
    // a later stage on a coarser grid
    let mut coarse = plans.configurations["3d_fullres"].clone();
    coarse["data_identifier"] = "nnUNetPlans_coarse".into();
    coarse["spacing"] = serde_json::json!([2.0, 2.0, 2.0]);
    plans.configurations.insert("coarse".into(), coarse);
    let (own, coarse) = (plans.configuration("3d_fullres").unwrap(), plans.configuration("coarse").unwrap());
    for (seed, case) in ["a", "b", "c"].iter().enumerate() {
        let fine = write_case(dir.path(), case, &truth(seed), &plans, "3d_fullres", &dataset);
        assert_eq!(fine, [12, 9, 7]);
        assert_eq!(write_case(dir.path(), case, &truth(seed), &plans, "coarse", &dataset), [6, 4, 4]);
    }
    let network = Pointwise { classes: 3, mirror_axes: vec![0, 1, 2] };
    let predictors: [&dyn Predictor; 1] = [&network];
    let model = LoadedModel { plugins: None, plans: &plans, configuration: &own, dataset: &dataset, predictors: &predictors };
    let (output, next) = (dir.path().join("fold_0/validation"), dir.path().join("predicted_next_stage/coarse"));
    let cases = ["c".to_owned(), "a".to_owned()];
    let options = ValidationOptions {
        cases: &cases,
        preprocessed: dir.path(),
        previous: None,
        output: &output,
        save_probabilities: true,
        next_stages: &[NextStage { configuration: &coarse, output: next.clone() }],
        num_processes: 2,
    };
    // an earlier validation, of another split and with probabilities
    fs::create_dir_all(&output).unwrap();
    ["b.nii.gz", "b.npz", "b.pkl"].iter().for_each(|name| fs::write(output.join(name), "").unwrap());
    let summary = validate(&model, &options, &silent).unwrap();
    assert_eq!(summary.foreground_mean.dice, 1.0);
    let scored: Vec<&str> = summary.metric_per_case.iter().map(|case| case.prediction_file.rsplit('/').next().unwrap()).collect();
    assert_eq!(scored, ["a.nii.gz", "c.nii.gz"], "the fold's cases alone");
    assert_eq!(Summary::read(&output.join("summary.json")).unwrap(), summary);
    assert_eq!(read_segmentation(output.join("c.nii.gz")).unwrap().0, truth(2));
    assert!(output.join("a.npz").exists() && output.join("a.pkl").exists());
    assert!(["b.nii.gz", "b.npz", "b.pkl"].iter().all(|name| !output.join(name).exists()));

    let seg = Arrays::read(&next.join("a.npz")).get::<Ix4>("seg");
    assert_eq!(seg.dim(), (1, 6, 4, 4));
    // The network's logits are linear in the intensity, so that resampling them is resampling the image, which the plans turned
    // to x, z, y; label 2 begins at 1 and label 1 at 0. Where the intensity is 1 but for rounding, either is right.
    let fine = image(&truth(0)).index_axis_move(Axis(0), 0).permuted_axes([2, 0, 1]).as_standard_layout().into_owned();
    let coarse = resample_channel(&fine, [6, 4, 4], [1.0; 3], [2.0; 3], &ResampleOptions::LABELS);
    let clear = coarse.iter().zip(&seg).filter(|(v, _)| (**v - 1.0).abs() > 1e-4).collect::<Vec<_>>();
    assert!(clear.len() >= 90, "{}", clear.len());
    for (&intensity, &label) in clear {
        assert_eq!(
            label,
            if intensity > 1.0 {
                2.0
            } else if intensity > 0.0 {
                1.0
            } else {
                0.0
            },
            "{intensity}"
        );
    }

    let cases = ["a".to_owned(), "nobody".to_owned()];
    let error = validate(&model, &ValidationOptions { cases: &cases, ..options }, &silent).unwrap_err().to_string();
    assert!(error.contains("nobody"), "{error}");
}

/// A second stage gets the first one's segmentation, and nothing but it decides here.
#[test]
fn a_cascade_is_validated_with_the_previous_stage() {
    struct Previous;
    impl Predictor for Previous {
        fn logits(&self, x: &[f32], shape: &[usize]) -> crate::error::Result<(Vec<f32>, Vec<usize>)> {
            assert_eq!(shape[1], 3);
            let voxels: usize = shape[2..].iter().product();
            let mut logits = x.to_vec();
            logits.chunks_mut(3 * voxels).for_each(|sample| sample[..voxels].fill(0.5));
            Ok((logits, shape.to_vec()))
        }
        fn mirror_axes(&self) -> Vec<usize> {
            vec![]
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (plans, dataset) = (plans(1), dataset(1));
    let configuration = plans.configuration("3d_cascade_fullres").unwrap();
    let [d, h, w] = write_case(dir.path(), "a", &truth(0), &plans, "3d_cascade_fullres", &dataset);
    let previous = dir.path().join("previous");
    fs::create_dir(&previous).unwrap();
    let swapped = truth(0).mapv(|label| [0, 2, 1][label as usize]);
    let turned = swapped.clone().permuted_axes([2, 0, 1]).as_standard_layout().into_owned();
    let seg_shape = [1, d, h, w];
    let seg = [("seg", ArrayView::new(&seg_shape, turned.as_slice().unwrap()).unwrap())];
    write_npz(&previous.join("a.npz"), &seg, Packing::Stored).unwrap();
    let output = dir.path().join("validation");
    let options = ValidationOptions {
        cases: &["a".to_owned()],
        preprocessed: dir.path(),
        previous: Some(&previous),
        output: &output,
        save_probabilities: false,
        next_stages: &[],
        num_processes: 1,
    };
    let predictors: [&dyn Predictor; 1] = [&Previous];
    let model = LoadedModel { plugins: None, plans: &plans, configuration: &configuration, dataset: &dataset, predictors: &predictors };
    let summary = validate(&model, &options, &silent).unwrap();
    assert_eq!(read_segmentation(output.join("a.nii.gz")).unwrap().0, swapped);
    assert_eq!(summary.foreground_mean.dice, 0.0);
}
