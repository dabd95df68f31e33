//! Whether a training fits into memory, asked before it starts.

use super::{TrainOptions, model::Parts, settings::Settings};
use crate::{
    error::{Error, Result},
    memory,
};
use engine::{OptimizerSpec, shape::Trace};

/// Bytes of a training step: activations and gradients of a batch (see [`Trace`]), and of each parameter its value, its gradient and the
/// optimizer's averages. Scratch space of kernels is not in it.
fn step_bytes(trace: &Trace, settings: &Settings) -> u64 {
    let averages = match settings.optimizer {
        OptimizerSpec::Sgd { .. } => 1,
        OptimizerSpec::Adam { amsgrad, .. } => 2 + u64::from(amsgrad),
        OptimizerSpec::Adan { .. } => 4,
    };
    trace.activation_bytes.saturating_mul(settings.batch_size as u64).saturating_add(trace.parameter_count() * 4 * (2 + averages))
}

/// Refuses a training that cannot fit into what the user allows, or else into what the processor's memory has free.
///
/// # Errors
/// It cannot; both sizes are named.
pub(super) fn check(parts: &Parts, settings: &Settings, options: &TrainOptions) -> Result<()> {
    const GIB: f64 = (1u64 << 30) as f64;
    let (room, whose) = match options.gpu_memory_target {
        Some(gib) if gib.is_finite() && gib > 0.0 => ((gib * GIB) as u64, "-gpu_memory_target allows"),
        Some(gib) => return Err(Error::invalid(format!("-gpu_memory_target is {gib}; it must be a number of GiB above 0"))),
        None if options.device.is_cpu() => (memory::available(), "to be had are"),
        None => return Ok(()),
    };
    let needed = step_bytes(&parts.trace, settings);
    if needed <= room {
        return Ok(());
    }
    let (needed, room, trainer) = (needed as f64 / GIB, room as f64 / GIB, &options.trainer);
    Err(Error::invalid(format!(
        "a training step of config {trainer} takes {needed:.2} GiB for {} patches of {:?} voxels, {whose} {room:.2} GiB; lower batch_size or \
         patch_size in the plans, plan anew with `plan_experiment -tr {trainer} -gpu_memory_target {room:.1}`, or say with -gpu_memory_target \
         what it may take",
        settings.batch_size,
        parts.trace.inputs.first().map_or(&[][..], |shape| shape.get(2..).unwrap_or_default()),
    )))
}
