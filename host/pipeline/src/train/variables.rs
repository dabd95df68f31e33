//! nnU-Net's variables for a training, and what there is of what they ask for.

use crate::{error::Result, switch};
use engine::{Device, Precision};

/// How a training computes, for the log; the second are warnings, where a variable asks for what is not there.
///
/// # Errors
/// One that switches something is neither true nor false.
pub(super) fn describe(device: &Device) -> Result<(String, Vec<String>)> {
    let compiled = if device.is_cpu() { "kernels were compiled with the program" } else { "kernels are compiled when they are first used" };
    let mut warnings = Vec::new();
    if device.precision() == Precision::F32 && switch::read("nnUNet_use_amp")? == Some(true) {
        warnings.push("nnUNet_use_amp is true, but this processor has no instructions for bfloat16 (AVX512-BF16); float32 is used".into());
    }
    if let Some(asked) = switch::read("nnUNet_compile")?
        && asked == device.is_cpu()
    {
        warnings.push(format!("nnUNet_compile is {asked}, which changes nothing: {compiled}"));
    }
    if switch::read("nnUNet_wandb_enabled")? == Some(true) {
        warnings
            .push("nnUNet_wandb_enabled is true, but Weights & Biases is not supported; metrics.csv and the TensorBoard file have the curves".into());
    }
    if std::env::var_os("nnUNet_extTrainer").is_some_and(|folder| !folder.is_empty()) {
        let way_out = "write a trainer config and name its folder with --plugins-dir";
        warnings.push(format!("nnUNet_extTrainer is set, but trainers in Python cannot be loaded; {way_out}"));
    }
    let numbers = match device.precision() {
        Precision::F32 => "numbers are float32",
        Precision::Mixed => "numbers are float32, convolutions multiply bfloat16 where that is faster (mixed precision)",
    };
    let again = if device.recomputes() { ", cheap activations are computed twice instead of kept" } else { "" };
    Ok((format!("{numbers}, {compiled}{again}"), warnings))
}
