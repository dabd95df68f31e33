//! `debug.json`: what a training is made of, as nnU-Net leaves it beside the checkpoints.

use super::run::Run;
use crate::{error::Result, json, splits::Split};
use serde_json::json;
use std::path::Path;

pub(super) fn write(path: &Path, run: &Run<'_>, split: &Split) -> Result<()> {
    let (settings, parts) = (&run.settings, &run.parts);
    let chain: Vec<_> = run.config.steps.iter().map(|step| json!({"config": step.name, "from": step.from.who()})).collect();
    json::write(
        path,
        &json!({
            "trainer": run.config.name,
            "trainer_config": run.config.config,
            "trainer_config_from": chain,
            "configuration_name": run.options.configuration,
            "fold": run.options.fold.name(),
            "device": run.options.devices.lead().name(),
            "devices": run.options.devices.names(),
            "precision": run.options.devices.lead().precision().name(),
            "recompute": run.options.devices.lead().recomputes(),
            "seed": run.seed,
            "command": run.options.command,
            "network": parts.architecture_name,
            "network_from": parts.architecture_from,
            "network_parameters": parts.trace.parameter_count(),
            "loss": parts.loss_name,
            "loss_from": parts.loss_from,
            "deep_supervision_weights": parts.weights,
            "num_epochs": settings.epochs,
            "num_iterations_per_epoch": settings.iterations,
            "num_val_iterations_per_epoch": settings.validation_iterations,
            "batch_size": settings.batch_size,
            "initial_lr": settings.initial_lr,
            "optimizer": settings.optimizer,
            "gradient_clip": settings.clip,
            "save_every": settings.save_every,
            "oversampling": format!("{:?}", settings.oversample),
            "augmentation": if settings.plain_data { "none".into() } else { format!("{:?}", settings.augmentation) },
            "rotation_for_DA": settings.rules.rotation,
            "do_dummy_2d_data_aug": settings.rules.dummy_2d,
            "initial_patch_size": settings.rules.initial_patch,
            "mirror_axes": settings.mirror_axes,
            "inference_allowed_mirroring_axes": settings.inference_mirror_axes,
            "training_cases": split.train.len(),
            "validation_cases": split.val.len(),
        }),
    )
}
