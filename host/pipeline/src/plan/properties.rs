//! What must hold of the plans for any fingerprint.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Map, json};

use super::tests::planning_size;
use super::{Configuration, Options, PRESETS, Plans, Preset, plan_experiment};
use crate::dataset::DatasetJson;
use crate::error::Result;
use crate::fingerprint::Fingerprint;

/// A dataset that somebody might have.
#[derive(Debug, Clone)]
struct Given {
    dataset: DatasetJson,
    fingerprint: Fingerprint,
    preset: Preset,
    options: Options,
}

impl Given {
    fn plan(&self) -> Result<Plans> {
        plan_experiment("Dataset001_Any", &self.dataset, &self.fingerprint, &self.options, &planning_size)
    }

    /// The reference for 2 or 3 axes, and the batch that it stands for.
    fn reference(&self, dims: usize) -> (f64, f64) {
        let target = self.options.gpu_memory_target.unwrap_or(self.preset.target_gb) / self.preset.reference_gb;
        if dims == 2 { (self.preset.reference_2d * target, 12.0) } else { (self.preset.reference_3d * target, 2.0) }
    }

    /// Elements of all convolution outputs of a sample.
    fn estimate(&self, configuration: &Configuration) -> f64 {
        planning_size(&configuration.network_spec(self.dataset.channel_names.len(), self.dataset.num_label_entries(), false)).unwrap() as f64
    }
}

/// Even on a logarithmic scale.
fn logarithmic(low: f64, high: f64) -> impl Strategy<Value = f64> {
    (low.ln()..high.ln()).prop_map(f64::exp)
}

prop_compose! {
    /// Volumes from a few voxels to a thousand along an axis, some of a single slice, spacings that differ up to a hundredfold.
    fn given()(
        spacing in prop::array::uniform3(logarithmic(0.1, 10.0)),
        shape in prop::array::uniform3(logarithmic(1.0, 1000.0)),
        flat in prop::bool::weighted(0.1),
        square in prop::bool::weighted(0.3),
        cases in prop::collection::vec((prop::array::uniform3(0.7..1.4), prop::array::uniform3(0.7..1.4)), 1..9),
        channels in 1..5,
        labels in 2..7,
        training in 1..500,
        preset in prop::sample::select(PRESETS.to_vec()),
        gigabytes in prop::option::weighted(0.5, logarithmic(0.5, 100.0)),
        target in prop::option::weighted(0.1, prop::array::uniform3(logarithmic(0.2, 5.0))),
        suppress_transpose in prop::bool::weighted(0.2),
    ) -> Given {
        let (mut spacing, mut shape) = (spacing, shape);
        if square {
            (spacing[2], shape[2]) = (spacing[1], shape[1]);
        }
        let jitter = |base: [f64; 3], by: &[f64; 3]| -> [f64; 3] { std::array::from_fn(|axis| base[axis] * by[axis]) };
        let mut spacings: Vec<_> = cases.iter().map(|(by, _)| jitter(spacing, by)).collect();
        let mut shapes: Vec<_> = cases.iter().map(|(_, by)| jitter(shape, by).map(|n| n.round().max(1.0) as usize)).collect();
        if flat {
            spacings.iter_mut().for_each(|spacing| spacing[0] = 999.0);
            shapes.iter_mut().for_each(|shape| shape[0] = 1);
        }
        let named = |count: i32, name: &str| (0..count).map(|i| (i.to_string(), json!(name))).collect::<Map<_, _>>();
        let labels: Map<_, _> = (0..labels).map(|i| (if i == 0 { "background".to_owned() } else { format!("l{i}") }, json!(i))).collect();
        let dataset = json!({"channel_names": named(channels, "MRI"), "labels": labels, "numTraining": training, "file_ending": ".nii.gz"});
        Given {
            dataset: serde_json::from_value(dataset).unwrap(),
            fingerprint: Fingerprint {
                foreground_intensity_properties_per_channel: Map::new(),
                median_relative_size_after_cropping: 1.0,
                shapes_after_crop: shapes,
                spacings,
            },
            preset,
            options: Options {
                planner: preset.name.to_owned(),
                gpu_memory_target: gigabytes,
                target_spacing: target.filter(|_| !flat),
                suppress_transpose,
                ..Options::default()
            },
        }
    }
}

fn check(given: &Given) -> Result<(), TestCaseError> {
    let plans = given.plan().map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&given.plan().unwrap(), &plans, "planned again, it is another plan");
    let full_voxels = plans.configurations.get("3d_fullres").map(|_| plans.configuration("3d_fullres").unwrap());
    let full_voxels = full_voxels.map(|full| full.median_image_size_in_voxels.iter().product::<f64>());
    for name in plans.configurations.keys() {
        let configuration = plans.configuration(name).unwrap();
        let dims = configuration.dims();
        let stages = configuration.network_spec(1, 2, false).stages().unwrap();
        for (axis, &side) in configuration.patch_size.iter().enumerate() {
            let divisor: usize = stages.iter().map(|stage| stage.stride[axis]).product();
            prop_assert!(
                side > 0 && side.is_multiple_of(divisor),
                "{}: the patch {:?} is not divisible by {}",
                name,
                configuration.patch_size,
                divisor
            );
        }
        let (estimate, (reference, batch)) = (given.estimate(&configuration), given.reference(dims));
        let fits = if given.preset.residual { estimate } else { estimate / batch * 2.0 };
        prop_assert!(fits <= reference, "{}: {} > {}", name, fits, reference);
        let by_memory = (reference / estimate * batch).round_ties_even();
        let found = configuration.batch_size as f64;
        prop_assert!(found >= 2.0 && found <= by_memory.max(2.0), "{}: a batch of {}, memory for {}", name, found, by_memory);
        if let Some(voxels) = full_voxels.filter(|_| name != "3d_lowres") {
            let patch: f64 = configuration.patch_size.iter().map(|&n| n as f64).product();
            let most = (voxels * given.dataset.num_training as f64 * given.preset.max_dataset_covered / patch).round_ties_even();
            prop_assert_eq!(found, by_memory.min(most).max(2.0), "{}: {} by memory, {} by the dataset", name, by_memory, most);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Patches that the strides divide, batches as nnU-Net rounds them, nothing that does not fit, the same each time.
    #[test]
    fn plans_hold_for_any_fingerprint(given in given()) {
        check(&given)?;
    }
}

/// Where not even the smallest patch fits, every axis was shrunk before the planner gave up.
#[test]
fn no_memory_at_all_is_an_error_that_names_the_smallest_patch() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..50 {
        let mut given = given().new_tree(&mut runner).unwrap().current();
        given.options.gpu_memory_target = Some(1e-9);
        let error = given.plan().unwrap_err().to_string();
        assert!(error.contains("not even a patch of") && error.contains("raise -gpu_memory_target"), "{error}");
        let smallest = error.split_once('[').and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
        assert!(smallest.split(", ").all(|side| side.parse::<usize>().unwrap() <= 2), "{error}");
    }
}
