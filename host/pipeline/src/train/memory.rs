//! Whether a training fits into memory, asked before it starts.

use super::{
    TrainOptions,
    model::{Parts, task_of},
    settings::Settings,
};
use crate::{
    dataset::DatasetJson,
    error::{Error, Result},
    memory,
    paths::Paths,
    plan::Plans,
};
use engine::{Device, Devices, OptimizerSpec, shape::Trace};
use registry::Registry;

/// Bytes that a step of the training takes that `options` ask for, from its plans and its network; the cases need not be preprocessed.
///
/// # Errors
/// No plans, no such trainer config, or a network that does not fit them.
pub fn memory_needed(paths: &Paths, registry: &Registry, options: &TrainOptions) -> Result<u64> {
    let preprocessed = paths.preprocessed()?.join(paths.dataset(&options.dataset)?);
    let config = registry.config(&options.trainer)?;
    let configuration = Plans::read(&preprocessed.join(format!("{}.json", options.plans)))?.configuration(&options.configuration)?;
    let dataset = DatasetJson::read(&preprocessed)?;
    let labels = dataset.label_manager()?;
    let settings = Settings::new(&config.config, options, &configuration, Some(registry))?;
    let spec = configuration.network_of(&dataset, &labels, settings.deep_supervision);
    let parts = Parts::new(registry, &config, &spec, task_of(&labels, &configuration), &settings, &Device::cpu().into(), 0)?;
    Ok(step_bytes(&parts.trace, &settings, &options.devices))
}

/// Bytes of a training step: activations and gradients of a batch (see [`Trace`]), and of each parameter its value, its gradient and the
/// optimizer's averages. Scratch space of kernels is not in it. On several devices each has parameters and gradients, and the first one the logits of all
/// heads with their gradients for the whole batch; on the processor they share the memory, elsewhere it is that of the first one, which takes most.
pub(super) fn step_bytes(trace: &Trace, settings: &Settings, devices: &Devices) -> u64 {
    let (batch, count) = (settings.batch_size as u64, devices.count() as u64);
    let logits: u64 = trace.outputs.iter().map(|shape| 2 * 4 * shape.iter().map(|&n| n as u64).product::<u64>()).sum();
    let (samples, replicas) = if devices.lead().is_cpu() { (batch, count) } else { (batch.div_ceil(count), 1) };
    let parameters = trace.parameter_count() * 4 * (2 * replicas + averages(settings));
    let gathered = if count > 1 { logits.saturating_mul(batch) } else { 0 };
    let activations = if devices.lead().recomputes() { trace.recomputing_bytes } else { trace.activation_bytes };
    activations.saturating_mul(samples).saturating_add(parameters).saturating_add(gathered)
}

/// Bytes of a checkpoint: of each parameter its value and the optimizer's averages.
pub(super) fn checkpoint_bytes(trace: &Trace, settings: &Settings) -> u64 {
    trace.parameter_count() * 4 * (1 + averages(settings))
}

/// Numbers that the optimizer keeps of each parameter.
fn averages(settings: &Settings) -> u64 {
    match settings.optimizer {
        OptimizerSpec::Sgd { .. } => 1,
        OptimizerSpec::Adam { amsgrad, .. } => 2 + u64::from(amsgrad),
        OptimizerSpec::Adan { .. } => 4,
    }
}

/// Refuses a training that cannot fit into what the user allows, or else into what the processor's memory has free.
///
/// # Errors
/// It cannot; both sizes are named.
pub(super) fn check(parts: &Parts, settings: &Settings, options: &TrainOptions) -> Result<()> {
    let (room, whose) = match options.gpu_memory_target {
        Some(gib) if gib.is_finite() && gib > 0.0 => ((gib * memory::GIB) as u64, "-gpu_memory_target allows"),
        Some(gib) => return Err(Error::invalid(format!("-gpu_memory_target is {gib}; it must be a number of GiB above 0"))),
        None if options.devices.lead().is_cpu() => (memory::available(), "to be had are"),
        None => return Ok(()),
    };
    let needed = step_bytes(&parts.trace, settings, &options.devices);
    if needed <= room {
        return Ok(());
    }
    let less = step_bytes(&parts.trace, settings, &options.devices.clone().recomputing(true));
    let recompute = if less <= room { format!("add --recompute (then it takes {:.2} GiB), ", memory::gib(less)) } else { String::new() };
    let (needed, room, trainer) = (memory::gib(needed), memory::gib(room), &options.trainer);
    let devices = match options.devices.count() {
        1 => String::new(),
        count => format!(" on {count} devices"),
    };
    Err(Error::invalid(format!(
        "a training step of config {trainer} takes {needed:.2} GiB for {} patches of {:?} voxels{devices}, {whose} {room:.2} GiB; {recompute}lower batch_size or \
         patch_size in the plans, plan anew with `plan_experiment -tr {trainer} -gpu_memory_target {room:.1}`, or say with -gpu_memory_target \
         what it may take",
        settings.batch_size,
        parts.trace.inputs.first().map_or(&[][..], |shape| shape.get(2..).unwrap_or_default()),
    )))
}
