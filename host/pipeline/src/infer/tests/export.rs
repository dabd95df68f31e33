//! From logits to the image's grid.

use super::{Arrays, dataset, plans, reference};
use crate::dataset::{DatasetJson, read_labels};
use crate::infer::{Export, LoadedModel};
use crate::plan::Plans;
use crate::preprocess::preprocess_case;
use ndarray::{Array3, Array4, Axis, Ix3, Ix4};
use volume::files::CaseProperties;
use volume::image::read_channels;

/// (K, z, y, x) of all classes.
fn probabilities(export: &Export<'_>, logits: &Array4<f32>, properties: &CaseProperties) -> Array4<f32> {
    let mut classes = Vec::new();
    let collect = |class: &ndarray::ArrayRef3<f32>| {
        classes.push(class.to_owned());
        Ok(())
    };
    export.probabilities(logits, properties, collect).unwrap();
    ndarray::stack(Axis(0), &classes.iter().map(|class| class.view()).collect::<Vec<_>>()).unwrap()
}

/// Segmentations agree but for ties in 0.05 % of the voxels, probabilities within 2e-3 (they are stored as f16).
#[test]
fn exports_of_the_reference() {
    let Some(folder) = reference("preproc/crafted") else { return };
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("export.npz").exists() {
            continue;
        }
        let (plans, dataset) = (Plans::read(&folder.join("plans.json")).unwrap(), DatasetJson::read(&folder).unwrap());
        let configuration = plans.configuration(plans.configurations.keys().next().unwrap()).unwrap();
        let model = LoadedModel { plugins: None, plans: &plans, configuration: &configuration, dataset: &dataset, predictors: &[] };
        let (image, _) = read_channels(&[folder.join("in_0000.nii.gz")]).unwrap();
        let (seg, _) = read_labels(&folder.join("in_seg.nii.gz"), &dataset).unwrap();
        let properties = preprocess_case(image, Some(seg), &plans, &configuration, &dataset).unwrap().properties;

        let arrays = Arrays::read(&folder.join("export.npz"));
        let logits = arrays.get::<Ix4>("logits_f16");
        let export = Export::new(&model).unwrap();
        let segmentation = export.segmentation(&logits, &properties).unwrap();
        let probabilities = probabilities(&export, &logits, &properties);
        let wanted = arrays.get::<Ix3>("seg_f32").mapv(|label| label as i16);
        assert_eq!(segmentation.dim(), wanted.dim());
        let different = segmentation.iter().zip(&wanted).filter(|(a, b)| a != b).count();
        let wanted = arrays.get::<Ix4>("prob_f32");
        assert_eq!(probabilities.dim(), wanted.dim());
        let worst = probabilities.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{}: {different} of {} voxels differ, probabilities by {worst:.1e}", folder.display(), segmentation.len());
        assert!(different as f64 <= 0.0005 * segmentation.len() as f64, "{}: {different} voxels", folder.display());
        assert!(worst <= 2e-3, "{}: {worst}", folder.display());
        compared += 1;
    }
    assert_eq!(compared, 8);
}

/// A crop at (z 1..3, y 0..2, x 2..3) of a (3, 2, 4) image whose axes were turned to (x, z, y).
fn crop() -> (CaseProperties, Array4<f32>) {
    let properties = CaseProperties {
        spacing: vec![1.0; 3],
        shape_before_cropping: vec![4, 3, 2],
        bbox_used_for_cropping: vec![[2, 3], [1, 3], [0, 2]],
        shape_after_cropping_and_before_resampling: vec![1, 2, 2],
        ..CaseProperties::default()
    };
    (properties, Array4::from_shape_fn((3, 1, 2, 2), |(k, _, z, y)| if k == 1 + (z + y) % 2 { 5.0 } else { 0.0 }))
}

#[test]
fn the_crop_goes_back_to_its_place() {
    let (plans, dataset) = (plans(1), dataset(1));
    let configuration = plans.configuration("3d_fullres").unwrap();
    let export =
        Export::new(&LoadedModel { plugins: None, plans: &plans, configuration: &configuration, dataset: &dataset, predictors: &[] }).unwrap();
    let (properties, logits) = crop();
    let wanted = Array3::from_shape_fn((3, 2, 4), |(z, y, x)| if x == 2 && z >= 1 { 1 + ((z - 1 + y) % 2) as i16 } else { 0 });
    let segmentation = export.segmentation(&logits, &properties).unwrap();
    let probabilities = probabilities(&export, &logits, &properties);
    assert_eq!((segmentation.dim(), &segmentation), ((3, 2, 4), &wanted));
    assert!(segmentation.is_standard_layout() && probabilities.is_standard_layout());
    for ((z, y, x), &label) in wanted.indexed_iter() {
        let sum: f32 = (0..3).map(|k| probabilities[[k, z, y, x]]).sum();
        let most = (5_f32).exp() / (2.0 + 5_f32.exp());
        assert!((sum - 1.0).abs() < 1e-6);
        assert!((probabilities[[label as usize, z, y, x]] - if label == 0 { 1.0 } else { most }).abs() < 1e-6);
    }
}

#[test]
fn properties_that_contradict_themselves_are_refused() {
    let (plans, dataset) = (plans(1), dataset(1));
    let configuration = plans.configuration("3d_fullres").unwrap();
    let export =
        Export::new(&LoadedModel { plugins: None, plans: &plans, configuration: &configuration, dataset: &dataset, predictors: &[] }).unwrap();
    let (properties, logits) = crop();
    let error = |properties: &CaseProperties| export.segmentation(&logits, properties).unwrap_err().to_string();
    assert!(error(&CaseProperties { bbox_used_for_cropping: vec![[2, 9], [1, 3], [0, 2]], ..properties.clone() }).contains("[2, 9]"));
    assert!(error(&CaseProperties { spacing: vec![1.0; 2], ..properties.clone() }).contains("2 axes"));
    assert!(error(&CaseProperties { spacing: vec![1.0, 0.0, 1.0], ..properties.clone() }).contains("spacing"));
    let few = logits.slice(ndarray::s![..2, .., .., ..]).to_owned();
    assert!(export.segmentation(&few, &properties).unwrap_err().to_string().contains("2 classes, but the dataset has 3"));
}
