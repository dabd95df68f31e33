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
///
/// Both hold where f16 can hold the weight. In the corners of outermost tiles it is below f16's normal numbers, and the reference's
/// logits are rounded to multiples of 2^-24 / weight; there, they may differ by what that rounding can do, and no more.
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
        let network = Network { model: &model, mirror_axes: sizes(&about["mirror_axes"]), bytes: 0 };
        let arrays = Arrays::read(&folder.join(format!("metrics/sliding_window_{configuration}.npz")));
        for image in ["larger", "smaller"] {
            let names: Vec<&String> = arrays.0.iter().map(|(name, _)| name).filter(|name| name.starts_with(&format!("{image}_logits"))).collect();
            for name in names {
                let window = Window {
                    step_size: name.rsplit("step").next().unwrap().parse().unwrap(),
                    gaussian: name.contains("gauss1"),
                    mirroring: name.contains("mirror1"),
                    ..Window::new(&sizes(&about["patch_size"]))
                };
                let x = arrays.get::<Ix4>(&format!("{image}_x"));
                let found = sliding_window(&[&network], &x, 3, &window).unwrap();
                let wanted = arrays.get::<Ix4>(name);
                let (resolved, rounding) = rounding_of_f16(&window, &found, &wanted);
                let excess = found.iter().zip(&wanted).zip(&rounding).map(|((a, b), rounding)| (a - b).abs() - rounding).fold(0.0, f32::max);
                let difference = |(a, b): (&f32, &f32)| (a - b).abs();
                let inside = found.iter().zip(&wanted).zip(resolved.iter().cycle()).filter(|(_, resolved)| **resolved);
                let worst = inside.map(|(pair, _)| difference(pair)).fold(0.0, f32::max);
                let (agree, share) = (agreement(&found, &wanted, &resolved), resolved.iter().filter(|v| **v).count() as f64 / resolved.len() as f64);
                println!(
                    "{configuration} {name}: in {:.2} % of the voxels logits differ by {worst:.1e} and {:.3} % of the labels agree; {excess:.1e} \
                     above rounding elsewhere",
                    100.0 * share,
                    100.0 * agree
                );
                assert!(worst <= 2e-2 && excess <= 2e-2, "{configuration} {name}: {worst}, {excess}");
                assert!(agree > 0.999 && share > 0.9, "{configuration} {name}: {agree} of {share}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 12);
}

/// Where ten times the sum of the weights is a normal f16, and what rounding can do to each logit elsewhere: products and weights of
/// n tiles are off by 2^-25 each, which logits of at most L make an error of n (1 + 2 L) 2^-25 / weight.
fn rounding_of_f16(window: &Window, found: &Array4<f32>, wanted: &Array4<f32>) -> (Vec<bool>, Vec<f32>) {
    let (classes, d, h, w) = found.dim();
    let tile = match window.patch.as_slice() {
        &[d, h, w] => [d, h, w],
        patch => [1, patch[0], patch[1]],
    };
    let padded: [usize; 3] = std::array::from_fn(|axis| [d, h, w][axis].max(tile[axis]));
    let weights = if window.gaussian { gaussian(&tile) } else { vec![0.1; tile.iter().product()] };
    let weights = ndarray::ArrayView3::from_shape(tile, &weights).unwrap();
    let (mut total, mut tiles) = (ndarray::Array3::<f32>::zeros(padded), ndarray::Array3::<f32>::zeros(padded));
    let [zs, ys, xs] = positions(padded, tile, window.step_size);
    for (z, y, x) in zs.iter().flat_map(|z| ys.iter().flat_map(|y| xs.iter().map(|x| (*z, *y, *x))).collect::<Vec<_>>()) {
        let at = ndarray::s![z..z + tile[0], y..y + tile[1], x..x + tile[2]];
        total.slice_mut(at).scaled_add(10.0, &weights);
        tiles.slice_mut(at).mapv_inplace(|n| n + 1.0);
    }
    let before: [usize; 3] = std::array::from_fn(|axis| (padded[axis] - [d, h, w][axis]) / 2);
    let own = ndarray::s![before[0]..before[0] + d, before[1]..before[1] + h, before[2]..before[2] + w];
    let (total, tiles) = (total.slice(own).to_owned(), tiles.slice(own).to_owned());
    let largest = wanted.iter().fold(0.0_f32, |largest, v| largest.max(v.abs()));
    let resolved: Vec<bool> = total.iter().map(|&weight| weight >= 2_f32.powi(-14)).collect();
    let error = |(weight, n): (&f32, &f32)| if *weight >= 2_f32.powi(-14) { 0.0 } else { n * (1.0 + 2.0 * largest) * 2_f32.powi(-25) / weight };
    let one: Vec<f32> = total.iter().zip(&tiles).map(error).collect();
    (resolved, one.repeat(classes))
}

/// The share of the voxels in `among` with the same class on top.
fn agreement(a: &Array4<f32>, b: &Array4<f32>, among: &[bool]) -> f64 {
    let top = |logits: &Array4<f32>| {
        let largest = |best: (usize, f32), (k, &v): (usize, &f32)| if v > best.1 { (k, v) } else { best };
        logits.map_axis(ndarray::Axis(0), |lane| lane.iter().enumerate().fold((0, f32::NEG_INFINITY), largest).0)
    };
    let (a, b) = (top(a), top(b));
    let pairs: Vec<bool> = a.iter().zip(&b).zip(among).filter(|(_, among)| **among).map(|((a, b), _)| a == b).collect();
    pairs.iter().filter(|equal| **equal).count() as f64 / pairs.len() as f64
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
        let network = Network { model: &model, mirror_axes: vec![], bytes: 0 };
        let voxels: usize = spec.patch_size.iter().product();
        let x: Vec<f32> = (0..3 * voxels).map(|i| ((i * 7919) % 1013) as f32 / 500.0 - 1.0).collect();
        let shape = |batch: usize| [&[batch, 1], spec.patch_size.as_slice()].concat();
        let (together, _) = network.logits(&x, &shape(3)).unwrap();
        let apart: Vec<f32> = x.chunks(voxels).flat_map(|sample| network.logits(sample, &shape(1)).unwrap().0).collect();
        let different = together.iter().zip(&apart).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
        assert_eq!(different, 0, "{name}: {different} of {} logits", apart.len());
    }
}

/// From images to segmentations with a network that nnU-Net trained: at least 99.9 % of the voxels agree, probabilities within 2e-3
/// (the reference's are f16, as its logits were), Dice within 1e-3.
#[test]
fn three_cases_from_images_to_scores() {
    let Some(folder) = reference("") else { return };
    let trained = folder.join("training/small");
    let (plans, dataset) = (Plans::read(&trained.join("plans.json")).unwrap(), DatasetJson::read(&trained).unwrap());
    let configuration = plans.configuration("3d_fullres").unwrap();
    let model = model(&configuration.network_spec(1, 3, true), &trained.join("fold_0/checkpoint_final_weights.npz"));
    let network = Network { model: &model, mirror_axes: vec![0, 1, 2], bytes: 0 };
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
    let model = LoadedModel { plugins: None, plans: &plans, configuration: &configuration, dataset: &dataset, predictors: &predictors };
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
        assert!(worst <= 2e-3, "{case}: {worst}");
    }
    let score = |predictions: &Path| {
        let summary = evaluate_folder(&labels, predictions, &dataset, &evaluate::Options::default(), &silent).unwrap();
        summary.mean.values().map(|metrics| metrics.dice).collect::<Vec<_>>()
    };
    let (found, wanted) = (score(&output), score(&wanted));
    println!("Dice {found:?}, wanted {wanted:?}");
    assert!(found.len() == 2 && found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() <= 1e-3), "{found:?} {wanted:?}");
}
