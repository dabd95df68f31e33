//! Checks of losses, each with its default settings.

mod calls;
mod gradient;
mod prepare;
mod targets;

pub(super) use calls::{deterministic, heads, leaks, memory, shapes, threads};
pub(super) use gradient::{gradient_2d, gradient_3d, gradient_regions};
pub(super) use prepare::prepare;
pub(super) use targets::{finite, ignored, regions};

use super::{Failed, Target};
use engine::{HeadTarget, Mode, Model, Random, Step, Supervision, logits};
use plugin_api::{Prepared, Task, abi::host::LossHandle};
use serde_json::Map;

const BATCH: usize = 2;

fn labels_task(outputs: usize, ignore: bool) -> Task {
    Task { outputs, ignore, ..Task::default() }
}

fn regions_task(outputs: usize, ignore: bool) -> Task {
    Task { regions: true, ..labels_task(outputs, ignore) }
}

fn create(on: &Target, task: &Task) -> registry::Result<LossHandle> {
    on.registry()?.loss(on.name())?.create(&Map::new(), task)
}

/// Whether the loss takes the task at all; it may be for labels alone, and its error says so.
fn takes(on: &Target, task: &Task) -> Result<(), Failed> {
    Trial::new(on, task, &[4; 3], Shows::Random)?.step()?;
    Ok(())
}

/// A head's labels: (B, channels, spatial...), values, and deep-supervision weight.
struct Labels {
    shape: Vec<usize>,
    values: Vec<i16>,
    weight: f64,
}

/// A loss with the logits of its heads, finest first, and what they are compared with.
struct Trial {
    model: Model,
    loss: LossHandle,
    task: Task,
    heads: Vec<Labels>,
    prepared: Vec<Prepared>,
}

/// What a target shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shows {
    Random,
    Empty,
    Full,
    Ignored,
    HalfIgnored,
}

fn target(task: &Task, voxels: usize, shows: Shows, random: &mut Random) -> Vec<i16> {
    let channels = if task.regions { task.outputs + usize::from(task.ignore) } else { 1 };
    let mut values = vec![0; BATCH * channels * voxels];
    for (i, v) in values.iter_mut().enumerate() {
        let (channel, voxel) = (i / voxels % channels, i % voxels);
        let ignored = task.ignore && (shows == Shows::Ignored || shows == Shows::HalfIgnored && voxel % 2 == 0);
        let classes = if task.regions { 2 } else { task.outputs };
        let drawn = (random.uniform() * classes as f64) as i16;
        *v = match (task.regions, shows) {
            (true, _) if channel == task.outputs => i16::from(ignored),
            (false, _) if ignored => task.outputs as i16,
            (_, Shows::Empty) => 0,
            (_, Shows::Full) => 1,
            _ => drawn,
        };
    }
    values
}

/// What `prepare` gave for each sample, stacked over the batch.
fn stack(samples: Vec<Vec<Prepared>>) -> Result<Vec<Prepared>, Failed> {
    let mut samples = samples.into_iter();
    let mut all: Vec<Prepared> = samples.next().unwrap_or_default();
    let mut batch = 1;
    for sample in samples {
        batch += 1;
        if sample.len() != all.len() || sample.iter().zip(&all).any(|(s, a)| s.name() != a.name() || s.shape() != a.shape()) {
            return Err("prepare gives arrays of other names or shapes for another sample of the same size, which makes no batch".into());
        }
        let join = |(a, s): (&Prepared, &Prepared)| {
            let (floats, ints) = ([a.float_values(), s.float_values()].concat(), [a.int_values(), s.int_values()].concat());
            Prepared::from_parts(a.name().into(), a.shape().to_vec(), floats, ints)
        };
        all = all.iter().zip(&sample).map(join).collect();
    }
    let with_batch = |p: Prepared| {
        let shape = [&[batch], p.shape()].concat();
        Prepared::from_parts(p.name().into(), shape, p.float_values().to_vec(), p.int_values().to_vec())
    };
    Ok(all.into_iter().map(with_batch).collect())
}

impl Trial {
    /// One head.
    fn new(on: &Target, task: &Task, spatial: &[usize], shows: Shows) -> Result<Self, Failed> {
        Self::with_heads(on, task, &[(spatial, 1.0)], shows)
    }

    /// Heads by their spatial axes and weights, finest first.
    fn with_heads(on: &Target, task: &Task, heads: &[(&[usize], f64)], shows: Shows) -> Result<Self, Failed> {
        let loss = create(on, task)?;
        let mut random = Random::new(on.seed, &[3]);
        let labels = |&(spatial, weight): &(&[usize], f64)| {
            let voxels: usize = spatial.iter().product();
            let values = target(task, voxels, shows, &mut random);
            Labels { shape: [&[BATCH, values.len() / (BATCH * voxels)], spatial].concat(), values, weight }
        };
        let labels: Vec<Labels> = heads.iter().map(labels).collect();
        let mut samples = Vec::new();
        if let Some(finest) = labels.first() {
            for sample in finest.values.chunks(finest.values.len() / BATCH) {
                samples.push(loss.prepare(&finest.shape[1..], sample)?);
            }
        }
        let shapes: Vec<Vec<usize>> = heads.iter().map(|(spatial, _)| [&[BATCH, task.outputs], *spatial].concat()).collect();
        let model = logits::model(&shapes, on.seed)?;
        Ok(Trial { model, loss, task: task.clone(), heads: labels, prepared: stack(samples)? })
    }

    fn step(&self) -> engine::Result<Step> {
        let heads = self.heads.iter().map(|h| HeadTarget { shape: &h.shape, values: &h.values, weight: h.weight }).collect();
        let targets = Supervision { heads, prepared: &self.prepared, task: &self.task };
        self.model.step(Mode::Train, &[0.0], &[1, 1, 1], &targets, &self.loss, &[0])
    }

    /// Loss, and gradient of each head's logits (B, outputs, spatial...).
    fn gradients(&self) -> engine::Result<(f64, Vec<Vec<f32>>)> {
        let step = self.step()?;
        let mut found = step.gradients.map_or(Ok(vec![]), |g| g.to_vecs())?.into_iter();
        let size = |h: &Labels| h.values.len() / h.shape[1] * self.task.outputs;
        let gradients = self.heads.iter().map(|h| found.next().flatten().unwrap_or_else(|| vec![0.0; size(h)])).collect();
        Ok((f64::from(step.loss), gradients))
    }

    /// Loss, and gradient of the finest head's logits.
    fn gradient(&self) -> engine::Result<(f64, Vec<f32>)> {
        self.gradients().map(|(loss, gradients)| (loss, gradients.into_iter().next().unwrap_or_default()))
    }

    /// Logits of the one head.
    fn logits(&self) -> engine::Result<(Vec<usize>, Vec<f32>)> {
        Ok(self.model.weights()?.into_iter().next().map(|w| (w.shape, w.data)).unwrap_or_default())
    }

    fn set(&mut self, logits: &[f32], shape: &[usize]) -> engine::Result<()> {
        self.model.load(&[("logits.0".into(), shape.to_vec(), logits.to_vec())])
    }
}
