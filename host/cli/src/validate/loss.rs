//! Checks of losses, each with its default settings.

use super::{Found, Target, Verdict, fail, pass, slope};
use engine::{
    HeadTarget, Mode, Model, Random, Step, Supervision, logits,
    shape::{LossHead, trace_loss},
};
use plugin_api::{Prepared, Task, abi::host::LossHandle};
use serde_json::Map;
use std::{
    error::Error,
    time::{Duration, Instant},
};

const BATCH: usize = 2;
/// For a patch of (128, 128, 128) in one of the loader's threads; a training step on a GPU takes about as long.
const PREPARE_BUDGET: Duration = Duration::from_secs(2);
const LESIONS: usize = 391;

fn labels(outputs: usize, ignore: bool) -> Task {
    Task { outputs, ignore, ..Task::default() }
}

fn regions(outputs: usize, ignore: bool) -> Task {
    Task { regions: true, ..labels(outputs, ignore) }
}

fn create(on: &Target, task: &Task) -> registry::Result<LossHandle> {
    on.registry()?.loss(on.name())?.create(&Map::new(), task)
}

/// A loss with the logits of one head, and what they are compared with.
struct Trial {
    model: Model,
    loss: LossHandle,
    task: Task,
    /// (B, channels, spatial...)
    shape: Vec<usize>,
    labels: Vec<i16>,
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
fn stack(samples: Vec<Vec<Prepared>>) -> Result<Vec<Prepared>, Box<dyn Error>> {
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
    fn new(on: &Target, task: &Task, spatial: &[usize], shows: Shows) -> Result<Self, Box<dyn Error>> {
        let loss = create(on, task)?;
        let voxels: usize = spatial.iter().product();
        let mut random = Random::new(on.seed, &[3]);
        let labels = target(task, voxels, shows, &mut random);
        let channels = labels.len() / (BATCH * voxels);
        let sample = [&[channels], spatial].concat();
        let prepared = labels.chunks(channels * voxels).map(|l| loss.prepare(&sample, l)).collect::<plugin_api::Result<Vec<_>>>()?;
        let model = logits::model(&[&[BATCH, task.outputs], spatial].concat(), on.seed)?;
        let shape = [&[BATCH, channels], spatial].concat();
        Ok(Trial { model, loss, task: task.clone(), shape, labels, prepared: stack(prepared)? })
    }

    fn step(&self) -> engine::Result<Step> {
        let heads = vec![HeadTarget { shape: &self.shape, values: &self.labels, weight: 1.0 }];
        let targets = Supervision { heads, prepared: &self.prepared, task: &self.task };
        self.model.step(Mode::Train, &[0.0], &[1, 1, 1], &targets, &self.loss, &[0])
    }

    /// Loss, and gradient of the logits (B, outputs, spatial...).
    fn gradient(&self) -> engine::Result<(f64, Vec<f32>)> {
        let step = self.step()?;
        let found = step.gradients.map_or(Ok(vec![]), |g| g.to_vecs())?;
        let none = || vec![0.0; self.labels.len() / self.shape[1] * self.task.outputs];
        Ok((f64::from(step.loss), found.into_iter().next().flatten().unwrap_or_else(none)))
    }

    fn logits(&self) -> engine::Result<(Vec<usize>, Vec<f32>)> {
        Ok(self.model.weights()?.into_iter().next().map(|w| (w.shape, w.data)).unwrap_or_default())
    }

    fn set(&mut self, logits: &[f32], shape: &[usize]) -> engine::Result<()> {
        self.model.load(&[("logits".into(), shape.to_vec(), logits.to_vec())])
    }
}

/// Along the whole gradient, that of each channel, the two largest of single logits, and random signs.
fn gradient(on: &Target, spatial: &[usize]) -> Found {
    let task = labels(3, false);
    let mut trial = Trial::new(on, &task, spatial, Shows::Random)?;
    let (_, claimed) = trial.gradient()?;
    let (shape, at) = trial.logits()?;
    let voxels: usize = spatial.iter().product();
    let mut directions: Vec<(String, Vec<f64>)> = Vec::new();
    let part = |keep: &dyn Fn(usize) -> bool| claimed.iter().enumerate().map(|(i, g)| if keep(i) { f64::from(*g) } else { 0.0 }).collect::<Vec<_>>();
    directions.push(("all logits".into(), part(&|_| true)));
    for c in 0..task.outputs {
        directions.push((format!("the logits of class {c}"), part(&|i| i / voxels % task.outputs == c)));
    }
    let mut order: Vec<usize> = (0..claimed.len()).collect();
    order.sort_by(|&a, &b| claimed[b].abs().total_cmp(&claimed[a].abs()));
    directions.extend(order.iter().take(2).map(|&k| (format!("logit {k}"), part(&|i| i == k))));
    directions.push(("random signs".into(), slope::signs(at.len(), &mut Random::new(on.seed, &[4]))));
    let (mut worst, mut told) = (0f64, 0);
    for (which, direction) in directions.iter().filter(|(_, d)| d.iter().any(|v| *v != 0.0)) {
        let mut loss = |values: &[f32]| -> engine::Result<f64> {
            trial.set(values, &shape)?;
            Ok(f64::from(trial.step()?.loss))
        };
        let found = slope::along(&mut loss, &at, &claimed, direction)?;
        if !found.agrees() {
            let (claimed, measured) = (found.claimed, found.measured);
            return fail(format!("along {which} the loss rises by {claimed:.4e} by the backward and by {measured:.4e} by differences"));
        }
        if found.tells() {
            told += 1;
            worst = worst.max((found.claimed - found.measured).abs() / found.claimed.abs().max(found.measured.abs()));
        }
    }
    if told == 0 {
        return fail("the gradient cannot be told from zero for random logits and labels");
    }
    pass(format!("{told} slopes, largest deviation {:.1} %", 100.0 * worst))
}

pub(super) fn gradient_3d(on: &Target) -> Found {
    gradient(on, &[8; 3])
}

pub(super) fn gradient_2d(on: &Target) -> Found {
    gradient(on, &[16; 2])
}

pub(super) fn finite(on: &Target) -> Found {
    let mut kinds = Vec::new();
    for (task, kind) in [(labels(3, false), "labels"), (labels(3, true), "labels with ignored voxels"), (regions(2, false), "regions")] {
        let shows = [Shows::Random, Shows::Empty, Shows::Full, Shows::Ignored];
        for shows in shows.into_iter().filter(|s| task.ignore || *s != Shows::Ignored) {
            let mut trial = match Trial::new(on, &task, &[8; 3], shows).and_then(|t| t.step().map(|_| t).map_err(Into::into)) {
                // a loss may be for labels alone; its error says so
                Err(e) if task.regions => return pass(format!("{}; not for regions: {e}", kinds.join(", "))),
                found => found?,
            };
            let (shape, start) = trial.logits()?;
            for scale in [1.0, 30.0] {
                trial.set(&start.iter().map(|v| v * scale).collect::<Vec<_>>(), &shape)?;
                let (value, gradient) = trial.gradient()?;
                let case = format!("for {kind}, a target that is {shows:?} and logits of size {scale}");
                if !value.is_finite() {
                    return fail(format!("the loss is {value} {case}"));
                }
                if gradient.iter().any(|g| !g.is_finite()) {
                    return fail(format!("the gradient is not finite {case}"));
                }
            }
        }
        kinds.push(kind);
    }
    pass(kinds.join(", "))
}

pub(super) fn ignored(on: &Target) -> Found {
    let task = labels(3, true);
    let voxels = 8 * 8 * 8;
    for shows in [Shows::HalfIgnored, Shows::Ignored] {
        let (_, gradient) = Trial::new(on, &task, &[8; 3], shows)?.gradient()?;
        let ignored = |i: usize| shows == Shows::Ignored || (i % voxels).is_multiple_of(2);
        let count = gradient.iter().enumerate().filter(|(i, g)| ignored(*i) && **g != 0.0).count();
        if count > 0 {
            return fail(format!("{count} logits of ignored voxels have a gradient (target {shows:?}); use target.valid()"));
        }
        if shows == Shows::HalfIgnored && gradient.iter().all(|g| *g == 0.0) {
            return fail("no voxel has a gradient where half of them are ignored");
        }
    }
    pass("")
}

/// (128, 128, 128) with balls of 2 to 4 voxels radius on a grid of 8 x 7 x 7, the last one left out.
fn lesion_map() -> Vec<i16> {
    const N: usize = 128;
    let mut map = vec![0; N * N * N];
    for lesion in 0..LESIONS {
        let centre = [8 + 16 * (lesion / 49), 9 + 18 * (lesion / 7 % 7), 9 + 18 * (lesion % 7)];
        let radius = 2 + lesion % 3;
        for z in centre[0] - radius..=centre[0] + radius {
            for y in centre[1] - radius..=centre[1] + radius {
                for x in centre[2] - radius..=centre[2] + radius {
                    let r = [z.abs_diff(centre[0]), y.abs_diff(centre[1]), x.abs_diff(centre[2])].map(|d| d * d).iter().sum::<usize>();
                    if r <= radius * radius {
                        map[(z * N + y) * N + x] = 1;
                    }
                }
            }
        }
    }
    map
}

pub(super) fn prepare(on: &Target) -> Found {
    let loss = create(on, &labels(2, false))?;
    let map = lesion_map();
    let mut fastest = Duration::MAX;
    let mut first = None;
    for _ in 0..2 {
        let start = Instant::now();
        let found = loss.prepare(&[1, 128, 128, 128], &map)?;
        fastest = fastest.min(start.elapsed());
        match &first {
            Some(first) if *first != found => return fail("prepare gives other arrays for the same labels the second time"),
            _ => first = Some(found),
        }
    }
    let (ms, budget) = (fastest.as_millis(), PREPARE_BUDGET.as_millis());
    if fastest > PREPARE_BUDGET {
        return fail(format!("prepare took {ms} ms for {LESIONS} lesions on (128, 128, 128); {budget} ms keep a loader up with training"));
    }
    match first.unwrap_or_default().as_slice() {
        [] => pass("it prepares nothing"),
        arrays => pass(format!("{} in {ms} ms", arrays.iter().map(Prepared::name).collect::<Vec<_>>().join(", "))),
    }
}

pub(super) fn leaks(on: &Target) -> Found {
    let trial = Trial::new(on, &labels(3, false), &[8; 3], Shows::Random)?;
    let leaked = trial.step()?.leaked;
    if leaked > 0 {
        return fail(format!("{leaked} tensor(s) were neither returned nor released"));
    }
    let head = LossHead { shape: vec![BATCH, 3, 8, 8, 8], weight: 1.0, prepared: &trial.prepared };
    match trace_loss(&trial.loss, &[head], &trial.task) {
        Ok(t) if t.leaked > 0 => fail(format!("{} tensor(s) were neither returned nor released", t.leaked)),
        Err(e) if e.reads_values => Ok(Verdict::Pass(format!("it reads values, which stalls a GPU: {e}"))),
        _ => pass(""),
    }
}
