//! A network that multiplies bf16 beside the same one in f32: losses, gradients and a short training.
#![allow(clippy::unwrap_used)]

use engine::{Device, HeadTarget, Mode, Model, Optimizer, OptimizerSpec, Precision, Step, Supervision};
use plugin_api::{
    NetworkSpec, Task,
    abi::host::{Library, LossHandle},
};
use serde_json::json;

const PATCH: [usize; 3] = [12, 16, 14];
const BATCH: usize = 2;

/// A small U-Net on images of balls of two sizes, one a class, under noise.
struct Training {
    model: Model,
    optimizer: Optimizer,
    loss: LossHandle,
    task: Task,
}

/// The images of an iteration and their labels.
fn balls(iteration: usize) -> (Vec<f32>, Vec<i16>) {
    let mut random = engine::Random::new(5, &[iteration as u64]);
    let (mut image, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..BATCH {
        let centre = PATCH.map(|n| n as f64 * (0.3 + 0.4 * random.uniform()));
        for voxel in 0..PATCH.iter().product() {
            let at = [voxel / (PATCH[1] * PATCH[2]), voxel / PATCH[2] % PATCH[1], voxel % PATCH[2]];
            let apart = (0..3).map(|a| (at[a] as f64 - centre[a]).powi(2)).sum::<f64>().sqrt();
            let label = i16::from(apart < 5.0) + i16::from(apart < 2.5);
            labels.push(label);
            image.push((f64::from(label) + 0.3 * random.normal()) as f32);
        }
    }
    (image, labels)
}

impl Training {
    fn new(precision: Precision) -> Self {
        standard::link();
        let spec = NetworkSpec {
            input_channels: 1,
            num_classes: 3,
            patch_size: PATCH.to_vec(),
            deep_supervision: true,
            network_class_name: "dynamic_network_architectures.architectures.unet.PlainConvUNet".into(),
            arch_kwargs: json!({
                "n_stages": 2, "features_per_stage": [16, 32], "conv_op": "torch.nn.modules.conv.Conv3d",
                "kernel_sizes": [[3, 3, 3], [3, 3, 3]], "strides": [[1, 1, 1], [2, 2, 2]], "n_conv_per_stage": [2, 2], "n_conv_per_stage_decoder": [2],
                "conv_bias": true, "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs": {"eps": 1e-5, "affine": true},
                "dropout_op": null, "dropout_op_kwargs": null, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true},
            }),
        };
        let architecture = Library::builtin().architecture("PlainConvUNet", "{}").unwrap();
        let model = Model::build(&Device::cpu().with_precision(precision), &architecture, &spec, 1).unwrap();
        let task = Task { outputs: 3, regions: false, ignore: false, batch_dice: false };
        let loss = Library::builtin().loss("dice_ce", "{}", &serde_json::to_string(&task).unwrap()).unwrap();
        Training { model, optimizer: Optimizer::new(OptimizerSpec::default()), loss, task }
    }

    fn step(&self, iteration: usize) -> Step {
        let (image, labels) = balls(iteration);
        let shape: Vec<usize> = [BATCH, 1].into_iter().chain(PATCH).collect();
        let heads = vec![HeadTarget { shape: &shape, values: &labels, weight: 1.0 }];
        let supervision = Supervision { heads, prepared: &[], task: &self.task };
        self.model.step(Mode::Train, &image, &shape, &supervision, &self.loss, &[iteration as u64]).unwrap()
    }

    /// The losses of a training.
    fn train(&mut self, iterations: usize) -> Vec<f64> {
        let one = |iteration| {
            let step = self.step(iteration);
            self.optimizer.step(&mut self.model, step.gradients.unwrap(), 0.01, Some(12.0)).unwrap();
            f64::from(step.loss)
        };
        (0..iterations).map(one).collect()
    }
}

/// Whether there is anything to compare.
fn multiplies_bf16() -> bool {
    let found = engine::kernels::multiplies_bf16();
    if !found {
        eprintln!("skipped: this processor has no AVX512-BF16");
    }
    found
}

#[test]
fn without_the_instructions_numbers_stay_f32() {
    let precision = Device::cpu().with_precision(Precision::Mixed).precision();
    assert_eq!(precision == Precision::Mixed, engine::kernels::multiplies_bf16());
}

#[test]
fn loss_and_gradients_are_near_those_of_f32() {
    if !multiplies_bf16() {
        return;
    }
    let [exact, mixed] = [Precision::F32, Precision::Mixed].map(|precision| Training::new(precision).step(0));
    let apart = (exact.loss - mixed.loss).abs();
    assert!(apart > 0.0 && apart < 2f32.powi(-7) * exact.loss.abs(), "losses {} and {}", exact.loss, mixed.loss);
    let [exact, mixed] = [exact, mixed].map(|step| step.gradients.unwrap().to_vecs().unwrap());
    let (mut all, mut off) = (0f64, 0f64);
    for (exact, mixed) in exact.iter().flatten().zip(mixed.iter().flatten()) {
        all += exact.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>();
        off += exact.iter().zip(mixed).map(|(&e, &m)| (f64::from(e) - f64::from(m)).powi(2)).sum::<f64>();
    }
    let part = (off / all).sqrt();
    println!("losses apart by {apart:.1e}, gradients by {part:.1e} of their norm");
    // signs of activations near zero flip, so the distance is more than the rounding of one product
    assert!(part < 0.05, "gradients are apart by {part} of their norm");
}

#[test]
fn trainings_end_at_the_same_loss() {
    if !multiplies_bf16() {
        return;
    }
    const ITERATIONS: usize = 60;
    let ends = [Precision::F32, Precision::Mixed].map(|precision| {
        let losses = Training::new(precision).train(ITERATIONS);
        let end = losses[ITERATIONS - 10..].iter().sum::<f64>() / 10.0;
        assert!(end < losses[0] - 0.5, "{precision:?} learns: from {} to {end}", losses[0]);
        end
    });
    println!("the last ten losses are {:.4} in f32, {:.4} mixed", ends[0], ends[1]);
    assert!((ends[0] - ends[1]).abs() < 0.03, "{ends:?}");
}
