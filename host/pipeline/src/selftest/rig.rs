//! A network with one batch of made-up data, ready to train.

use crate::{error::Result, train::build_model};
use engine::{Device, HeadTarget, Images, Mode, Model, Optimizer, OptimizerSpec, Random, Step, Supervision, shape::Trace};
use plugin_api::{ComponentRef, NetworkSpec, Prepared, Task, TrainerConfig, abi::host::LossHandle};
use registry::Registry;

/// The learning rate of nnU-Net's first epoch, and what it clips gradients to.
const RATE: f64 = 0.01;
const CLIP: f64 = 12.0;

pub(super) struct Rig {
    model: Model,
    pub(super) trace: Trace,
    optimizer: Optimizer,
    loss: LossHandle,
    task: Task,
    x: Vec<f32>,
    next: Option<Images>,
    shape: Vec<usize>,
    targets: Vec<(Vec<usize>, Vec<i16>)>,
    prepared: Vec<Prepared>,
}

impl Rig {
    /// `architecture` instead of the one that the plan names, if one is given. Equal arguments make equal weights and data on every device.
    pub(super) fn new(
        registry: &Registry,
        architecture: Option<&str>,
        loss: &str,
        spec: &NetworkSpec,
        batch: usize,
        device: &Device,
    ) -> Result<Self> {
        let named = |name: &str| ComponentRef { name: name.into(), settings: serde_json::Map::new() };
        let config = TrainerConfig { architecture: architecture.map(named), ..TrainerConfig::default() };
        let (model, _, trace) = build_model(registry, &config, spec, device, 1)?;
        let task = Task { outputs: spec.num_classes, ..Task::default() };
        let loss = registry.loss(loss)?.create(&serde_json::Map::new(), &task)?;
        let shape: Vec<usize> = [batch, spec.input_channels].iter().chain(&spec.patch_size).copied().collect();
        let mut random = Random::new(5, &[]);
        let x = (0..shape.iter().product()).map(|_| random.normal() as f32).collect();
        let targets: Vec<(Vec<usize>, Vec<i16>)> = trace.outputs.iter().map(|head| blocks(batch, &head[2..], spec.num_classes)).collect();
        let prepared = match targets.first() {
            Some((shape, labels)) => {
                let of_one = loss.prepare(&shape[1..], &labels[..labels.len() / batch]).map_err(engine::Error::from)?;
                of_one.iter().map(|array| repeated(array, batch)).collect()
            }
            None => vec![],
        };
        Ok(Rig { model, trace, optimizer: Optimizer::new(OptimizerSpec::default()), loss, task, x, next: None, shape, targets, prepared })
    }

    fn supervision(&self) -> Supervision<'_> {
        let weight = |head: usize| 0.5f64.powi(head as i32 + 1);
        let heads = self.targets.iter().enumerate().map(|(i, (shape, values))| HeadTarget { shape, values, weight: weight(i) }).collect();
        Supervision { heads, prepared: &self.prepared, task: &self.task }
    }

    /// Forward, loss and the way back.
    pub(super) fn step(&self) -> Result<Step> {
        Ok(self.model.step(Mode::Train, &self.x, &self.shape, &self.supervision(), &self.loss, &[0])?)
    }

    /// A whole training iteration; the loss, and tensors that components left behind. As in training, the next images go to the device before the loss is read.
    pub(super) fn iteration(&mut self) -> Result<(f32, usize)> {
        let images = self.next.take().map_or_else(|| self.images(), Ok)?;
        let step = self.model.begin(images, &self.supervision(), &self.loss, &[0])?;
        let norm = self.optimizer.begin(&mut self.model, step.gradients, RATE, Some(CLIP))?;
        self.next = Some(self.images()?);
        let loss = step.loss.read()?;
        norm.read()?;
        Ok((loss, step.leaked))
    }

    fn images(&self) -> Result<Images> {
        Ok(self.model.place(self.x.clone(), &self.shape)?)
    }

    /// Inference of the batch.
    pub(super) fn predict(&self) -> Result<Vec<f32>> {
        Ok(self.model.predict(&self.x, &self.shape)?.0)
    }
}

/// What a loss prepared of one sample, for a batch of its likes.
fn repeated(array: &Prepared, batch: usize) -> Prepared {
    let shape = [&[batch], array.shape()].concat();
    match array.int_values() {
        [] => Prepared::floats(array.name(), &shape, array.float_values().repeat(batch)),
        ints => Prepared::ints(array.name(), &shape, ints.repeat(batch)),
    }
}

/// Labels in blocks of four voxels, some of each class; the same for each sample.
fn blocks(batch: usize, spatial: &[usize], classes: usize) -> (Vec<usize>, Vec<i16>) {
    let shape: Vec<usize> = [batch, 1].iter().chain(spatial).copied().collect();
    let label = |mut at: usize| {
        let mut sum = 0;
        for &n in spatial.iter().rev() {
            sum += at % n / 4;
            at /= n;
        }
        (sum % classes) as i16
    };
    let one: Vec<i16> = (0..spatial.iter().product()).map(label).collect();
    (shape, one.repeat(batch))
}
