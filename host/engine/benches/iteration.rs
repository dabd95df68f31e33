//! Times whole training iterations, and where their time goes: forward and loss, the way back, the optimizer's step.
//!
//! `cargo bench -p engine --bench iteration [-- NAME [RUNS [mixed] [recompute]]]` with NAME one of the networks below; the first is Dataset004's 3d_fullres plan.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use engine::{Device, Devices, HeadTarget, Mode, Model, Optimizer, OptimizerSpec, Precision, Supervision};
use plugin_api::{
    NetworkSpec, Task,
    abi::host::{Library, LossHandle},
};
use serde_json::json;

/// A network, as a plan has it.
struct Plan {
    name: &'static str,
    class: &'static str,
    features: &'static [usize],
    blocks: &'static [usize],
    patch: [usize; 3],
    batch: usize,
}

const PLANS: [Plan; 3] = [
    Plan { name: "plain-004", class: "PlainConvUNet", features: &[32, 64, 128, 256], blocks: &[2; 4], patch: [40, 56, 40], batch: 2 },
    Plan { name: "resenc-m-004", class: "ResidualEncoderUNet", features: &[32, 64, 128, 256], blocks: &[1, 3, 4, 6], patch: [40, 56, 40], batch: 2 },
    Plan { name: "plain-128", class: "PlainConvUNet", features: &[32, 64, 128, 256, 320, 320], blocks: &[2; 6], patch: [128; 3], batch: 2 },
];

impl Plan {
    fn spec(&self) -> NetworkSpec {
        let stages = self.features.len();
        let strides: Vec<[usize; 3]> = (0..stages).map(|i| [if i == 0 { 1 } else { 2 }; 3]).collect();
        let residual = self.class.starts_with("Residual");
        let decoder = vec![if residual { 1 } else { 2 }; stages - 1];
        let blocks = if residual { "n_blocks_per_stage" } else { "n_conv_per_stage" };
        let kwargs = json!({
            "n_stages": stages, "features_per_stage": self.features, "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": vec![[3; 3]; stages], "strides": strides, blocks: self.blocks, "n_conv_per_stage_decoder": decoder,
            "conv_bias": true, "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs": {"eps": 1e-5, "affine": true},
            "dropout_op": null, "dropout_op_kwargs": null, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true},
        });
        NetworkSpec {
            input_channels: 1,
            num_classes: 3,
            patch_size: self.patch.to_vec(),
            deep_supervision: true,
            network_class_name: format!("dynamic_network_architectures.architectures.unet.{}", self.class),
            arch_kwargs: kwargs,
        }
    }
}

/// A model with a batch, and what it is compared with.
struct Rig {
    model: Model,
    optimizer: Optimizer,
    loss: LossHandle,
    task: Task,
    x: Vec<f32>,
    shape: Vec<usize>,
    targets: Vec<(Vec<usize>, Vec<i16>)>,
}

impl Rig {
    fn new(plan: &Plan, device: &Device) -> Self {
        let architecture = Library::builtin().architecture(plan.class, "{}").unwrap();
        let model = Model::build(device, &architecture, &plan.spec(), 1).unwrap();
        let task = Task { outputs: 3, regions: false, ignore: false, batch_dice: false };
        let loss = Library::builtin().loss("dice_ce", "{}", &serde_json::to_string(&task).unwrap()).unwrap();
        let shape: Vec<usize> = [plan.batch, 1].into_iter().chain(plan.patch).collect();
        let random = |i: usize| (i as u32).wrapping_mul(2_654_435_761) >> 8;
        let x = (0..shape.iter().product()).map(|i| random(i) as f32 / (1 << 23) as f32 - 1.0).collect();
        let target = |head: usize| {
            let mut shape = shape.clone();
            shape[2..].iter_mut().for_each(|n| *n >>= head);
            let labels = (0..shape.iter().product()).map(|i| (random(i) % 3) as i16).collect();
            (shape, labels)
        };
        let targets = (0..plan.features.len() - 1).map(target).collect();
        Rig { model, optimizer: Optimizer::new(OptimizerSpec::default()), loss, task, x, shape, targets }
    }

    /// Milliseconds of an iteration: forward, loss and the way back; the optimizer's step.
    fn iteration(&mut self) -> [f64; 2] {
        let start = Instant::now();
        let weight = |i: usize| 0.5f64.powi(i as i32 + 1);
        let heads = self.targets.iter().enumerate().map(|(i, (shape, values))| HeadTarget { shape, values, weight: weight(i) }).collect();
        let supervision = Supervision { heads, prepared: &[], task: &self.task };
        let step = self.model.step(Mode::Train, &self.x, &self.shape, &supervision, &self.loss, &[0]).unwrap();
        let computed = start.elapsed();
        self.optimizer.step(&mut self.model, step.gradients.unwrap(), 0.01, Some(12.0)).unwrap();
        [computed, start.elapsed() - computed].map(|time| time.as_secs_f64() * 1e3)
    }
}

fn main() {
    standard::link();
    Devices::parse("cpu", 1).unwrap().compute_here();
    let wanted = std::env::args().nth(1).filter(|name| !name.starts_with('-')).unwrap_or(PLANS[0].name.into());
    let runs = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(8);
    let asked = |word: &str| std::env::args().skip(3).any(|argument| argument == word);
    let device = Device::cpu().with_precision(if asked("mixed") { Precision::Mixed } else { Precision::F32 }).recomputing(asked("recompute"));
    let (precision, again) = (device.precision(), if device.recomputes() { ", recomputing" } else { "" });
    for plan in PLANS.iter().filter(|plan| plan.name == wanted) {
        let mut rig = Rig::new(plan, &device);
        rig.iteration();
        let mut times: Vec<[f64; 2]> = (0..runs).map(|_| rig.iteration()).collect();
        times.sort_by(|a, b| (a[0] + a[1]).total_cmp(&(b[0] + b[1])));
        let [computed, stepped] = times[times.len() / 2];
        let range = [times[0], times[times.len() - 1]].map(|t| t[0] + t[1]);
        let peak = engine::kernels::peak_bytes() as f64 / f64::from(1 << 30);
        let start = Instant::now();
        rig.model.predict(&rig.x, &rig.shape).unwrap();
        let predicted = start.elapsed().as_secs_f64() * 1e3;
        println!(
            "{}, {precision:?}{again}: {:.0} ms an iteration (median of {runs}; {:.0} to {:.0}), {stepped:.1} of them the optimizer's; inference {predicted:.0} ms; \
             {:.2} GiB of values",
            plan.name,
            computed + stepped,
            range[0],
            range[1],
            peak
        );
    }
}
