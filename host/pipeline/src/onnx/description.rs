//! What belongs around the network: how an image becomes its input, and its logits a segmentation.

use super::{OPSET, proto::Model};
use crate::{
    checkpoint::Checkpoint,
    dataset::{DatasetJson, Nonlinearity},
    error::Result,
    plan::{Configuration, Plans},
};
use serde_json::{Map, Value, json};
use std::path::Path;

/// The JSON beside the file. Axes are z, y, x after `transpose_forward`; lengths are voxels and mm.
pub(super) fn of(model: &Path, plans: &Plans, dataset: &DatasetJson, checkpoint: &Checkpoint, onnx: &Model) -> Result<Value> {
    let configuration = plans.configuration(&checkpoint.configuration)?;
    let labels = dataset.label_manager()?;
    let outputs = labels.num_outputs();
    let graph = onnx.graph.as_ref();
    let planned = configuration.architecture.network_class_name.as_str();
    let network = checkpoint.host.config.architecture.as_ref().map_or(planned, |architecture| architecture.name_or(planned));
    let name = |list: Option<&super::proto::ValueInfo>| list.map_or(String::new(), |value| value.name.clone());
    let nonlinearity = match labels.nonlinearity() {
        Nonlinearity::Softmax => "softmax",
        Nonlinearity::Sigmoid => "sigmoid",
    };
    let decoding = if labels.has_regions() {
        "a voxel gets the value of the last region in regions_class_order whose probability exceeds 1/2, else 0"
    } else {
        "a voxel gets the label of the largest logit, of several the first"
    };
    Ok(json!({
        "dataset": plans.dataset_name,
        "plans": plans.plans_name,
        "configuration": checkpoint.configuration,
        "trainer": checkpoint.trainer_name,
        "fold": checkpoint.fold,
        "network": network,
        "model_folder": model.file_name().map(|name| name.to_string_lossy()),
        "opset": OPSET,
        "input": {
            "name": name(graph.and_then(|graph| graph.input.first())),
            "axes": axes(&configuration),
            "channels": configuration.input_channels(dataset, &labels),
            "patch_size": configuration.patch_size,
        },
        "output": { "name": name(graph.and_then(|graph| graph.output.first())), "axes": axes(&configuration), "channels": outputs, "values": "logits" },
        "preprocessing": {
            "preprocessor": configuration.preprocessor_name,
            "steps": ["transpose", "crop to the box of what is not zero in any channel", "normalize", "resample to the spacing"],
            "transpose_forward": plans.transpose_forward,
            "channels": channels(plans, &configuration, dataset),
            "spacing": configuration.spacing,
            "resampling": { "function": configuration.resampling_fn_data, "settings": configuration.resampling_fn_data_kwargs },
            "previous_stage": configuration.previous_stage.as_ref().map(|stage| json!({
                "configuration": stage,
                "channels": labels.foreground_labels(),
                "values": "1 where the previous stage's segmentation has the label, else 0; behind the image's channels",
            })),
        },
        "prediction": {
            "step_size": 0.5,
            "padding": "an image smaller than the patch is padded with 0 on both sides",
            "tile_weights": "gaussian around the centre, sigma = patch / 8",
            "mirror_axes": checkpoint.mirror_axes,
            "mirroring": "the mean of the logits of every combination of the axes, each turned back",
        },
        "postprocessing": {
            "steps": ["resample the logits to the crop", "decode", "put the crop back, 0 outside", "transpose"],
            "resampling": { "function": configuration.resampling_fn_probabilities, "settings": configuration.resampling_fn_probabilities_kwargs },
            "nonlinearity": nonlinearity,
            "decoding": decoding,
            "labels": dataset.labels.iter().map(|label| (label.name.clone(), json!(label.values))).collect::<Map<_, _>>(),
            "output_labels": if labels.has_regions() { labels.regions_class_order() } else { labels.labels() },
            "regions_class_order": if labels.has_regions() { Some(labels.regions_class_order()) } else { None },
            "transpose_backward": plans.transpose_backward,
        },
    }))
}

/// What the axes of input and output are.
fn axes(configuration: &Configuration) -> &'static [&'static str] {
    if configuration.dims() == 2 { &["batch", "channel", "y", "x"] } else { &["batch", "channel", "z", "y", "x"] }
}

/// Each channel with its normalisation, the constants among it.
fn channels(plans: &Plans, configuration: &Configuration, dataset: &DatasetJson) -> Vec<Value> {
    let schemes = configuration.normalization_schemes.iter().zip(&configuration.use_mask_for_norm).enumerate();
    let one = |(index, (scheme, mask)): (usize, (&String, &bool))| {
        let mut constants = json!({});
        let formula = match scheme.as_str() {
            "ZScoreNormalization" if *mask => "(v - mean) / max(std, 1e-8) of the image's own voxels inside the mask of what is not zero, 0 outside",
            "ZScoreNormalization" => "(v - mean) / max(std, 1e-8) of the image's own voxels",
            "CTNormalization" => {
                if let Ok(known) = plans.intensities(index) {
                    constants =
                        json!({ "low": known.percentile_00_5, "high": known.percentile_99_5, "mean": known.mean, "std": known.std.max(1e-8) });
                }
                "(clip(v, low, high) - mean) / std"
            }
            "NoNormalization" => "v",
            "RescaleTo01Normalization" => "(v - min) / max(max - min, 1e-8) of the image's own voxels",
            "RGBTo01Normalization" => "v / 255",
            _ => "as the plugin of this name does it",
        };
        json!({ "name": dataset.channel_names.get(index), "scheme": scheme, "formula": formula, "constants": constants })
    };
    schemes.map(one).collect()
}
