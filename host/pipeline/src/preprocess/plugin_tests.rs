//! Preprocessor and normalization plugins, linked into the tests through the very registration that files use.

use super::*;
use crate::dataset::DatasetJson;
use crate::error::Result;
use crate::plan::Plans;
use crate::test_data::registry_of_tests;
use ndarray::{Array3, Array4, Axis};
use plugin_api::Result as Answer;
use plugin_api::prelude::{Case, Channel, ChannelFacts, Deserialize, Mask, Normalization, Preprocessor, bail};
use serde_json::json;
use volume::image::{Geometry, Image};

macro_rules! preprocessor {
    ($name:literal, $ty:ident, { $($step:item)* }) => {
        #[derive(Default, Deserialize)]
        struct $ty {}
        impl Preprocessor for $ty { $($step)* }
        plugin_api::register_preprocessor!($name, $ty, "test: a preprocessor");
    };
}

preprocessor!("TestAround", Around, {
    fn before(&self, case: &mut Case<'_>) -> Answer<()> {
        // the image's own axes and spacing, and the plan's in the same order
        assert_eq!((case.image.shape(), case.spacing.0, case.target_spacing.0), ([1, 9, 7, 12], [1.0, 2.0, 1.0], [1.0, 1.0, 1.0]));
        assert_eq!(case.plan.configuration["preprocessor_name"], "TestAround");
        case.image.values_mut().iter_mut().for_each(|v| *v *= 3.0);
        Ok(())
    }
    fn after(&self, case: &mut Case<'_>) -> Answer<()> {
        assert_eq!(case.spacing, case.target_spacing);
        if let Some(labels) = &mut case.labels {
            labels.values_mut().iter_mut().filter(|label| **label == 2).for_each(|label| *label = 1);
        }
        case.image.values_mut().iter_mut().for_each(|v| *v += 100.0);
        Ok(())
    }
});
preprocessor!("TestInstead", Instead, {
    fn run(&self, case: &mut Case<'_>) -> Answer<bool> {
        let [c, d, h, w] = case.image.shape();
        // without the first and the last slice
        let keep = h * w..(d - 1) * h * w;
        let image = case.image.values()[keep.clone()].to_vec();
        case.image.replace(&[c, d - 2, h, w], image)?;
        if let Some(labels) = &mut case.labels {
            let kept = labels.values()[keep].to_vec();
            labels.replace(&[1, d - 2, h, w], kept)?;
        }
        case.crop[0] = [1, d - 1];
        Ok(true)
    }
});
preprocessor!("TestShapeBefore", ShapeBefore, {
    fn before(&self, case: &mut Case<'_>) -> Answer<()> {
        case.image.replace(&[1, 1, 1, 2], vec![1.0, 2.0])
    }
});
preprocessor!("TestCropOutside", CropOutside, {
    fn run(&self, case: &mut Case<'_>) -> Answer<bool> {
        case.crop[1] = [0, 99];
        Ok(true)
    }
});

/// Divides by the sum of what is inside the mask.
#[derive(Default, Deserialize)]
struct BySum {}

impl Normalization for BySum {
    fn normalize(&self, channel: &mut Channel<'_, f32>, mask: Option<Mask<'_>>, facts: &ChannelFacts) -> Answer<()> {
        let Some(mask) = mask else { bail!("channel {} comes without a mask", facts.name) };
        let sum: f32 = channel.voxels.iter().zip(mask.iter()).filter(|(_, inside)| *inside).map(|(v, _)| *v).sum();
        channel.voxels.iter_mut().zip(mask.iter()).filter(|(_, inside)| *inside).for_each(|(v, _)| *v /= sum);
        Ok(())
    }
}
plugin_api::register_normalization!("TestBySum", BySum, "test: a normalization");

fn dataset() -> DatasetJson {
    let labels = json!({"background": 0, "a": 1, "b": 2});
    serde_json::from_value(json!({"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 3, "file_ending": ".nii.gz"})).unwrap()
}

/// Default plans, the slowest axis in the middle, with some keys of the configuration replaced.
fn plans(keys: serde_json::Value) -> Plans {
    let mut plans = crate::plan::tests::example("ExperimentPlanner");
    (plans.transpose_forward, plans.transpose_backward) = ([1, 0, 2], [1, 0, 2]);
    let configuration = plans.configurations["3d_fullres"].as_object_mut().unwrap();
    configuration.extend(keys.as_object().unwrap().clone());
    plans
}

/// Zero in the first three rows.
fn image() -> Image {
    let data = Array4::from_shape_fn((1, 9, 7, 12), |(_, z, y, x)| if y < 3 { 0.0 } else { (1 + z * 84 + y * 12 + x) as f32 });
    Image { data, geometry: Geometry::of_spacing([1.0, 2.0, 1.0]) }
}

fn seg() -> Array3<i16> {
    Array3::from_shape_fn((9, 7, 12), |(z, _, x)| ((z / 3 + x / 4) % 3) as i16)
}

fn made(plans: &Plans, seg: Option<Array3<i16>>) -> Result<PreprocessedCase> {
    let (_dir, registry) = registry_of_tests();
    let (configuration, dataset) = (plans.configuration("3d_fullres")?, dataset());
    let plugins = Plugins::of(&registry, plans, &configuration, &dataset)?;
    preprocess_with(&plugins, image(), seg, plans, &configuration, &dataset)
}

#[test]
fn before_and_after_the_standard_steps() {
    let own = made(&plans(json!({})), Some(seg())).unwrap();
    let around = made(&plans(json!({"preprocessor_name": "TestAround"})), Some(seg())).unwrap();
    // a scale is normalized away, what is added afterwards is not
    assert!(own.data.iter().zip(&around.data).all(|(a, b)| (a + 100.0 - b).abs() < 1e-4));
    assert!(own.seg.iter().zip(&around.seg).all(|(&a, &b)| b == if a == 2 { 1 } else { a }) && own.seg.iter().any(|&label| label == 2));
    assert_eq!(own.properties.shape_before_cropping, around.properties.shape_before_cropping);
    // places of classes are those of the labels as they are in the end
    let places = around.properties.class_locations.unwrap();
    assert!(places.iter().any(|(_, voxels)| voxels.is_empty()), "nothing is left of class 2");
    // prediction has no labels
    assert_eq!(made(&plans(json!({"preprocessor_name": "TestAround"})), None).unwrap().data, around.data);
}

#[test]
fn instead_of_the_standard_steps() {
    let plans = plans(json!({"preprocessor_name": "TestInstead"}));
    let case = made(&plans, Some(seg())).unwrap();
    let turned = image().data.permuted_axes([0, 2, 1, 3]);
    assert_eq!(case.data, turned.slice_axis(Axis(1), (1..6).into()));
    assert_eq!(case.seg, seg().permuted_axes([1, 0, 2]).slice_axis(Axis(0), (1..6).into()));
    assert_eq!(case.properties.bbox_used_for_cropping, [[1, 6], [0, 9], [0, 12]]);
    assert_eq!(case.properties.shape_after_cropping_and_before_resampling, [5, 9, 12]);
    // the way back puts the segmentation where the image was
    let (configuration, dataset) = (plans.configuration("3d_fullres").unwrap(), dataset());
    let model = crate::infer::LoadedModel { plugins: None, plans: &plans, configuration: &configuration, dataset: &dataset, predictors: &[] };
    let export = crate::infer::Export::new(&model).unwrap();
    let logits = Array4::from_shape_fn((3, 5, 9, 12), |(class, _, _, _)| if class == 2 { 1.0 } else { 0.0 });
    let segmentation = export.segmentation(&logits, &case.properties).unwrap();
    assert_eq!(segmentation, Array3::from_shape_fn((9, 7, 12), |(_, y, _)| if (1..6).contains(&y) { 2 } else { 0 }));
    let without = made(&plans, None).unwrap();
    assert!(without.data == case.data && without.seg.iter().all(|&label| label == 0));
}

#[test]
fn a_normalization_of_a_plugin() {
    let keys = json!({"normalization_schemes": ["TestBySum"], "use_mask_for_norm": [true], "spacing": [2.0, 1.0, 1.0]});
    let case = made(&plans(keys), None).unwrap();
    let inside: f32 = case.data.iter().zip(&case.seg).filter(|(_, label)| **label >= 0).map(|(v, _)| *v).sum();
    assert!((inside - 1.0).abs() < 1e-4, "{inside}");
    let error = made(&plans(json!({"normalization_schemes": ["TestBySum"]})), None).unwrap_err().to_string();
    assert!(error.contains("failed in normalize at ") && error.ends_with("channel MRI comes without a mask"), "{error}");
}

#[test]
fn faults_are_sentences() {
    let fault = |keys| made(&plans(keys), None).unwrap_err().to_string();
    let error = fault(json!({"preprocessor_name": "TestShapeBefore"}));
    assert!(error.contains("in before: made an array `image` of shape [1, 1, 1, 2] of a case of shape [1, 9, 7, 12]; only `run`"), "{error}");
    let error = fault(json!({"preprocessor_name": "TestCropOutside"}));
    assert!(error.contains("in run: says that the image shows the part [[0, 7], [0, 99], [0, 12]]"), "{error}");
    let error = fault(json!({"preprocessor_name": "TestArund"}));
    assert!(error.starts_with("no preprocessor is called `TestArund`; did you mean `TestAround`?"), "{error}");
    let error = fault(json!({"normalization_schemes": ["ZScore"]}));
    assert!(error.starts_with("no normalization is called `ZScore`") && error.contains("CTNormalization"), "{error}");
}

#[test]
fn another_version_of_a_plugin_makes_other_cases() {
    let (_dir, registry) = registry_of_tests();
    let (plans, dataset) = (plans(json!({"preprocessor_name": "TestAround"})), dataset());
    let configuration = plans.configuration("3d_fullres").unwrap();
    let plugins = Plugins::of(&registry, &plans, &configuration, &dataset).unwrap();
    let with = manifest::plan_hash(&plans, &configuration, &dataset, &plugins);
    assert_ne!(with, manifest::plan_hash(&plans, &configuration, &dataset, &Plugins::default()));
    assert_eq!(plugins.hashes().len(), 1);
}

/// A reader that turns images makes other arrays of the same plan.
#[test]
fn another_reader_makes_other_cases() {
    let (mut plans, dataset) = (plans(json!({})), dataset());
    let configuration = plans.configuration("3d_fullres").unwrap();
    let before = manifest::plan_hash(&plans, &configuration, &dataset, &Plugins::default());
    plans.image_reader_writer = "SimpleITKIOWithReorient".to_owned();
    assert_ne!(before, manifest::plan_hash(&plans, &configuration, &dataset, &Plugins::default()));
}

/// What an image file of 1e20 mm would become fits nowhere, not even into a number.
#[test]
fn a_spacing_that_cannot_be_is_refused_before_memory_is_asked_for() {
    let (plans, dataset) = (plans(json!({})), dataset());
    let image = Image { geometry: Geometry::of_spacing([1.0, 1e20, 1.0]), ..image() };
    let error = preprocess_case(image, None, &plans, &plans.configuration("3d_fullres").unwrap(), &dataset).unwrap_err().to_string();
    assert!(error.contains(" at [1e20, 1.0, 1.0] mm would become [") && error.contains(" at [1.0, 1.0, 1.0] mm, more voxels than any"), "{error}");
}
