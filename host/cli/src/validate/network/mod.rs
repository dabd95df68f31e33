//! Checks of architectures, each with its default settings.

mod gradient;
mod shapes;
mod values;

pub(super) use gradient::{gradient, parameters};
pub(super) use shapes::{builds_2d, builds_3d, builds_anisotropic, builds_odd, heads, no_read, state_dict};
pub(super) use values::{deterministic, leaks, memory, runs, threads};

use super::{Failed, Target};
use engine::{Device, HeadTarget, Mode, Model, Random, Step, Supervision};
use plugin_api::{
    NetworkSpec, Task,
    abi::host::{ArchitectureHandle, Library, LossHandle},
};
use serde_json::Map;

const BATCH: usize = 2;

fn architecture(on: &Target) -> registry::Result<ArchitectureHandle> {
    on.registry()?.architecture(on.name())?.create(&Map::new())
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
    fn new(on: &Target, spec: NetworkSpec) -> Result<Self, Failed> {
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

    /// The loss, and a gradient a parameter.
    fn loss_and_gradients(&self) -> engine::Result<(f64, Vec<Option<Vec<f32>>>)> {
        let step = self.step()?;
        Ok((f64::from(step.loss), step.gradients.map_or(Ok(vec![]), |g| g.to_vecs())?))
    }

    fn gradients(&self) -> engine::Result<Vec<Option<Vec<f32>>>> {
        Ok(self.loss_and_gradients()?.1)
    }
}
