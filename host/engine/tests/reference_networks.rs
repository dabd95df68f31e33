//! nnU-Net's networks with its weights: outputs, loss, gradients and a few steps of its optimizer.
//! The tolerances are those of the reference's README.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{distance, reference};
use engine::{Device, HeadTarget, Mode, Model, Optimizer, OptimizerSpec, Step, Supervision};
use plugin_api::{
    NetworkSpec, Task,
    abi::host::{Library, LossHandle},
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    time::Instant,
};
use volume::files::{npz::read_npz, pth};

type Tensor = (String, Vec<usize>, Vec<f32>);

fn npz(path: &Path) -> Vec<Tensor> {
    read_npz(path).unwrap().into_iter().map(|(name, a)| (name, a.shape().to_vec(), a.to_f32())).collect()
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Weights by the reference's formula.
fn synthesised(name: &str, shape: &[usize], salt: u64) -> Vec<f32> {
    let h = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)).wrapping_add(salt);
    let bound = (6.0 / (1.0001 * shape[1..].iter().product::<usize>() as f64)).sqrt();
    (0..shape.iter().product::<usize>() as u64)
        .map(|i| {
            let z = mix(h.wrapping_add((i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
            let v = (z >> 11) as f64 * 2f64.powi(-52) - 1.0;
            (if shape.len() >= 2 { v * bound } else { 0.1 * v + f64::from(u8::from(name.ends_with(".weight"))) }) as f32
        })
        .collect()
}

/// A network of the reference with its input and targets.
struct Case {
    meta: Value,
    model: Model,
    io: Vec<Tensor>,
    targets: Vec<(Vec<usize>, Vec<i16>)>,
    task: Task,
    loss: LossHandle,
    gradients: Option<Vec<Tensor>>,
}

impl Case {
    fn read(dir: &Path) -> Self {
        Self::with(dir, "{}")
    }

    /// With settings of the architecture.
    fn with(dir: &Path, settings: &str) -> Self {
        standard::link();
        let meta: Value = serde_json::from_str(&std::fs::read_to_string(dir.join("meta.json")).unwrap()).unwrap();
        let number = |key: &str| meta[key].as_u64().unwrap() as usize;
        let class = meta["architecture"]["network_class_name"].as_str().unwrap();
        let spec = NetworkSpec {
            input_channels: number("input_channels"),
            num_classes: number("num_outputs"),
            patch_size: serde_json::from_value(meta["patch"].clone()).unwrap(),
            deep_supervision: true,
            network_class_name: class.into(),
            arch_kwargs: meta["architecture"]["arch_kwargs"].clone(),
        };
        let architecture = Library::builtin().architecture(class.rsplit('.').next().unwrap(), settings).unwrap();
        let mut model = Model::build(&Device::cpu(), &architecture, &spec, 0).unwrap();
        let weights = if dir.join("weights.npz").is_file() {
            npz(&dir.join("weights.npz"))
        } else if dir.join("state_dict.pth").is_file() {
            let file = pth::read_pth(&dir.join("state_dict.pth")).unwrap();
            let named = pth::named_tensors(&file.root);
            named.iter().map(|n| (n.name.to_string(), n.tensor.shape.clone(), file.tensor_f32(n.tensor).unwrap())).collect()
        } else {
            let salt = meta["init"].as_str().unwrap().rsplit('=').next().unwrap().parse().unwrap();
            model.weights().unwrap().into_iter().map(|w| (w.name.clone(), w.shape.clone(), synthesised(&w.name, &w.shape, salt))).collect()
        };
        model.load(&weights).unwrap();
        let parameters: usize = model.weights().unwrap().iter().map(|w| w.data.len()).sum();
        assert_eq!(parameters, number("n_parameters"));
        let io = npz(&dir.join("io.npz"));
        let heads = meta["ds_weights"].as_array().unwrap().len();
        let target = |i: usize| {
            let (_, shape, data) = io.iter().find(|(n, ..)| *n == format!("target{i}")).unwrap();
            (shape.clone(), data.iter().map(|&v| v as i16).collect())
        };
        let targets = (0..heads).map(target).collect();
        let task = Task {
            outputs: number("num_outputs"),
            regions: meta["regions"].as_bool().unwrap(),
            ignore: false,
            batch_dice: meta["batch_dice"].as_bool().unwrap(),
        };
        let loss = Library::builtin().loss("dice_ce", "{}", &serde_json::to_string(&task).unwrap()).unwrap();
        let gradients = dir.join("grads.npz");
        Case { meta, model, io, targets, task, loss, gradients: gradients.is_file().then(|| npz(&gradients)) }
    }

    fn array(&self, name: &str) -> (&[usize], &[f32]) {
        self.io.iter().find(|(n, ..)| n == name).map(|(_, s, d)| (&s[..], &d[..])).unwrap()
    }

    fn step(&self) -> Step {
        let weights = self.meta["ds_weights"].as_array().unwrap();
        let heads = self.targets.iter().zip(weights).map(|((shape, values), w)| HeadTarget { shape, values, weight: w.as_f64().unwrap() }).collect();
        let (shape, x) = self.array("x");
        self.model.step(Mode::Train, x, shape, &Supervision { heads, prepared: &[], task: &self.task }, &self.loss, &[0]).unwrap()
    }

    /// The largest distance of any head.
    fn outputs(&self) -> f64 {
        let (shape, x) = self.array("x");
        let heads = self.model.heads(x, shape).unwrap();
        assert_eq!(heads.len(), self.targets.len());
        heads.iter().enumerate().fold(0.0, |m, (i, (found, found_shape))| {
            let (shape, wanted) = self.array(&format!("out{i}"));
            assert_eq!(found_shape, shape);
            m.max(distance(found, wanted))
        })
    }

    /// Whether some leaky ReLU's input is so near 0 that its sign hangs on rounding: PyTorch's f32 and f64 gradients tell.
    /// Gradients of biases before a normalisation are noise and say nothing.
    fn signs_flip(&self) -> bool {
        let noise = |name: &str| self.meta["grad"][name]["absmax"].as_f64().is_none_or(|g| g < 1e-5);
        let all = self.meta["f32_vs_f64_grad_max_rel"].as_object().unwrap();
        all.iter().any(|(name, off)| !noise(name) && off.as_f64().unwrap() > 2e-4)
    }

    /// Compares each parameter's gradient; returns the largest distance relative to the tensor's largest value.
    fn gradients(&self, step: &Step) -> f64 {
        let found = step.gradients.as_ref().unwrap().to_vecs().unwrap();
        let tolerance = if self.signs_flip() { 2e-2 } else { 1e-3 };
        let mut worst = 0f64;
        let mut squares = 0f64;
        for (i, weight) in self.model.weights().unwrap().iter().enumerate() {
            let wanted = &self.meta["grad"][&weight.name];
            let Some(found) = found.get(i).cloned().flatten() else {
                assert!(wanted.is_null(), "{} has no gradient", weight.name);
                continue;
            };
            assert!(!wanted.is_null(), "{} has a gradient", weight.name);
            squares += found.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>();
            let largest = wanted["absmax"].as_f64().unwrap();
            let allowed = tolerance * largest + 1e-6;
            let off = match &self.gradients {
                Some(all) => distance(&found, &all.iter().find(|(n, ..)| *n == weight.name).unwrap().2),
                None => {
                    let first: Vec<f32> = serde_json::from_value(wanted["first"].clone()).unwrap();
                    let l2 = found.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
                    let wanted_l2 = wanted["l2"].as_f64().unwrap();
                    assert!((l2 - wanted_l2).abs() <= allowed * (found.len() as f64).sqrt(), "{}: norm {l2}, wanted {wanted_l2}", weight.name);
                    distance(&found[..first.len()], &first)
                }
            };
            assert!(off <= allowed, "{}: off by {off:.1e} of {largest:.1e}", weight.name);
            if largest > 1e-5 {
                worst = worst.max(off / largest);
            }
        }
        let (norm, wanted) = (squares.sqrt(), self.meta["total_grad_norm"].as_f64().unwrap());
        assert!((norm - wanted).abs() <= 1e-3 * wanted, "norm {norm}, wanted {wanted}");
        worst
    }

    /// Voxels of the coarsest stage; tokens of a network without stages.
    fn bottleneck(&self) -> usize {
        let (patch, kwargs) = (&self.meta["patch"], &self.meta["architecture"]["arch_kwargs"]);
        let patch: Vec<usize> = serde_json::from_value(patch.clone()).unwrap();
        let strides: Vec<Vec<usize>> = match &kwargs["strides"] {
            Value::Null => vec![serde_json::from_value(kwargs["patch_embed_size"].clone()).unwrap()],
            strides => serde_json::from_value(strides.clone()).unwrap(),
        };
        patch.iter().enumerate().map(|(a, n)| n / strides.iter().map(|s| s[a]).product::<usize>()).product()
    }

    /// A few steps of nnU-Net's optimizer: each loss and the gradient's norm.
    fn trajectory(&mut self) -> Vec<(f64, f64)> {
        let steps = self.meta["sgd_trajectory"].as_array().unwrap().len();
        let mut optimizer = Optimizer::new(OptimizerSpec::default());
        let mut step = || {
            let step = self.step();
            let loss = f64::from(step.loss);
            (loss, optimizer.step(&mut self.model, step.gradients.unwrap(), 0.01, Some(12.0)).unwrap())
        };
        (0..steps).map(|_| step()).collect()
    }

    /// The trajectory's losses, norms and the parameters' norms at the end against the reference's; the largest distance of a loss.
    fn steady(&mut self) -> f64 {
        let found = self.trajectory();
        let mut worst = 0f64;
        for (&(loss, norm), point) in found.iter().zip(self.meta["sgd_trajectory"].as_array().unwrap()) {
            worst = worst.max(near(loss, point));
            let wanted = point["total_grad_norm_before_clip"].as_f64().unwrap();
            // 1e-3 holds for the first step, in `gradients`; flipped signs add up on the way
            assert!((norm - wanted).abs() <= 5e-3 * wanted, "norm {norm}, wanted {wanted}");
        }
        for weight in self.model.weights().unwrap() {
            let l2 = weight.data.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            let Some(wanted) = self.meta["params_l2_after_sgd"][&weight.name].as_f64() else { panic!("{} has no norm", weight.name) };
            assert!((l2 - wanted).abs() <= 1e-4 * wanted.max(1.0), "{}: norm {l2}, wanted {wanted}", weight.name);
        }
        worst
    }

    /// Moves each value of the input by one unit in the last place, up or down.
    fn nudge(&mut self, seed: u64) {
        let (_, _, x) = self.io.iter_mut().find(|(name, ..)| name == "x").unwrap();
        x.iter_mut().zip(seed << 32..).for_each(|(x, i)| *x = if mix(i) & 1 == 0 { x.next_up() } else { x.next_down() });
    }
}

/// How far a loss of a trajectory is from the reference's.
fn near(loss: f64, point: &Value) -> f64 {
    let wanted = point["loss"].as_f64().unwrap();
    let off = (loss - wanted).abs();
    assert!(off <= 1e-4, "loss {loss}, wanted {wanted}");
    off
}

/// The losses of a trajectory that hangs on the last bit, in the middle of [`INPUTS`] of them.
///
/// An instance norm over two voxels gives plus and minus one, and a gradient that hangs on the last bit: moving the input by one unit in
/// the last place moves the third step's norm of such a network by a factor of ten. PyTorch's own third loss is off by -1.4e-4 to 6.2e-5
/// over 120 such inputs, 1e-4 or more in one of them.
fn unsteady(dir: &Path) -> f64 {
    const INPUTS: u64 = 9;
    let of = |seed: u64| {
        let mut case = Case::read(dir);
        case.nudge(seed);
        case.trajectory()
    };
    let all: Vec<_> = (1..=INPUTS).map(of).collect();
    let meta = Case::read(dir).meta;
    let points = meta["sgd_trajectory"].as_array().unwrap();
    let middle = |step: usize| {
        let mut losses: Vec<f64> = all.iter().map(|trajectory| trajectory[step].0).collect();
        losses.sort_by(f64::total_cmp);
        losses[losses.len() / 2]
    };
    points.iter().enumerate().map(|(step, point)| near(middle(step), point)).fold(0.0, f64::max)
}

fn check(dir: &Path) {
    let (mut case, name) = (Case::read(dir), dir.display());
    let outputs = case.outputs();
    assert!(outputs <= 1e-4, "{name}: outputs off by {outputs:.1e}");
    let step = case.step();
    let loss = (f64::from(step.loss) - case.meta["loss"].as_f64().unwrap()).abs();
    assert!(loss <= 1e-5, "{name}: loss {} off by {loss:.1e}", step.loss);
    assert_eq!(step.leaked, 0);
    let gradients = case.gradients(&step);
    drop(step);
    let start = Instant::now();
    let steady = case.bottleneck() > 2;
    let sgd = if steady { case.steady() } else { unsteady(dir) };
    println!("{name}: outputs {outputs:.1e}, loss {loss:.1e}, gradients {gradients:.1e}, trajectory {sgd:.1e}; {} ms", start.elapsed().as_millis());
}

macro_rules! networks {
    ($($test:ident $name:literal)+) => {$(
        #[test]
        fn $test() {
            let Some(dir) = reference() else { return };
            check(&dir.join("network").join($name));
        }
    )+};
}
networks! {
    plain_3d "plain3d_small"
    plain_2d "plain2d_small"
    plain_3d_regions "plain3d_regions_small"
    plain_3d_anisotropic "plain3d_aniso_2ch_small"
    residual_3d "resencM3d_small"
    residual_2d "resencM2d_small"
    residual_3d_anisotropic "resencM3d_aniso_2ch_small"
    plain_2d_full "plain2d_full"
    plain_3d_full "plain3d_full"
    residual_3d_full "resencM3d_full"
}

/// A network of `tests/reference`, which is always there.
fn own(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/network").join(name)
}

#[test]
fn residual_decoder() {
    check(&own("residual_unet"));
}

#[test]
fn primus() {
    check(&own("primus"));
}

#[test]
fn primus_leaves_out_branches_in_training_alone() {
    let (plain, dropping) = (Case::read(&own("primus")), Case::with(&own("primus"), r#"{"drop_path_rate": 0.9}"#));
    assert!(dropping.outputs() <= 1e-4);
    let (plain, first, again) = (plain.step().loss, dropping.step().loss, dropping.step().loss);
    assert!((plain - first).abs() > 1e-3, "{plain} with every branch, {first} without some");
    assert_eq!(first, again, "the random numbers are those of the place");
}
