//! Checks of architectures, each with its default settings.

use super::{Found, Target, Verdict, fail, pass, plans, slope};
use engine::{
    Device, HeadTarget, Mode, Model, Random, Step, Supervision,
    shape::{Trace, TraceError, text, trace},
};
use plugin_api::{
    NetworkSpec, Task,
    abi::host::{ArchitectureHandle, Library, LossHandle},
};
use serde_json::Map;
use std::error::Error;

const BATCH: usize = 2;
/// Parameters whose gradients are measured.
const MEASURED: usize = 6;

fn architecture(on: &Target) -> registry::Result<ArchitectureHandle> {
    on.registry()?.architecture(on.name())?.create(&Map::new())
}

fn builds(on: &Target, spec: &NetworkSpec) -> Found {
    let t: Trace = match trace(&architecture(on)?, spec, BATCH) {
        Err(e) if e.reads_values => return skip_untraceable(&e),
        found => found?,
    };
    if !t.differentiable {
        return fail("a head does not depend on any parameter, so it cannot be trained");
    }
    let unused = t.unused_parameters();
    let note = if unused.is_empty() { String::new() } else { format!("; never used: {}", unused.join(", ")) };
    let gib = t.activation_bytes as f64 / f64::from(1 << 30) / BATCH as f64;
    pass(format!("{} parameters, {gib:.2} GiB and {:.1} GFLOP a sample{note}", t.parameter_count(), t.flops as f64 / 1e9 / BATCH as f64))
}

fn skip_untraceable(e: &TraceError) -> Found {
    Ok(Verdict::Skip(format!("forward reads values, so shapes alone do not run it: {e}")))
}

pub(super) fn builds_3d(on: &Target) -> Found {
    builds(on, &plans::volume())
}

pub(super) fn builds_2d(on: &Target) -> Found {
    builds(on, &plans::slices())
}

pub(super) fn builds_anisotropic(on: &Target) -> Found {
    builds(on, &plans::anisotropic())
}

pub(super) fn builds_odd(on: &Target) -> Found {
    builds(on, &plans::odd())
}

pub(super) fn no_read(on: &Target) -> Found {
    match trace(&architecture(on)?, &plans::tiny(3), BATCH) {
        Err(e) if e.reads_values => fail(format!("{e}; the planner cannot know its memory, and no graph can be drawn")),
        Err(e) => Ok(Verdict::Skip(format!("it does not build: {e}"))),
        Ok(_) => pass(""),
    }
}

/// A network on the CPU with something to learn: a ball in a ball, images that show it through noise.
struct Trial {
    spec: NetworkSpec,
    model: Model,
    /// (B, C, spatial...)
    shape: Vec<usize>,
    image: Vec<f32>,
    /// shape and labels of each head
    targets: Vec<(Vec<usize>, Vec<i16>)>,
    loss: LossHandle,
    task: Task,
}

/// 2 in the inner ball, 1 in the outer one; (B, 1, spatial...).
fn balls(spatial: &[usize]) -> Vec<i16> {
    let voxels: usize = spatial.iter().product();
    let one = (0..voxels).map(|mut i| {
        let mut r = 0.0;
        for &n in spatial.iter().rev() {
            let u = (2 * (i % n) + 1) as f64 / n as f64 - 0.85;
            r += u * u;
            i /= n;
        }
        i16::from(r < 0.5) + i16::from(r < 0.15)
    });
    let one: Vec<i16> = one.collect();
    one.repeat(BATCH)
}

impl Trial {
    fn new(on: &Target, dims: usize) -> Result<Self, Box<dyn Error>> {
        let spec = plans::tiny(dims);
        let model = Model::build(&Device::cpu(), &architecture(on)?, &spec, on.seed)?;
        let shape: Vec<usize> = [BATCH, spec.input_channels].into_iter().chain(spec.patch_size.iter().copied()).collect();
        let (labels, mut random) = (balls(&spec.patch_size), Random::new(on.seed, &[1]));
        let voxels: usize = spec.patch_size.iter().product();
        let shows = |i: usize| f64::from(labels.get(i % voxels).copied().unwrap_or(0));
        let image = (0..shape.iter().product()).map(|i| (shows(i) + 0.5 * random.normal()) as f32).collect();
        let task = Task { outputs: spec.num_classes, ..Task::default() };
        let loss = Library::builtin().loss("ce", "{}", &serde_json::to_string(&task)?)?;
        Ok(Trial { spec, model, shape, image, targets: vec![], loss, task })
    }

    fn heads(&self) -> engine::Result<Vec<(Vec<f32>, Vec<usize>)>> {
        self.model.heads(&self.image, &self.shape)
    }

    /// Gives each head its labels.
    fn supervise(mut self) -> engine::Result<Self> {
        let shapes = self.heads()?.into_iter().map(|(_, shape)| shape);
        let target = |shape: Vec<usize>| {
            let spatial = shape.get(2..).unwrap_or_default();
            ([&[BATCH, 1], spatial].concat(), balls(spatial))
        };
        self.targets = shapes.map(target).collect();
        Ok(self)
    }

    /// Cross entropy of all heads alike, with gradients.
    fn step(&self) -> engine::Result<Step> {
        let weight = 1.0 / self.targets.len() as f64;
        let heads = self.targets.iter().map(|(shape, values)| HeadTarget { shape, values, weight }).collect();
        let targets = Supervision { heads, prepared: &[], task: &self.task };
        self.model.step(Mode::Train, &self.image, &self.shape, &targets, &self.loss, &[0])
    }

    fn gradients(&self) -> engine::Result<Vec<Option<Vec<f32>>>> {
        self.step()?.gradients.map_or(Ok(vec![]), |g| g.to_vecs())
    }
}

pub(super) fn heads(on: &Target) -> Found {
    let mut details = Vec::new();
    for dims in [3, 2] {
        let trial = Trial::new(on, dims)?;
        let shapes: Vec<Vec<usize>> = trial.heads()?.into_iter().map(|(_, shape)| shape).collect();
        let wanted = [&[BATCH, trial.spec.num_classes], &trial.spec.patch_size[..]].concat();
        let mut before = &wanted;
        for (i, shape) in shapes.iter().enumerate() {
            let same_rank = shape.len() == wanted.len() && shape[..2] == wanted[..2];
            if i == 0 && *shape != wanted {
                return fail(format!("head 0 is {} for a patch of {}, wanted {}", text(shape), text(&trial.spec.patch_size), text(&wanted)));
            }
            if !same_rank || shape.iter().zip(before).any(|(n, b)| n > b) {
                return fail(format!("head {i} is {}, wanted at most {}", text(shape), text(before)));
            }
            before = shape;
        }
        details.push(shapes.iter().map(|s| text(s)).collect::<Vec<_>>().join(" "));
    }
    pass(details.join("; "))
}

pub(super) fn runs(on: &Target) -> Found {
    for dims in [3, 2] {
        let trial = Trial::new(on, dims)?;
        let heads = trial.heads()?;
        if let Some(i) = heads.iter().position(|(values, _)| values.iter().any(|v| !v.is_finite())) {
            return fail(format!("head {i} has values that are not finite, in {dims}D"));
        }
        let found: Vec<&Vec<usize>> = heads.iter().map(|(_, shape)| shape).collect();
        match trace(&architecture(on)?, &trial.spec, BATCH) {
            Ok(t) if !t.outputs.iter().eq(found.iter().copied()) => {
                return fail(format!("on values the heads are {found:?}, on shapes alone {:?}, in {dims}D", t.outputs));
            }
            Err(e) if !e.reads_values => return fail(format!("on values it runs, on shapes alone it fails: {e}")),
            _ => {}
        }
    }
    pass("")
}

pub(super) fn deterministic(on: &Target) -> Found {
    let (one, two) = (Trial::new(on, 3)?.supervise()?, Trial::new(on, 3)?.supervise()?);
    if one.model.weights()? != two.model.weights()? {
        return fail("two networks of one seed start from different parameters");
    }
    if one.heads()? != two.heads()? {
        return fail("equal networks give different logits for one image");
    }
    if one.gradients()? != two.gradients()? {
        return fail("equal networks have different gradients for one image");
    }
    pass("")
}

pub(super) fn leaks(on: &Target) -> Found {
    let step = Trial::new(on, 3)?.supervise()?.step()?;
    if step.leaked > 0 {
        return fail(format!(
            "{} tensor(s) of a forward were neither returned nor released (std::mem::forget, or a field that keeps them)",
            step.leaked
        ));
    }
    match trace(&architecture(on)?, &plans::tiny(3), BATCH) {
        Ok(t) if t.leaked > 0 => fail(format!("{} tensor(s) of build and forward were neither returned nor released", t.leaked)),
        _ => pass(""),
    }
}

/// For a few parameters, spread over the network: the slope of the loss along the gradient, and along random signs.
pub(super) fn gradient(on: &Target) -> Found {
    let mut trial = Trial::new(on, 3)?.supervise()?;
    let gradients = trial.gradients()?;
    let start: Vec<(String, Vec<usize>, Vec<f32>, bool)> =
        trial.model.weights()?.into_iter().map(|w| (w.name, w.shape, w.data, w.trainable)).collect();
    let trained: Vec<usize> = (0..start.len()).filter(|&i| start[i].3).collect();
    let mut random = Random::new(on.seed, &[2]);
    let (mut worst, mut told) = (0f64, 0);
    let mut chosen: Vec<usize> = (0..MEASURED).filter_map(|k| trained.get(k * trained.len().saturating_sub(1) / (MEASURED - 1)).copied()).collect();
    chosen.dedup();
    for &place in &chosen {
        let (name, _, at, _) = &start[place];
        let claimed = gradients.get(place).cloned().flatten().unwrap_or_else(|| vec![0.0; at.len()]);
        let mut loss = |values: &[f32]| -> engine::Result<f64> {
            let with = |i: usize, data: &[f32]| if i == place { values.to_vec() } else { data.to_vec() };
            let all: Vec<_> = start.iter().enumerate().map(|(i, (name, shape, data, _))| (name.clone(), shape.clone(), with(i, data))).collect();
            trial.model.load(&all)?;
            Ok(f64::from(trial.step()?.loss))
        };
        let downhill: Vec<f64> = claimed.iter().map(|g| f64::from(*g)).collect();
        let directions = [(downhill, "along the gradient"), (slope::signs(at.len(), &mut random), "along random signs")];
        for (direction, which) in directions.iter().filter(|(d, _)| d.iter().any(|v| *v != 0.0)) {
            let found = slope::along(&mut loss, at, &claimed, direction)?;
            if !found.agrees() {
                let (claimed, measured) = (found.claimed, found.measured);
                return fail(format!(
                    "parameter {name}: {which} the loss rises by {claimed:.4e} by the backward and by {measured:.4e} by differences"
                ));
            }
            if found.tells() {
                told += 1;
                worst = worst.max((found.claimed - found.measured).abs() / found.claimed.abs().max(found.measured.abs()));
            }
        }
    }
    if told == 0 {
        return fail(format!("none of {} parameters has a gradient that can be told from zero", chosen.len()));
    }
    pass(format!("{told} slopes of {} parameters, largest deviation {:.1} %", chosen.len(), 100.0 * worst))
}
