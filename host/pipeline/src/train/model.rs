//! From a plan and a trainer config, or from a checkpoint, to a network on a device.

use super::settings::{Settings, deep_supervision_weights};
use crate::{
    checkpoint::{self, Checkpoint},
    dataset::{DatasetJson, LabelManager},
    error::{Error, Result},
    lock::{self, Part},
    plan::{Configuration, Plans, explained},
};
use engine::{
    Device, Devices, Group, Model,
    shape::{NodeKind, Trace},
};
use plugin_api::{
    NetworkSpec, Op, Task, TrainerConfig,
    abi::host::{ArchitectureHandle, LossHandle},
    nn::NormKind,
};
use registry::{Kind, Provenance, Registry, ResolvedConfig};
use serde_json::{Value as Json, json};
use std::{path::Path, sync::Arc};

/// What prediction needs of a trained model.
pub struct Loaded {
    /// The network.
    pub model: Model,
    /// Bytes that a forward of one patch takes on the processor.
    pub bytes: u64,
    /// The checkpoint that it came from, its weights moved out.
    pub checkpoint: Checkpoint,
    /// Where a plugin is another than the one that trained it.
    pub warnings: Vec<String>,
    architecture: ArchitectureHandle,
    spec: NetworkSpec,
}

impl Loaded {
    /// What the network does with `batch` patches in prediction, by shapes alone.
    ///
    /// # Errors
    /// The network reads values, which shapes do not have.
    pub fn trace(&self, batch: usize) -> Result<Trace> {
        let refused = |e| Error::invalid(format!("{}: {}", self.spec.network_class_name, explained(&e, &self.spec)));
        engine::shape::trace_prediction(&self.architecture, &self.spec, batch).map_err(refused)
    }
}

/// The kinds that a prediction uses.
const PREDICTING: [Kind; 3] = [Kind::Architecture, Kind::Preprocessor, Kind::Normalization];

/// Everything a training needs of the components.
pub(crate) struct Parts {
    pub(crate) group: Group,
    pub(crate) loss: Arc<LossHandle>,
    pub(crate) loss_from: Provenance,
    pub(crate) loss_name: String,
    pub(crate) architecture_name: String,
    pub(crate) architecture_from: Provenance,
    pub(crate) task: Task,
    pub(crate) trace: Trace,
    /// Spatial shape of each head that is used, finest first, and its weight.
    pub(crate) heads: Vec<Vec<usize>>,
    pub(crate) weights: Vec<f64>,
}

/// The task of a dataset under a configuration.
pub(crate) fn task_of(labels: &LabelManager, configuration: &Configuration) -> Task {
    Task { outputs: labels.num_outputs(), regions: labels.has_regions(), ignore: labels.ignore().is_some(), batch_dice: configuration.batch_dice }
}

/// The name of the config's network, or of the plan's.
fn architecture_name<'a>(config: &'a TrainerConfig, spec: &'a NetworkSpec) -> &'a str {
    let plain = spec.network_class_name.rsplit('.').next().unwrap_or_default();
    config.architecture.as_ref().map_or(plain, |a| a.name_or(plain))
}

/// A network as it was built.
struct Built {
    model: Model,
    from: Provenance,
    trace: Trace,
    architecture: ArchitectureHandle,
    /// The plan, with what the config puts in its place.
    spec: NetworkSpec,
}

/// The network of a trainer config (its own, or the plan's) and where it comes from.
///
/// # Errors
/// The architecture is not there, or refuses the plan.
pub fn build_model(
    registry: &Registry,
    config: &TrainerConfig,
    spec: &NetworkSpec,
    device: &Device,
    seed: u64,
) -> Result<(Model, Provenance, Trace)> {
    let built = build(registry, config, spec, device, seed)?;
    Ok((built.model, built.from, built.trace))
}

fn build(registry: &Registry, config: &TrainerConfig, spec: &NetworkSpec, device: &Device, seed: u64) -> Result<Built> {
    let name = architecture_name(config, spec);
    let settings = config.architecture.as_ref().map(|a| a.settings.clone()).unwrap_or_default();
    let source = registry.architecture(name)?;
    let (architecture, spec) = (source.create(&settings)?, normed(spec, config.norm)?);
    let failed = |call: &str, e: engine::Error| match e {
        engine::Error::Component(e) => Error::from(source.from.failed(call, e)),
        other => Error::from(other),
    };
    let refused = |e| Error::invalid(format!("{name} of {}: {}", source.from.who(), explained(&e, &spec)));
    let trace = engine::shape::trace(&architecture, &spec, 1).map_err(refused)?;
    let model = Model::build(device, &architecture, &spec, seed).map_err(|e| failed("build", e))?;
    Ok(Built { model, from: source.from.clone(), trace, architecture, spec })
}

/// The plan with the normalisation that a config puts in its place, scale and shift included.
fn normed(spec: &NetworkSpec, norm: Option<NormKind>) -> Result<NetworkSpec> {
    let mut spec = spec.clone();
    let Some(norm) = norm else { return Ok(spec) };
    let dims = spec.dims();
    let Some(arguments) = spec.arch_kwargs.as_object_mut().filter(|a| a.contains_key("norm_op")) else {
        return Err(Error::invalid(format!("the config sets `norm`, and {} of the plans has no `norm_op`", spec.network_class_name)));
    };
    let (operation, settings) = match norm {
        NormKind::Instance => (json!(format!("torch.nn.modules.instancenorm.InstanceNorm{dims}d")), json!({"eps": 1e-5, "affine": true})),
        NormKind::Batch => (json!(format!("torch.nn.modules.batchnorm.BatchNorm{dims}d")), json!({"eps": 1e-5, "affine": true})),
        _ => (Json::Null, Json::Null),
    };
    arguments.insert("norm_op".into(), operation);
    arguments.insert("norm_op_kwargs".into(), settings);
    Ok(spec)
}

/// Bytes that a forward of one patch takes on the processor: what the trace counts, and the input and output of the largest convolution
/// once more, because its kernel works on blocks of 16 channels. 0 where the tensors live on another device.
pub(crate) fn forward_bytes(trace: &Trace, device: &Device) -> u64 {
    let blocked = |&value: &usize| {
        let shape = &trace.values[value].info.shape;
        4 * shape.iter().enumerate().map(|(axis, &n)| if axis == 1 { n.next_multiple_of(16) } else { n } as u64).product::<u64>()
    };
    let convolutions = trace.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Op(Op::Conv | Op::ConvTranspose)));
    let scratch = convolutions.map(|node| node.inputs.iter().take(1).chain(&node.outputs).map(blocked).sum::<u64>()).max();
    if device.is_cpu() { trace.inference_bytes + scratch.unwrap_or(0) } else { 0 }
}

impl Parts {
    /// These components and the configs that named them, with whose they are.
    pub(crate) fn parts<'a>(&'a self, config: &'a ResolvedConfig) -> Vec<Part<'a>> {
        let own =
            [(Kind::Architecture, self.architecture_name.as_str(), &self.architecture_from), (Kind::Loss, self.loss_name.as_str(), &self.loss_from)];
        config.steps.iter().map(|step| (Kind::Config, step.name.as_str(), &step.from)).chain(own).collect()
    }

    pub(crate) fn new(
        registry: &Registry,
        config: &ResolvedConfig,
        spec: &NetworkSpec,
        task: Task,
        settings: &Settings,
        devices: &Devices,
        seed: u64,
    ) -> Result<Self> {
        let config = &config.config;
        let built = build(registry, config, spec, devices.lead(), seed)?;
        let Built { from: architecture_from, trace, .. } = built;
        let plain = plugin_api::ComponentRef { name: "dice_ce".into(), settings: serde_json::Map::new() };
        let wanted = config.loss.as_ref().unwrap_or(&plain);
        let source = registry.loss(wanted.name_or(&plain.name))?;
        let loss = source.create(&wanted.settings, &task)?;
        let count = if settings.deep_supervision { trace.outputs.len() } else { 1 };
        let heads = trace.outputs.iter().take(count).map(|s| s[2..].to_vec()).collect();
        Ok(Parts {
            group: Group::new(built.model, devices.others(), &built.architecture, &built.spec)?,
            loss: Arc::new(loss),
            loss_from: source.from.clone(),
            loss_name: source.name,
            architecture_name: architecture_name(config, spec).to_owned(),
            architecture_from,
            task,
            trace,
            heads,
            weights: deep_supervision_weights(count),
        })
    }
}

/// The network of a model folder with the weights of one of its checkpoints.
///
/// # Errors
/// A file is missing or damaged, the plugin that made the model is not installed, or the weights do not fit.
pub fn load_model(registry: &Registry, folder: &Path, fold: &str, file: &str, device: &Device) -> Result<Loaded> {
    let path = folder.join(format!("fold_{fold}")).join(file);
    let mut checkpoint = checkpoint::read(&path)?;
    let plans = Plans::read(&folder.join("plans.json"))?;
    let dataset = DatasetJson::read(folder)?;
    let labels = dataset.label_manager()?;
    let configuration = plans.configuration(&checkpoint.configuration)?;
    let config = if checkpoint.host.host_version.is_empty() {
        // trained by Python's nnU-Net: a trainer of our name has the same network, any other one the plan's
        registry.config(&checkpoint.trainer_name).map(|c| c.config).unwrap_or_default()
    } else {
        checkpoint.host.config.clone()
    };
    let spec = configuration.network_of(&dataset, &labels, true);
    let Built { mut model, trace, architecture, spec, .. } =
        build(registry, &config, &spec, device, checkpoint.host.seed).map_err(|e| lock::missing(e, &checkpoint.host.plugins, &path))?;
    let warnings = lock::differences(&checkpoint.host.plugins, &PREDICTING, registry);
    let weights: Vec<_> = std::mem::take(&mut checkpoint.weights).into_iter().map(|w| (w.name, w.shape, w.data)).collect();
    model.load(&weights).map_err(|e| Error::content(&path, e.to_string()))?;
    let bytes = forward_bytes(&trace, device);
    Ok(Loaded { model, bytes, checkpoint, warnings, architecture, spec })
}
