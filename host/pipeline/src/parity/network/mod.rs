//! `network`: outputs, losses, gradients and a few steps of SGD, with nnU-Net's weights or synthesised ones.

mod gradients;
mod synthesis;
mod trajectory;
mod weights;

pub(super) use weights::same_weights;

use std::collections::BTreeMap;

use engine::{HeadTarget, Mode, Model, Step, Supervision};
use plugin_api::abi::host::{ArchitectureHandle, LossHandle};
use plugin_api::{NetworkSpec, Task};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::arrays::Arrays;
use super::desk::Desk;
use super::files::Use;
use super::tolerance;
use crate::error::{Error, Result};
use crate::train::deep_supervision_weights;

/// `meta.json` of a network.
#[derive(Deserialize)]
pub(super) struct Meta {
    architecture: Architecture,
    input_channels: usize,
    num_outputs: usize,
    patch: Vec<usize>,
    #[serde(default)]
    batch_dice: bool,
    #[serde(default)]
    regions: bool,
    #[serde(default)]
    ignore: bool,
    #[serde(default)]
    init: String,
    n_parameters: Option<u64>,
    n_state_dict_entries: Option<usize>,
    canonical_params: Option<BTreeMap<String, Vec<usize>>>,
    aliases: Option<BTreeMap<String, String>>,
    conv_feature_map_size_at_patch: Option<u64>,
    ds_scales: Option<Vec<Vec<f64>>>,
    ds_weights: Option<Vec<f64>>,
    loss: Option<f64>,
    loss_f64: Option<f64>,
    loss_per_head: Option<Vec<f64>>,
    out_absmax: Option<Vec<f64>>,
    total_grad_norm: Option<f64>,
    #[serde(default)]
    grad: BTreeMap<String, Option<gradients::Summary>>,
    #[serde(default)]
    f32_vs_f64_grad_max_rel: BTreeMap<String, Option<f64>>,
    #[serde(default)]
    sgd_trajectory: Vec<Point>,
    #[serde(default)]
    params_l2_after_sgd: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Architecture {
    network_class_name: String,
    #[serde(default)]
    arch_kwargs: Value,
}

/// A step of SGD.
#[derive(Deserialize)]
struct Point {
    loss: f64,
    total_grad_norm_before_clip: f64,
}

pub(super) fn run(desk: &mut Desk<'_>) -> Result<()> {
    let folders: Vec<String> = desk.files.folders_in("network").into_iter().map(|name| format!("network/{name}")).collect();
    desk.each("network", &folders, |desk, folder| Case::read(desk, folder)?.compare(desk));
    let example = "network/synth_example.json";
    if desk.files.has(example) {
        desk.attempt(example, |desk| synthesis::example(desk, example));
    }
    Ok(())
}

impl Meta {
    /// The network with the weights that lie in `folder`, or that `init` tells of.
    pub(super) fn model(&self, desk: &mut Desk<'_>, folder: &str) -> Result<Model> {
        let mut model = Model::build(&desk.options.device, &self.architecture(desk)?, &self.spec(), 0)?;
        weights::load(desk, folder, &self.init, &mut model)?;
        Ok(model)
    }

    fn architecture(&self, desk: &Desk<'_>) -> Result<ArchitectureHandle> {
        let class = &self.architecture.network_class_name;
        Ok(desk.options.registry.architecture(class.rsplit('.').next().unwrap_or(class))?.create(&Map::new())?)
    }

    fn spec(&self) -> NetworkSpec {
        NetworkSpec {
            input_channels: self.input_channels,
            num_classes: self.num_outputs,
            patch_size: self.patch.clone(),
            deep_supervision: true,
            network_class_name: self.architecture.network_class_name.clone(),
            arch_kwargs: self.architecture.arch_kwargs.clone(),
        }
    }

    fn task(&self) -> Task {
        Task { outputs: self.num_outputs, regions: self.regions, ignore: self.ignore, batch_dice: self.batch_dice }
    }

    /// Whether numbers of a backward hold still. An instance norm over two voxels gives plus and minus one, and a gradient that hangs on the
    /// last bit: moving the input by one unit in the last place moves the third step's norm of such a network by a factor of ten.
    fn is_steady(&self) -> bool {
        self.bottleneck() > 2
    }

    /// Voxels of the coarsest stage; tokens of a network without stages.
    fn bottleneck(&self) -> usize {
        let kwargs = |key: &str| self.architecture.arch_kwargs.get(key).cloned().unwrap_or_default();
        let token = || serde_json::from_value(kwargs("patch_embed_size")).map(|size| vec![size]);
        let strides: Vec<Vec<usize>> = serde_json::from_value(kwargs("strides")).or_else(|_| token()).unwrap_or_default();
        let along = |axis: usize| strides.iter().map(|stride| stride.get(axis).copied().unwrap_or(1)).product::<usize>().max(1);
        self.patch.iter().enumerate().map(|(axis, n)| n / along(axis)).product()
    }
}

/// A network with its weights, its batch and what it is compared with.
struct Case {
    folder: String,
    meta: Meta,
    architecture: ArchitectureHandle,
    model: Model,
    io: Arrays,
    /// Shape and labels of each head's target.
    targets: Vec<(Vec<usize>, Vec<i16>)>,
    loss: LossHandle,
}

impl Case {
    fn read(desk: &mut Desk<'_>, folder: &str) -> Result<Self> {
        let meta: Meta = desk.json(&format!("{folder}/meta.json"), Use::Compared)?;
        let (architecture, model) = (meta.architecture(desk)?, meta.model(desk, folder)?);
        let io = desk.arrays(&format!("{folder}/io.npz"), Use::Compared)?;
        let mut targets = Vec::new();
        while let Some(array) = io.find(&format!("target{}", targets.len())) {
            targets.push((array.shape().to_vec(), array.to_f32().into_iter().map(|label| label as i16).collect()));
        }
        let loss = desk.options.registry.loss("dice_ce")?.create(&Map::new(), &meta.task())?;
        Ok(Self { folder: folder.to_owned(), meta, architecture, model, io, targets, loss })
    }

    fn name(&self, what: &str) -> String {
        format!("{}: {what}", self.folder)
    }

    fn compare(mut self, desk: &mut Desk<'_>) -> Result<()> {
        self.structure(desk)?;
        let outputs = self.outputs(desk)?;
        if self.targets.is_empty() {
            return Ok(());
        }
        let weights = self.meta.ds_weights.clone().unwrap_or_else(|| deep_supervision_weights(outputs));
        self.heads(desk)?;
        let step = self.step(Mode::Train, &weights)?;
        for (name, theirs) in [("loss", self.meta.loss), ("loss_f64", self.meta.loss_f64)] {
            if let Some(theirs) = theirs {
                desk.number(&self.name(name), f64::from(step.loss), theirs, tolerance::LOSS);
            }
        }
        gradients::compare(desk, &self, &step)?;
        self.trajectory(desk, &weights)
    }

    /// Names, shapes and numbers of parameters, and the planner's figure.
    fn structure(&self, desk: &mut Desk<'_>) -> Result<()> {
        let (meta, own) = (&self.meta, self.model.weights()?);
        if let Some(theirs) = meta.n_parameters {
            let ours: usize = own.iter().filter(|w| w.trainable).map(|w| w.data.len()).sum();
            desk.exact(&self.name("parameters"), &ours, &theirs);
        }
        if let Some(theirs) = meta.n_state_dict_entries {
            desk.exact(&self.name("entries of the state dict"), &own.iter().map(|w| 1 + w.aliases.len()).sum::<usize>(), &theirs);
        }
        if let Some(theirs) = &meta.canonical_params {
            let ours: BTreeMap<&str, &[usize]> = own.iter().filter(|w| w.trainable).map(|w| (w.name.as_str(), w.shape.as_slice())).collect();
            desk.exact(&self.name("names and shapes"), &ours, theirs);
        }
        if let Some(theirs) = &meta.aliases {
            let ours: BTreeMap<&str, &str> = own.iter().flat_map(|w| w.aliases.iter().map(|alias| (alias.as_str(), w.name.as_str()))).collect();
            desk.exact(&self.name("aliases"), &ours, theirs);
        }
        if let Some(theirs) = meta.conv_feature_map_size_at_patch {
            let ours = engine::shape::planning_size(&self.architecture, &meta.spec()).map_err(plugin_api::Error::from)?;
            desk.exact(&self.name("conv_feature_map_size_at_patch"), &ours, &theirs);
        }
        Ok(())
    }

    /// Every head's logits; returns how many heads there are.
    fn outputs(&self, desk: &mut Desk<'_>) -> Result<usize> {
        let x = self.io.get("x")?;
        let heads = self.model.heads(&x.to_f32(), x.shape())?;
        let theirs = self.io.iter().filter(|(name, _)| name.starts_with("out")).count();
        desk.exact(&self.name("heads"), &heads.len(), &theirs);
        for (index, (ours, shape)) in heads.iter().enumerate().take(theirs) {
            let (name, theirs) = (format!("out{index}"), self.io.get(&format!("out{index}"))?);
            if desk.shape(&self.name(&name), shape, theirs.shape()) {
                desk.floats(&self.name(&name), ours, &theirs.to_f32(), tolerance::OUTPUTS);
            }
        }
        if let Some(theirs) = &self.meta.out_absmax {
            let largest = |values: &[f32]| f64::from(values.iter().fold(0f32, |m, v| m.max(v.abs())));
            let ours: Vec<f64> = heads.iter().map(|(values, _)| largest(values)).collect();
            desk.tree(&self.name("largest logits"), &ours, theirs, tolerance::OUTPUTS);
        }
        if let Some(theirs) = &self.meta.ds_scales {
            let scale = |shape: &[usize]| shape[2..].iter().zip(&self.meta.patch).map(|(n, whole)| *n as f64 / *whole as f64).collect::<Vec<_>>();
            desk.tree(&self.name("ds_scales"), &heads.iter().map(|(_, shape)| scale(shape)).collect::<Vec<_>>(), theirs, tolerance::RULES);
        }
        if let Some(theirs) = &self.meta.ds_weights {
            desk.tree(&self.name("ds_weights"), &deep_supervision_weights(heads.len()), theirs, tolerance::RULES);
        }
        Ok(heads.len())
    }

    /// The loss of each head by itself.
    fn heads(&self, desk: &mut Desk<'_>) -> Result<()> {
        for (index, theirs) in self.meta.loss_per_head.iter().flatten().enumerate() {
            let only: Vec<f64> = (0..self.targets.len()).map(|head| f64::from(u8::from(head == index))).collect();
            let step = self.step(Mode::Validate, &only)?;
            desk.number(&self.name(&format!("loss of head {index}")), f64::from(step.loss), *theirs, tolerance::LOSS);
        }
        Ok(())
    }

    fn step(&self, mode: Mode, weights: &[f64]) -> Result<Step> {
        let x = self.io.get("x")?;
        self.step_on(mode, &x.to_f32(), x.shape(), weights)
    }

    fn step_on(&self, mode: Mode, x: &[f32], shape: &[usize], weights: &[f64]) -> Result<Step> {
        let heads = self.targets.iter().zip(weights).map(|((shape, values), &weight)| HeadTarget { shape, values, weight }).collect();
        let task = self.meta.task();
        Ok(self.model.step(mode, x, shape, &Supervision { heads, prepared: &[], task: &task }, &self.loss, &[0])?)
    }

    /// The input with each value one unit in the last place larger or smaller, by turns without a pattern: a shift of all would be normalised
    /// away. `which` picks the turns.
    fn nudged(&self, which: usize) -> Result<Vec<f32>> {
        let x = self.io.get("x")?.to_f32();
        let signs = synthesis::signs().skip(which * x.len());
        Ok(x.into_iter().zip(signs).map(|(v, up)| if up { v.next_up() } else { v.next_down() }).collect())
    }

    /// The gradients of a nudged input.
    fn nudged_gradients(&self) -> Result<Vec<Option<Vec<f32>>>> {
        let weights = self.meta.ds_weights.clone().unwrap_or_else(|| deep_supervision_weights(self.targets.len()));
        let step = self.step_on(Mode::Train, &self.nudged(0)?, self.io.get("x")?.shape(), &weights)?;
        Ok(step.gradients.ok_or_else(|| Error::invalid("the step gave no gradients"))?.to_vecs()?)
    }
}

/// The Euclidean norm.
pub(super) fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}
