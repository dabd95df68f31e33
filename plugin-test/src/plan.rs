//! Plans to build networks from.

use plugin_api::{NetworkSpec, json};

/// A plan as nnU-Net's planner writes it for its `PlainConvUNet`: 2 image channels, 3 classes, 8 features that double from stage to
/// stage, kernels of 3, 2 convolutions a stage. `strides` has an entry a stage with a number an axis; the first stage's are 1.
pub fn plan(patch: &[usize], strides: &[&[usize]]) -> NetworkSpec {
    let (n, dims) = (strides.len(), patch.len());
    NetworkSpec {
        input_channels: 2,
        num_classes: 3,
        patch_size: patch.to_vec(),
        deep_supervision: true,
        network_class_name: "dynamic_network_architectures.architectures.unet.PlainConvUNet".into(),
        arch_kwargs: json!({
            "n_stages": n,
            "features_per_stage": (0..n).map(|i| 8usize << i).collect::<Vec<_>>(),
            "conv_op": format!("torch.nn.modules.conv.Conv{dims}d"),
            "kernel_sizes": vec![vec![3; dims]; n],
            "strides": strides,
            "n_conv_per_stage": vec![2; n],
            "n_conv_per_stage_decoder": vec![2; n - 1],
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
