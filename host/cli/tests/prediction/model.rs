//! A model folder around a network that was never trained.

use engine::{Device, Model};
use pipeline::{
    checkpoint::{self, Checkpoint, HostRecord, Logging},
    dataset::DatasetJson,
    plan::Plans,
    train::build_model,
};
use plugin_api::TrainerConfig;
use registry::{Options, Registry};
use serde_json::{Map, Value, json};
use std::{fs, path::Path};

/// Two stages of 4 and 8 features.
pub(crate) fn architecture() -> Value {
    json!({
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": 2, "features_per_stage": [4, 8], "conv_op": "torch.nn.modules.conv.Conv3d", "kernel_sizes": [[3, 3, 3], [3, 3, 3]],
            "strides": [[1, 1, 1], [2, 2, 2]], "n_conv_per_stage": [1, 1], "n_conv_per_stage_decoder": [1], "conv_bias": true,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs": {"eps": 1e-5, "affine": true}, "dropout_op": null,
            "dropout_op_kwargs": null, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    })
}

/// Plans with one configuration, `3d_fullres`, at 1.5 mm.
fn plans(patch: usize) -> Value {
    let (function, patch) = ("resample_data_or_seg_to_shape", vec![patch; 3]);
    let kwargs = |order: usize| json!({"is_seg": false, "order": order, "order_z": 0, "force_separate_z": null});
    json!({
        "dataset_name": "Dataset118_Organs", "plans_name": "nnUNetPlans", "original_median_spacing_after_transp": [1.5, 1.5, 1.5],
        "original_median_shape_after_transp": [300, 200, 200], "image_reader_writer": "SimpleITKIO", "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2], "foreground_intensity_properties_per_channel": {},
        "configurations": {"3d_fullres": {
            "data_identifier": "nnUNetPlans_3d_fullres", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": patch,
            "median_image_size_in_voxels": [300, 200, 200], "spacing": [1.5, 1.5, 1.5], "normalization_schemes": ["ZScoreNormalization"],
            "use_mask_for_norm": [false], "resampling_fn_data": function, "resampling_fn_seg": function, "resampling_fn_probabilities": function,
            "resampling_fn_data_kwargs": kwargs(3), "resampling_fn_seg_kwargs": kwargs(1), "resampling_fn_probabilities_kwargs": kwargs(1),
            "architecture": architecture(), "batch_dice": false,
        }},
    })
}

/// Writes `plans.json`, `dataset.json` and `fold_0/checkpoint_final.pth` of a model with so many labels; `record` is what only we keep.
pub(crate) fn write(folder: &Path, patch: usize, labels: usize, trainer: &str, record: HostRecord) {
    standard::link();
    fs::create_dir_all(folder.join("fold_0")).unwrap();
    let names: Map<String, Value> = (0..labels).map(|k| (if k == 0 { "background".into() } else { format!("organ_{k}") }, json!(k))).collect();
    let dataset = json!({"channel_names": {"0": "MRI"}, "labels": names, "numTraining": 1, "file_ending": ".nii"});
    let plans = plans(patch);
    fs::write(folder.join("plans.json"), plans.to_string()).unwrap();
    fs::write(folder.join("dataset.json"), dataset.to_string()).unwrap();
    let configuration = Plans::read(&folder.join("plans.json")).unwrap().configuration("3d_fullres").unwrap();
    assert_eq!(DatasetJson::read(folder).unwrap().label_manager().unwrap().num_outputs(), labels);
    let no_plugins =
        Options { search: Default::default(), cache: folder.join("cache"), lock: folder.join("lock"), dev_plugins: false, trust: Default::default() };
    let registry = Registry::open(no_plugins).unwrap();
    let spec = configuration.network_spec(1, labels, true);
    let (network, ..): (Model, _, _) = build_model(&registry, &TrainerConfig::default(), &spec, &Device::parse("cpu").unwrap(), 7).unwrap();
    let checkpoint = Checkpoint {
        weights: network.weights().unwrap(),
        optimizer: None,
        logging: Logging::default(),
        best_ema: None,
        current_epoch: 1,
        plans,
        configuration: "3d_fullres".into(),
        fold: "0".into(),
        dataset_json: dataset,
        device: "cpu".into(),
        trainer_name: trainer.into(),
        mirror_axes: vec![0, 1, 2],
        host: record,
    };
    checkpoint::write(&folder.join("fold_0/checkpoint_final.pth"), &checkpoint).unwrap();
}
