//! Options of nnU-Net's classes that no planner sets and these networks do not have: refused, not overlooked.

use plugin_api::{NetworkSpec, Result, bail};

/// Keys of `arch_kwargs` that change the network, or that only repeat what is known.
const KNOWN: &[&str] = &[
    "n_stages",
    "features_per_stage",
    "conv_op",
    "kernel_sizes",
    "strides",
    "n_conv_per_stage",
    "n_blocks_per_stage",
    "n_conv_per_stage_decoder",
    "conv_bias",
    "norm_op",
    "norm_op_kwargs",
    "dropout_op",
    "dropout_op_kwargs",
    "nonlin",
    "nonlin_kwargs",
    "deep_supervision",
];

/// # Errors
/// `arch_kwargs` holds a key that is unknown here and asks for something (is neither null nor false).
pub(super) fn check(spec: &NetworkSpec) -> Result<()> {
    let Some(kwargs) = spec.arch_kwargs.as_object() else { return Ok(()) };
    for (key, value) in kwargs {
        if !KNOWN.contains(&key.as_str()) && !value.is_null() && value.as_bool() != Some(false) {
            bail!("arch_kwargs.{key} of the plan is {value}, an option that this network does not have; leave it out or set it to null");
        }
    }
    Ok(())
}
