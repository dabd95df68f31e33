//! nnU-Net's variables for a training, and what there is of what they ask for.

use crate::{error::Result, switch};
use engine::Device;

/// What all numbers of a training are.
pub(super) const PRECISION: &str = "float32";

/// How a training computes, for the log; the second are warnings, where a variable asks for what is not there.
///
/// # Errors
/// One that switches something is neither true nor false.
pub(super) fn describe(device: &Device) -> Result<(String, Vec<String>)> {
    let compiled = if device.is_cpu() { "kernels were compiled with the program" } else { "kernels are compiled when they are first used" };
    let mut warnings = Vec::new();
    if switch::read("nnUNet_use_amp")? == Some(true) {
        warnings.push(format!("nnUNet_use_amp is true, but there is no mixed precision yet; {PRECISION} is used"));
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
    Ok((format!("numbers are {PRECISION}, {compiled}"), warnings))
}
