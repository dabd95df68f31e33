mod beside;
mod export;
mod folder;
mod memory;
mod reference;
mod slabs;
mod validation;
mod window;

use super::Predictor;
use crate::dataset::DatasetJson;
use crate::error::Result;
use crate::plan::Plans;
use ndarray::{Array, Dimension};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use volume::files::NdArray;
use volume::files::npz::read_npz;

fn reference(name: &str) -> Option<PathBuf> {
    let found = std::env::var_os("NNUNET_REFERENCE").map(|folder| Path::new(&folder).join(name));
    if found.is_none() {
        eprintln!("skipped: NNUNET_REFERENCE is not set");
    }
    found
}

/// The arrays of an npz file.
struct Arrays(Vec<(String, NdArray)>);

impl Arrays {
    fn read(path: &Path) -> Self {
        Self(read_npz(path).unwrap())
    }

    fn find(&self, name: &str) -> Option<&NdArray> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, array)| array)
    }

    fn get<D: Dimension>(&self, name: &str) -> Array<f32, D> {
        let array = self.find(name).unwrap_or_else(|| panic!("no {name}"));
        Array::from_shape_vec(array.shape().to_vec(), array.to_f32()).unwrap().into_dimensionality().unwrap()
    }
}

/// Works voxel by voxel: class 0 is 0, class k is k times the first channel less k (k - 1) / 2, so that rounding up the
/// intensity gives the label.
struct Pointwise {
    classes: usize,
    mirror_axes: Vec<usize>,
}

impl Predictor for Pointwise {
    fn logits(&self, x: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)> {
        let voxels: usize = shape[2..].iter().product();
        let mut logits = Vec::new();
        for sample in x.chunks(shape[1] * voxels) {
            for class in (0..self.classes).map(|class| class as f32) {
                logits.extend(sample[..voxels].iter().map(|v| class * v - class * (class - 1.0) / 2.0));
            }
        }
        let mut shape = shape.to_vec();
        shape[1] = self.classes;
        Ok((logits, shape))
    }

    fn mirror_axes(&self) -> Vec<usize> {
        self.mirror_axes.clone()
    }
}

fn dataset(channels: usize) -> DatasetJson {
    let channels: serde_json::Map<String, Value> = (0..channels).map(|i| (i.to_string(), json!("noNorm"))).collect();
    let labels = json!({"background": 0, "a": 1, "b": 2});
    serde_json::from_value(json!({"channel_names": channels, "labels": labels, "numTraining": 3, "file_ending": ".nii.gz"})).unwrap()
}

/// Plans without normalisation: 3d_fullres at 1 mm with patch (8, 6, 5), 2d with patch (6, 5), and a second stage.
fn plans(channels: usize) -> Plans {
    let resampling = |order: usize| json!({"is_seg": false, "order": order, "order_z": 0, "force_separate_z": null});
    let function = "resample_data_or_seg_to_shape";
    let configuration = |patch: Value, spacing: Value| {
        json!({
            "data_identifier": "nnUNetPlans_x", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": patch,
            "median_image_size_in_voxels": patch, "spacing": spacing, "normalization_schemes": vec!["NoNormalization"; channels],
            "use_mask_for_norm": vec![false; channels], "resampling_fn_data": function, "resampling_fn_seg": function,
            "resampling_fn_probabilities": function, "resampling_fn_data_kwargs": resampling(3),
            "resampling_fn_seg_kwargs": resampling(1), "resampling_fn_probabilities_kwargs": resampling(1),
            "architecture": {"network_class_name": "PlainConvUNet", "arch_kwargs": {}, "_kw_requires_import": []}, "batch_dice": false,
        })
    };
    serde_json::from_value(json!({
        "dataset_name": "Dataset004_X", "plans_name": "nnUNetPlans", "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "original_median_shape_after_transp": [8, 6, 5], "image_reader_writer": "SimpleITKIO", "transpose_forward": [2, 0, 1],
        "transpose_backward": [1, 2, 0], "foreground_intensity_properties_per_channel": {},
        "configurations": {
            "3d_fullres": configuration(json!([8, 6, 5]), json!([1.0, 1.0, 1.0])),
            "2d": configuration(json!([6, 5]), json!([1.0, 1.0])),
            "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
        },
    }))
    .unwrap()
}
