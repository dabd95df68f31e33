//! A model folder around a network that was never trained.

use crate::checkpoint::{self, Checkpoint, HostRecord, Logging};
use crate::error::{Error, Result};
use crate::json as files;
use crate::plan::Plans;
use crate::train::build_model;
use engine::Device;
use plugin_api::TrainerConfig;
use registry::Registry;
use serde_json::{Map, Value, json};
use std::path::Path;

/// What to make.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// Channels of an image.
    pub channels: usize,
    /// Labels, the background among them.
    pub labels: usize,
    /// The network's patch; its axes are the network's.
    pub patch: Vec<usize>,
    /// The class, `PlainConvUNet` for one.
    pub class: String,
    /// Features of each stage.
    pub features: Vec<usize>,
    /// Convolutions, or residual blocks, a stage of the encoder.
    pub blocks: usize,
    /// The name of its trainer.
    pub trainer: String,
    /// What only the host needs; its config says which network it is.
    pub record: HostRecord,
}

impl Default for ModelSpec {
    fn default() -> Self {
        Self {
            channels: 1,
            labels: 2,
            patch: vec![16; 3],
            class: "PlainConvUNet".into(),
            features: vec![4, 8],
            blocks: 1,
            trainer: "nnUNetTrainer".into(),
            record: HostRecord::default(),
        }
    }
}

impl ModelSpec {
    /// The configuration's name.
    pub fn configuration(&self) -> &'static str {
        if self.patch.len() == 2 { "2d" } else { "3d_fullres" }
    }

    /// The plan's `architecture`.
    pub fn architecture(&self) -> Value {
        let (n, dims) = (self.features.len(), self.patch.len());
        let strides: Vec<Vec<usize>> = (0..n).map(|stage| vec![if stage == 0 { 1 } else { 2 }; dims]).collect();
        json!({
            "network_class_name": format!("dynamic_network_architectures.architectures.unet.{}", self.class),
            "arch_kwargs": {
                "n_stages": n, "features_per_stage": self.features, "conv_op": format!("torch.nn.modules.conv.Conv{dims}d"),
                "kernel_sizes": vec![vec![3; dims]; n], "strides": strides, "n_conv_per_stage": vec![self.blocks; n],
                "n_blocks_per_stage": vec![self.blocks; n], "n_conv_per_stage_decoder": vec![1; n - 1], "conv_bias": true,
                "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{dims}d"), "norm_op_kwargs": {"eps": 1e-5, "affine": true},
                "dropout_op": null, "dropout_op_kwargs": null, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        })
    }

    /// Plans with one configuration, at 1.5 mm.
    fn plans(&self) -> Value {
        let (function, channels, spacing) = ("resample_data_or_seg_to_shape", self.channels, vec![1.5; self.patch.len()]);
        let settings = |order: usize| json!({"is_seg": false, "order": order, "order_z": 0, "force_separate_z": null});
        json!({
            "dataset_name": "Dataset118_Organs", "plans_name": "nnUNetPlans", "original_median_spacing_after_transp": [1.5, 1.5, 1.5],
            "original_median_shape_after_transp": [300, 200, 200], "image_reader_writer": "SimpleITKIO", "transpose_forward": [0, 1, 2],
            "transpose_backward": [0, 1, 2], "foreground_intensity_properties_per_channel": {},
            "configurations": {self.configuration(): {
                "data_identifier": "nnUNetPlans_3d_fullres", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
                "patch_size": self.patch, "median_image_size_in_voxels": [300, 200, 200], "spacing": spacing,
                "normalization_schemes": vec!["ZScoreNormalization"; channels], "use_mask_for_norm": vec![false; channels],
                "resampling_fn_data": function, "resampling_fn_seg": function, "resampling_fn_probabilities": function,
                "resampling_fn_data_kwargs": settings(3), "resampling_fn_seg_kwargs": settings(1), "resampling_fn_probabilities_kwargs": settings(1),
                "architecture": self.architecture(), "batch_dice": false,
            }},
        })
    }
}

/// Writes `plans.json`, `dataset.json` and `fold_0/checkpoint_final.pth`.
///
/// # Errors
/// The network is not there or refuses the plan; a file cannot be written.
pub fn write_model(registry: &Registry, folder: &Path, spec: &ModelSpec) -> Result<()> {
    let fold = folder.join("fold_0");
    std::fs::create_dir_all(&fold).map_err(Error::io("create", &fold))?;
    let name = |label: usize| if label == 0 { "background".to_owned() } else { format!("organ_{label}") };
    let labels: Map<String, Value> = (0..spec.labels).map(|label| (name(label), json!(label))).collect();
    let channels: Map<String, Value> = (0..spec.channels).map(|channel| (channel.to_string(), json!("MRI"))).collect();
    let dataset = json!({"channel_names": channels, "labels": labels, "numTraining": 1, "file_ending": ".nii"});
    let plans = spec.plans();
    files::write(&folder.join("plans.json"), &plans)?;
    files::write(&folder.join("dataset.json"), &dataset)?;
    let configuration = Plans::read(&folder.join("plans.json"))?.configuration(spec.configuration())?;
    let network = configuration.network_spec(spec.channels, spec.labels, true);
    let config: &TrainerConfig = &spec.record.config;
    let (model, ..) = build_model(registry, config, &network, &Device::cpu(), 7)?;
    let checkpoint = Checkpoint {
        weights: model.weights()?,
        optimizer: None,
        logging: Logging::default(),
        best_ema: None,
        current_epoch: 1,
        plans,
        configuration: spec.configuration().into(),
        fold: "0".into(),
        dataset_json: dataset,
        device: "cpu".into(),
        trainer_name: spec.trainer.clone(),
        mirror_axes: (0..spec.patch.len()).collect(),
        host: spec.record.clone(),
    };
    checkpoint::write(&fold.join("checkpoint_final.pth"), &checkpoint)
}
