//! The plans that networks are tried with, as nnU-Net's planner writes them for its `PlainConvUNet`.

use pipeline::plan::Configuration;
use plugin_api::{NetworkSpec, json};

/// Image channels, classes, patch, and a stage each: features, kernel, stride.
type Stage = (usize, Vec<usize>, Vec<usize>);

fn spec(channels: usize, classes: usize, patch: &[usize], convs: usize, stages: &[Stage]) -> NetworkSpec {
    let (n, dims) = (stages.len(), patch.len());
    NetworkSpec {
        input_channels: channels,
        num_classes: classes,
        patch_size: patch.to_vec(),
        deep_supervision: true,
        network_class_name: "dynamic_network_architectures.architectures.unet.PlainConvUNet".into(),
        arch_kwargs: json!({
            "n_stages": n,
            "features_per_stage": stages.iter().map(|s| s.0).collect::<Vec<_>>(),
            "conv_op": format!("torch.nn.modules.conv.Conv{dims}d"),
            "kernel_sizes": stages.iter().map(|s| s.1.clone()).collect::<Vec<_>>(),
            "strides": stages.iter().map(|s| s.2.clone()).collect::<Vec<_>>(),
            "n_conv_per_stage": vec![convs; n],
            "n_conv_per_stage_decoder": vec![convs; n - 1],
            "conv_bias": true,
            "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{dims}d"),
            "norm_op_kwargs": {"eps": 1e-5, "affine": true},
            "dropout_op": null,
            "dropout_op_kwargs": null,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": true},
        }),
    }
}

/// Stages with kernels of 3 that halve every axis.
fn halving(dims: usize, features: &[usize]) -> Vec<Stage> {
    features.iter().enumerate().map(|(i, &f)| (f, vec![3; dims], vec![if i == 0 { 1 } else { 2 }; dims])).collect()
}

/// Six stages on (128, 128, 128), one channel, two classes.
pub(super) fn volume() -> NetworkSpec {
    spec(1, 2, &[128; 3], 2, &halving(3, &[32, 64, 128, 256, 320, 320]))
}

/// Eight stages on (512, 512).
pub(super) fn slices() -> NetworkSpec {
    spec(1, 2, &[512; 2], 2, &halving(2, &[32, 64, 128, 256, 512, 512, 512, 512]))
}

/// Thick slices: the first axis is kept at first, and not halved again at the end.
pub(super) fn anisotropic() -> NetworkSpec {
    let strides = [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2], [1, 2, 2], [1, 2, 2]];
    let features = [32, 64, 128, 256, 320, 320];
    let kernel = |i: usize| if i < 2 { vec![1, 3, 3] } else { vec![3; 3] };
    let stages: Vec<Stage> = (0..6).map(|i| (features[i], kernel(i), strides[i].to_vec())).collect();
    spec(2, 4, &[16, 320, 256], 2, &stages)
}

/// Three channels, five classes, features that no power of two divides.
pub(super) fn odd() -> NetworkSpec {
    spec(3, 5, &[96, 80, 64], 2, &halving(3, &[9, 17, 33, 65]))
}

/// Small enough to run on values: three stages on 32 voxels along each axis, two channels, three classes.
pub(super) fn tiny(dims: usize) -> NetworkSpec {
    spec(2, 3, &vec![32; dims], 1, &halving(dims, &[4, 6, 8]))
}

/// Thick slices, small enough to run on values: sizes that end odd, a first axis that is halved late.
pub(super) fn tiny_anisotropic() -> NetworkSpec {
    let stages = [(4, vec![1, 3, 3], vec![1, 1, 1]), (6, vec![3; 3], vec![1, 2, 2]), (8, vec![3; 3], vec![2, 2, 2])];
    spec(1, 2, &[10, 20, 28], 1, &stages)
}

/// A configuration of plans around [`tiny`].
pub(super) fn configuration(dims: usize) -> serde_json::Result<Configuration> {
    let (spec, resampling) = (tiny(dims), "resample_data_or_seg_to_shape");
    serde_json::from_value(json!({
        "data_identifier": "validator", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": spec.patch_size,
        "spacing": vec![1.0; dims], "normalization_schemes": vec!["ZScoreNormalization"; spec.input_channels],
        "use_mask_for_norm": vec![false; spec.input_channels], "resampling_fn_data": resampling, "resampling_fn_seg": resampling,
        "resampling_fn_probabilities": resampling, "batch_dice": false,
        "architecture": {"network_class_name": spec.network_class_name, "arch_kwargs": spec.arch_kwargs},
    }))
}
