//! nnU-Net's own numbers.

use super::{Arrays, reference};
use crate::dataset::DatasetJson;
use crate::evaluate::{self, evaluate_folder};
use crate::infer::{LoadedModel, Network, PredictOptions, Predictor, Window, gaussian, positions, predict_folder, sliding_window, steps};
use crate::json;
use crate::plan::Plans;
use crate::progress::silent;
use ndarray::{Array4, Ix4};
use plugin_api::NetworkSpec;
use plugin_api::abi::host::Library;
use serde_json::Value;
use std::path::Path;
use volume::image::read_segmentation;

fn sizes(value: &Value) -> Vec<usize> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn tiles_lie_where_nnunet_puts_them() {
    let Some(folder) = reference("metrics") else { return };
    let rules: Value = json::read(&folder.join("rules.json")).unwrap();
    let cases = rules["sliding_window_steps"].as_array().unwrap();
    for case in cases {
        let (image, tile, step_size) = (sizes(&case["image"]), sizes(&case["tile"]), case["step"].as_f64().unwrap());
        let found: Vec<_> = image.iter().zip(&tile).map(|(&image, &tile)| steps(image, tile, step_size)).collect();
        assert_eq!(found, case["steps"].as_array().unwrap().iter().map(sizes).collect::<Vec<_>>(), "{case}");
        if let (&[d, h, w], &[a, b, c]) = (image.as_slice(), tile.as_slice()) {
            assert_eq!(positions([d, h, w], [a, b, c], step_size).to_vec(), found);
        }
    }
    assert!(cases.len() >= 10);
}

/// Within 1e-6; of large tiles the reference has the middle slice and the first axis through the middle.
#[test]
fn weights_are_nnunets() {
    let Some(folder) = reference("metrics") else { return };
    let arrays = Arrays::read(&folder.join("gaussian.npz"));
    let mut compared = 0;
    for (name, array) in arrays.0.iter().filter(|(name, _)| name.contains("f32")) {
        let tile: Vec<usize> = name.split('_').next().unwrap().split('x').map(|side| side.parse().unwrap()).collect();
        let found = gaussian(&tile);
        let inner: usize = tile[1..].iter().product();
        let part: Vec<f32> = if name.ends_with("center_slice") {
            found[tile[0] / 2 * inner..][..inner].to_vec()
        } else if name.ends_with("axis0_line") {
            let middle = tile[1..].iter().fold(0, |at, side| at * side + side / 2);
            found.chunks(inner).map(|slice| slice[middle]).collect()
        } else {
            found
        };
        let wanted = array.to_f32();
        assert_eq!(part.len(), wanted.len(), "{name}");
        assert!(part.iter().zip(&wanted).all(|(a, b)| (a - b).abs() <= 1e-6), "{name}");
        compared += 1;
    }
    assert_eq!(compared, 7);
}

fn model(spec: &NetworkSpec, weights: &Path) -> engine::Model {
    standard::link();
    let architecture = Library::builtin().architecture("PlainConvUNet", "{}").unwrap();
    let mut model = engine::Model::build(&engine::Device::parse("cpu").unwrap(), &architecture, spec, 0).unwrap();
    let weights: Vec<_> = Arrays::read(weights).0.into_iter().map(|(name, array)| (name, array.shape().to_vec(), array.to_f32())).collect();
    model.load(&weights).unwrap();
    model
}

/// Logits within 2e-2 (the reference adds up in f16) and the same label in more than 99.9 % of the voxels.
#[test]
fn sliding_windows_of_the_reference() {
    let Some(folder) = reference("") else { return };
    let mut compared = 0;
    for configuration in ["3d_fullres", "2d"] {
        let about: Value = json::read(&folder.join(format!("metrics/sliding_window_{configuration}.json"))).unwrap();
        let weights = folder.join(about["weights"].as_str().unwrap());
        let meta: Value = json::read(&weights.with_file_name("meta.json")).unwrap();
        let spec = NetworkSpec {
            input_channels: 1,
            num_classes: 3,
            patch_size: sizes(&meta["patch"]),
            deep_supervision: true,
            network_class_name: String::new(),
            arch_kwargs: meta["architecture"]["arch_kwargs"].clone(),
        };
        let model = model(&spec, &weights);
        let network = Network { model: &model, mirror_axes: sizes(&about["mirror_axes"]) };
        let arrays = Arrays::read(&folder.join(format!("metrics/sliding_window_{configuration}.npz")));
        for image in ["larger", "smaller"] {
            let names: Vec<&String> = arrays.0.iter().map(|(name, _)| name).filter(|name| name.starts_with(&format!("{image}_logits"))).collect();
            for name in names {
                let window = Window {
                    patch: sizes(&about["patch_size"]),
                    step_size: name.rsplit("step").next().unwrap().parse().unwrap(),
                    gaussian: name.contains("gauss1"),
                    mirroring: name.contains("mirror1"),
                };
                let x = arrays.get::<Ix4>(&format!("{image}_x"));
                let found = sliding_window(&[&network], &x, 3, &window).unwrap();
                let wanted = arrays.get::<Ix4>(name);
                let worst = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                let agree = agreement(&found, &wanted);
                println!("{configuration} {name}: logits differ by {worst:.1e}, labels agree in {:.3} %", 100.0 * agree);
                assert!(worst <= 2e-2, "{configuration} {name}: {worst}");
                assert!(agree > 0.999, "{configuration} {name}: {agree}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 12);
}

/// The share of voxels with the same class on top.
fn agreement(a: &Array4<f32>, b: &Array4<f32>) -> f64 {
    let top = |logits: &Array4<f32>| {
        logits.map_axis(ndarray::Axis(0), |lane| {
            lane.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (k, &v)| if v > best.1 { (k, v) } else { best }).0
        })
    };
    let (a, b) = (top(a), top(b));
    a.iter().zip(&b).filter(|(a, b)| a == b).count() as f64 / a.len() as f64
}

/// Several samples in a forward give what each gives by itself, to the bit.
#[test]
fn a_batch_is_its_samples() {
    let Some(folder) = reference("network") else { return };
    for name in ["plain2d_small", "plain3d_small"] {
        let meta: Value = json::read(&folder.join(name).join("meta.json")).unwrap();
        let spec = NetworkSpec {
            input_channels: 1,
            num_classes: 3,
            patch_size: sizes(&meta["patch"]),
            deep_supervision: true,
            network_class_name: String::new(),
            arch_kwargs: meta["architecture"]["arch_kwargs"].clone(),
        };
        let model = model(&spec, &folder.join(name).join("weights.npz"));
        let network = Network { model: &model, mirror_axes: vec![] };
        let voxels: usize = spec.patch_size.iter().product();
        let x: Vec<f32> = (0..3 * voxels).map(|i| ((i * 7919) % 1013) as f32 / 500.0 - 1.0).collect();
        let shape = |batch: usize| [&[batch, 1], spec.patch_size.as_slice()].concat();
        let (together, _) = network.logits(&x, &shape(3)).unwrap();
        let apart: Vec<f32> = x.chunks(voxels).flat_map(|sample| network.logits(sample, &shape(1)).unwrap().0).collect();
        let different = together.iter().zip(&apart).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
        assert_eq!(different, 0, "{name}: {different} of {} logits", apart.len());
    }
}

/// From images to segmentations with a network that nnU-Net trained: at least 99.9 % of the voxels agree, probabilities within 1e-2
/// (the reference's logits are f16), Dice within 1e-3.
#[test]
fn three_cases_from_images_to_scores() {
    let Some(folder) = reference("") else { return };
    let trained = folder.join("training/small");
    let (plans, dataset) = (Plans::read(&trained.join("plans.json")).unwrap(), DatasetJson::read(&trained).unwrap());
    let configuration = plans.configuration("3d_fullres").unwrap();
    let model = model(&configuration.network_spec(1, 3, true), &trained.join("fold_0/checkpoint_final_weights.npz"));
    let network = Network { model: &model, mirror_axes: vec![0, 1, 2] };
    let dir = tempfile::tempdir().unwrap();
    let [images, labels, output, wanted] = ["images", "labels", "output", "wanted"].map(|name| dir.path().join(name));
    [&images, &labels, &wanted].into_iter().for_each(|path| std::fs::create_dir(path).unwrap());
    let cases = ["hippocampus_098", "hippocampus_099", "hippocampus_101"];
    for case in cases {
        for (from, to, name) in [("images", &images, format!("{case}_0000.nii.gz")), ("labels", &labels, format!("{case}.nii.gz"))] {
            std::fs::copy(folder.join("predict").join(from).join(&name), to.join(&name)).unwrap();
        }
        std::fs::copy(folder.join(format!("predict/prob3_small/{case}.nii.gz")), wanted.join(format!("{case}.nii.gz"))).unwrap();
    }
    let predictors: [&dyn Predictor; 1] = [&network];
    let model = LoadedModel { plans: &plans, configuration: &configuration, dataset: &dataset, predictors: &predictors };
    let options = PredictOptions { save_probabilities: true, ..PredictOptions::new(&images, &output) };
    assert_eq!(predict_folder(&model, &options, &silent).unwrap().done, cases);

    for case in cases {
        let name = format!("{case}.nii.gz");
        let ((found, geometry), (truth, wanted_geometry)) =
            (read_segmentation(output.join(&name)).unwrap(), read_segmentation(wanted.join(&name)).unwrap());
        assert_eq!(found.dim(), truth.dim());
        assert_eq!(geometry.spacing, wanted_geometry.spacing);
        let agree = found.iter().zip(&truth).filter(|(a, b)| a == b).count() as f64 / found.len() as f64;
        let npz = format!("{case}.npz");
        let probabilities = Arrays::read(&output.join(&npz)).get::<Ix4>("probabilities");
        let wanted = Arrays::read(&folder.join("predict/prob3_small").join(&npz)).get::<Ix4>("probabilities");
        assert_eq!(probabilities.dim(), wanted.dim());
        let worst = probabilities.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{case}: {:.4} % agree, probabilities differ by {worst:.1e}", 100.0 * agree);
        assert!(agree >= 0.999, "{case}: {agree}");
        assert!(worst <= 1e-2, "{case}: {worst}");
    }
    let score = |predictions: &Path| {
        let summary = evaluate_folder(&labels, predictions, &dataset, &evaluate::Options::default(), &silent).unwrap();
        summary.mean.values().map(|metrics| metrics.dice).collect::<Vec<_>>()
    };
    let (found, wanted) = (score(&output), score(&wanted));
    println!("Dice {found:?}, wanted {wanted:?}");
    assert!(found.len() == 2 && found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() <= 1e-3), "{found:?} {wanted:?}");
}
