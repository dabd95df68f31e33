//! A network whose parameters are an operation's inputs, and a loss that weighs its outputs.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use engine::{Device, HeadTarget, Mode, Model, Random, Step, Supervision};
use plugin_api::{
    Task,
    abi::host::{ArchitectureHandle, Library},
    prelude::*,
};
use plugin_test::{Bench, Values};
use std::{cell::RefCell, path::PathBuf, sync::Arc};

/// What the network computes from its parameters, then its buffers.
type Function = Arc<dyn Fn(&[Tensor]) -> Tensor + Send + Sync>;

thread_local! {
    static FUNCTION: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Parameters `p0, p1, ...` and buffers `b0, b1, ...` of these shapes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Given {
    shapes: Vec<Vec<usize>>,
    buffers: Vec<Vec<usize>>,
}

struct GivenNetwork(Vec<Param>, Function);

impl Architecture for Given {
    fn build(&self, _: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        let function = FUNCTION.with_borrow_mut(Option::take).ok_or_else(|| Error::new("no function was set"))?;
        let mut all = Vec::new();
        for (i, shape) in self.shapes.iter().enumerate() {
            all.push(p.param(&format!("p{i}"), shape, plugin_api::Init::ZEROS)?);
        }
        for (i, shape) in self.buffers.iter().enumerate() {
            all.push(p.buffer(&format!("b{i}"), shape, plugin_api::Init::ZEROS)?);
        }
        Ok(Box::new(GivenNetwork(all, function)))
    }
}

impl Network for GivenNetwork {
    fn forward(&self, _: &Tensor) -> Result<Vec<Tensor>> {
        let tensors: Vec<Tensor> = self.0.iter().map(Param::tensor).collect();
        Ok(vec![(self.1)(&tensors)])
    }
}

register_architecture!("given", Given);

/// Weights of the outputs: fixed, between -1 and 1.
pub(crate) fn output_weights(n: usize) -> Vec<f32> {
    let mut random = Random::new(7, &[]);
    (0..n).map(|_| (2.0 * random.uniform() - 1.0) as f32).collect()
}

/// The sum of the outputs, each with its weight.
#[derive(Default, Deserialize)]
struct Weighted {}

impl Loss for Weighted {
    fn forward(&self, logits: &Tensor, _: &Target) -> Result<Tensor> {
        let shape = logits.shape();
        let weights = Tensor::from_f32(&shape, &output_weights(shape.iter().product()));
        Ok((logits * weights).sum())
    }
}

register_loss!("weighted", Weighted);

/// An input: its shape and values.
pub(crate) type Input = (Vec<usize>, Vec<f32>);

/// An operation with its inputs, as a model.
pub(crate) struct Rig {
    pub(crate) model: Model,
    pub(crate) inputs: Vec<Input>,
    pub(crate) buffers: Vec<Input>,
    function: Function,
}

/// The network of a function, of inputs and buffers of these shapes, and a plan for it.
fn given(inputs: &[Input], buffers: &[Input], function: &Function) -> (ArchitectureHandle, NetworkSpec) {
    FUNCTION.set(Some(function.clone()));
    let shapes = |list: &[Input]| list.iter().map(|(s, _)| s.clone()).collect::<Vec<_>>();
    let settings = json!({"shapes": shapes(inputs), "buffers": shapes(buffers)}).to_string();
    let spec = NetworkSpec {
        input_channels: 1,
        num_classes: 2,
        patch_size: vec![1],
        deep_supervision: false,
        network_class_name: String::new(),
        arch_kwargs: json!({}),
    };
    (Library::builtin().architecture("given", &settings).unwrap(), spec)
}

impl Rig {
    pub(crate) fn new(inputs: Vec<Input>, buffers: Vec<Input>, f: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static) -> Self {
        let function: Function = Arc::new(f);
        let (architecture, spec) = given(&inputs, &buffers, &function);
        let model = Model::build(&Device::cpu(), &architecture, &spec, 3).unwrap();
        let mut rig = Rig { model, inputs, buffers, function };
        rig.load(&rig.inputs.clone());
        rig
    }

    pub(crate) fn load(&mut self, inputs: &[Input]) {
        let named = |letter: &str, list: &[Input]| -> Vec<_> {
            list.iter().enumerate().map(|(i, (s, d))| (format!("{letter}{i}"), s.clone(), d.clone())).collect()
        };
        let all: Vec<_> = named("p", inputs).into_iter().chain(named("b", &self.buffers)).collect();
        self.model.load(&all).unwrap();
    }

    /// One step under the weighted loss; the random numbers are those of `place`.
    pub(crate) fn step(&self, mode: Mode, place: u64) -> engine::Result<Step> {
        let loss = Library::builtin().loss("weighted", "{}", "{}").unwrap();
        let (task, head) = (Task::default(), HeadTarget { shape: &[1, 1, 1], values: &[0], weight: 1.0 });
        self.model.step(mode, &[0.0], &[1, 1, 1], &Supervision { heads: vec![head], prepared: &[], task: &task }, &loss, &[place])
    }

    /// The outputs and their shape, outside training.
    pub(crate) fn forward(&self) -> engine::Result<(Vec<f32>, Vec<usize>)> {
        self.model.predict(&[0.0], &[1, 1, 1])
    }

    /// Asserts that the plain host of plugin-test, on which authors run their tests, has the same outputs outside training.
    pub(crate) fn agrees_with_the_plain_host(&self, name: &str) {
        let (architecture, spec) = given(&self.inputs, &self.buffers, &self.function);
        let bench = Bench::on_values(false);
        let network = architecture.build(&bench, &serde_json::to_string(&spec).unwrap()).unwrap();
        for (p, (shape, data)) in bench.parameters().iter().zip(self.inputs.iter().chain(&self.buffers)) {
            bench.set(&p.name, Values::new(shape, data.iter().map(|&v| f64::from(v)).collect())).unwrap();
        }
        let heads = network.forward(&bench, bench.put(Values::new(&[1, 1, 1], vec![0.0]))).unwrap();
        let (plain, (ours, shape)) = (bench.get(heads[0]).unwrap(), self.forward().unwrap());
        assert_eq!(plain.shape, shape, "{name}");
        let plain: Vec<f32> = plain.data.iter().map(|&v| v as f32).collect();
        let (off, scale) = (distance(&ours, &plain), plain.iter().fold(1f32, |m, v| m.max(v.abs())));
        assert!(off < 1e-5 * f64::from(scale), "{name}: engine and plain host differ by {off:.1e}\n  engine {ours:?}\n  plain {plain:?}");
    }

    fn loss(&self) -> f64 {
        f64::from(self.step(Mode::Train, 1).unwrap().loss)
    }

    /// Gradients by the tape; zeros where the loss does not depend on a parameter.
    pub(crate) fn gradients(&self) -> Vec<Vec<f32>> {
        let found = self.step(Mode::Train, 1).unwrap().gradients.unwrap().to_vecs().unwrap();
        self.inputs.iter().enumerate().map(|(i, (_, d))| found.get(i).cloned().flatten().unwrap_or_else(|| vec![0.0; d.len()])).collect()
    }

    /// Gradients by differences of fourth order: `(8 (f(+h) - f(-h)) - (f(+2h) - f(-2h))) / 12h`.
    pub(crate) fn differences(&mut self) -> Vec<Vec<f32>> {
        const H: f32 = 0.01;
        let mut all = Vec::new();
        for i in 0..self.inputs.len() {
            let mut one = Vec::new();
            for j in 0..self.inputs[i].1.len() {
                let mut at = |steps: f32| {
                    let mut moved = self.inputs.clone();
                    moved[i].1[j] += steps * H;
                    self.load(&moved);
                    self.loss()
                };
                let difference = 8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0));
                one.push((difference / (12.0 * f64::from(H))) as f32);
            }
            all.push(one);
        }
        let inputs = self.inputs.clone();
        self.load(&inputs);
        all
    }
}

/// The largest distance between two lists; NaN where one has a NaN.
pub(crate) fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let each = a.iter().zip(b).map(|(a, b)| if a == b { 0.0 } else { f64::from((a - b).abs()) });
    each.fold(0f64, |m, d| if m.is_nan() || d.is_nan() { f64::NAN } else { m.max(d) })
}

/// Compares the tape with differences: 1e-3 of the largest gradient, or of 1.
pub(crate) fn check(name: &str, inputs: Vec<Input>, f: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static) {
    check_with_buffers(name, inputs, vec![], f);
}

pub(crate) fn check_with_buffers(name: &str, inputs: Vec<Input>, buffers: Vec<Input>, f: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static) {
    let mut rig = Rig::new(inputs, buffers, f);
    rig.agrees_with_the_plain_host(name);
    let (tape, wanted) = (rig.gradients(), rig.differences());
    let mut worst = 0f64;
    for (i, (tape, wanted)) in tape.iter().zip(&wanted).enumerate() {
        let scale = wanted.iter().fold(1f32, |m, v| m.max(v.abs()));
        let found = distance(tape, wanted) / f64::from(scale);
        assert!(found < 1e-3, "{name}: gradient of input {i} is off by {found:.1e}\n  tape {tape:?}\n  differences {wanted:?}");
        worst = worst.max(found);
    }
    assert!(wanted.iter().flatten().any(|v| v.abs() > 1e-3), "{name}: all gradients vanish, so nothing was compared");
    println!("{name}: largest deviation {worst:.1e}");
}

/// Asserts the outputs.
pub(crate) fn outputs(name: &str, inputs: Vec<Input>, f: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static, shape: &[usize], wanted: &[f32]) {
    let rig = Rig::new(inputs, vec![], f);
    rig.agrees_with_the_plain_host(name);
    let (found, found_shape) = rig.forward().unwrap();
    assert_eq!(found_shape, shape, "{name}");
    let off = distance(&found, wanted);
    assert!(off < 2e-6 * wanted.iter().fold(1f64, |m, v| m.max(f64::from(v.abs()))), "{name} is off by {off:.1e}: {found:?}, wanted {wanted:?}");
}

/// Distinct values in random order, all an odd multiple of 0.05: away from 0, from each other and from multiples of 0.1.
pub(crate) fn spread(shape: &[usize], key: u64) -> Input {
    let n: usize = shape.iter().product();
    let mut random = Random::new(key, &[n as u64]);
    let mut order: Vec<(f64, usize)> = (0..n).map(|i| (random.uniform(), i)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let low = (n / 2) as f32;
    (shape.to_vec(), order.into_iter().map(|(_, i)| 0.1 * (i as f32 - low) + 0.05).collect())
}

/// Values between 0.4 and 2.
pub(crate) fn positive(shape: &[usize], key: u64) -> Input {
    random(shape, key, 0.4, 2.0)
}

/// Uniform values.
pub(crate) fn random(shape: &[usize], key: u64, low: f64, high: f64) -> Input {
    let mut random = Random::new(key, &[]);
    (shape.to_vec(), (0..shape.iter().product()).map(|_| (low + (high - low) * random.uniform()) as f32).collect())
}

/// Given values.
pub(crate) fn values(shape: &[usize], data: &[f32]) -> Input {
    assert_eq!(shape.iter().product::<usize>(), data.len());
    (shape.to_vec(), data.to_vec())
}

/// The folder of reference numbers, if there is one.
pub(crate) fn reference() -> Option<PathBuf> {
    let dir = std::env::var_os("NNUNET_REFERENCE").map(PathBuf::from);
    if dir.is_none() {
        eprintln!("skipped: NNUNET_REFERENCE is not set");
    }
    dir
}
