//! Sums on the networks' device against sums in host memory: the same bits, where the device is the processor too.

use super::super::sums::Sums;
use crate::dataset::LabelManager;
use crate::error::Result;
use crate::infer::layout::{Layout, Window};
use crate::infer::slabs::{Schedule, Target, segment};
use crate::infer::window::Tiles;
use crate::infer::{Network, Predictor, sliding_window};
use engine::{Device, Model};
use ndarray::{Array3, Array4};
use plugin_api::{NetworkSpec, abi::host::Library};
use proptest::prelude::*;
use serde_json::json;
use volume::resample::{Regrid, ResampleOptions};

/// A network that has its sums beside it, on the processor.
struct Beside<'a>(Network<'a>);

impl Predictor for Beside<'_> {
    fn logits(&self, x: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)> {
        panic!("the logits of {shape:?} ({} values) were read from the device", x.len())
    }

    fn mirror_axes(&self) -> Vec<usize> {
        self.0.mirror_axes.clone()
    }

    fn on_device(&self) -> Option<&Model> {
        Some(self.0.model)
    }
}

const CLASSES: usize = 3;

/// Two small U-Nets of other weights.
fn models(patch: &[usize]) -> Vec<Model> {
    standard::link();
    let (n, strides) = (patch.len(), vec![vec![1; patch.len()], vec![2; patch.len()]]);
    let kwargs = json!({
        "n_stages": 2, "features_per_stage": [4, 5], "conv_op": format!("torch.nn.modules.conv.Conv{n}d"), "kernel_sizes": vec![vec![3; n]; 2],
        "strides": strides, "n_conv_per_stage": [1, 1], "n_conv_per_stage_decoder": [1], "conv_bias": true,
        "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{n}d"), "norm_op_kwargs": {"eps": 1e-5, "affine": true},
        "dropout_op": null, "dropout_op_kwargs": null, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true},
    });
    let spec = NetworkSpec {
        input_channels: 1,
        num_classes: CLASSES,
        patch_size: patch.to_vec(),
        deep_supervision: false,
        network_class_name: "PlainConvUNet".into(),
        arch_kwargs: kwargs,
    };
    let architecture = Library::builtin().architecture("PlainConvUNet", "{}").unwrap();
    (1..3).map(|seed| Model::build(&Device::cpu(), &architecture, &spec, seed).unwrap()).collect()
}

fn labels() -> LabelManager {
    super::dataset(1).label_manager().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the sizes, the folds, the views, the grid and the strips.
    #[test]
    fn sums_beside_the_network_are_those_of_the_host(
        image in [1..20_usize, 1..20_usize, 1..20_usize], patch in prop::collection::vec(2..5_usize, 2..=3), step_size in 0.3..=1.0, mirroring: bool,
        folds in 1..3_usize, grid in [1..24_usize, 1..24_usize, 1..24_usize], strips in 1..4_usize,
    ) {
        let patch: Vec<usize> = patch.into_iter().map(|n| 2 * n).collect();
        let models = models(&patch);
        let networks = || models.iter().take(folds).map(|model| Network { model, mirror_axes: (0..patch.len()).collect(), bytes: 0 });
        let (hosted, beside) = (networks().collect::<Vec<_>>(), networks().map(Beside).collect::<Vec<_>>());
        let hosted: Vec<&dyn Predictor> = hosted.iter().map(|network| network as &dyn Predictor).collect();
        let beside: Vec<&dyn Predictor> = beside.iter().map(|network| network as &dyn Predictor).collect();
        let window = Window { step_size, mirroring, ..Window::new(&patch) };
        let [d, h, w] = image;
        let x = Array4::from_shape_fn((1, d, h, w), |(_, z, y, x)| ((z * 7 + y * 5 + x * 3) % 11) as f32 / 5.0 - 1.0);

        let logits = sliding_window(&hosted, &x, CLASSES, &window).unwrap();
        prop_assert_eq!(&sliding_window(&beside, &x, CLASSES, &window).unwrap(), &logits);

        let layout = Layout::new(image, CLASSES, &window).unwrap();
        let away = Window { on_device: false, ..window.clone() };
        let lie_there = |window: &Window| Tiles::new(&beside, &x, CLASSES, window).unwrap().sums(d, 0..h).beside(&layout, &[]).is_some();
        prop_assert!(lie_there(&window) && !lie_there(&away));
        let [host_labels, beside_labels] = [&hosted, &beside].map(|predictors| {
            let regrid = Regrid::new(image, grid, [1.0; 3], [1.0; 3], Some(&ResampleOptions::LABELS));
            let schedule = Schedule::new(&layout, &[&regrid], strips);
            let mut found = Array3::from_elem(grid, -7);
            let mut targets = [Target { regrid, segmentation: found.view_mut() }];
            segment(&Tiles::new(predictors, &x, CLASSES, &window).unwrap(), &schedule, &labels(), &mut targets).unwrap();
            found
        });
        prop_assert_eq!(beside_labels, host_labels);
    }
}

/// What is not finite in the sums is told as it is with sums in host memory.
#[test]
fn logits_that_are_no_numbers_are_refused() {
    let patch = [4, 4, 4];
    let models = models(&patch);
    let network = Beside(Network { model: &models[0], mirror_axes: vec![], bytes: 0 });
    let mut x = Array4::zeros((1, 6, 6, 6));
    x[[0, 3, 3, 3]] = f32::NAN;
    let error = sliding_window(&[&network], &x, CLASSES, &Window::new(&patch)).unwrap_err().to_string();
    assert!(error.contains("infinite or none"), "{error}");
}

/// A network whose logits are others than the plans say, too.
#[test]
fn logits_of_another_number_of_classes_are_refused() {
    let models = models(&[4, 4, 4]);
    let network = Beside(Network { model: &models[0], mirror_axes: vec![], bytes: 0 });
    let error = sliding_window(&[&network], &Array4::zeros((1, 6, 6, 6)), CLASSES + 1, &Window::new(&[4, 4, 4])).unwrap_err().to_string();
    assert!(error.contains("the network's logits are [8, 3, 4, 4, 4], wanted [8, 4, 4, 4, 4]"), "{error}");
}

/// Sums are on a device where one is named.
#[test]
fn sums_are_on_the_device_that_is_named() {
    let layout = Layout::new([4; 3], CLASSES, &Window::new(&[4; 3])).unwrap();
    assert!(Sums::new(&layout, 4, 0..4, None).beside(&layout, &[]).is_none());
    assert!(Sums::new(&layout, 4, 0..4, Some(&Device::cpu())).beside(&layout, &[]).is_some());
}
