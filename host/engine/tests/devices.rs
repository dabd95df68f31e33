//! A batch that several devices share has the loss and the gradients that one device finds.
#![allow(clippy::unwrap_used, clippy::panic)]

use engine::{Device, Devices, Group, HeadTarget, Mode, Model, Optimizer, OptimizerSpec, Random, Step, Supervision, shares};
use plugin_api::{
    Task,
    abi::host::{ArchitectureHandle, Library, LossHandle},
    prelude::*,
};
use serde_json::json;

const PATCH: [usize; 3] = [8, 12, 8];

/// How far the samples' means lie apart, where each voxel counts as an array says that was prepared: no sum over parts of a batch is that.
#[derive(Default, Deserialize)]
struct Coupled {}

impl Loss for Coupled {
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        let weighed = logits * target.prepared("weights");
        let axes: Vec<usize> = (1..weighed.shape().len()).collect();
        let means = weighed.mean_axes(&axes, true);
        let apart = &means - means.mean();
        Ok((&apart * &apart).sum())
    }
}

register_loss!("coupled", Coupled);

/// A network whose thread tells that it fails.
#[derive(Default, Deserialize)]
struct Fails {}

impl Architecture for Fails {
    fn build(&self, spec: &NetworkSpec, p: &Params) -> Result<Box<dyn Network>> {
        Ok(Box::new(Failing(nn::Conv::pointwise(&p.at("head"), spec.input_channels, spec.num_classes, spec.dims(), true)?)))
    }
}

struct Failing(nn::Conv);

impl Network for Failing {
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        assert_ne!(std::thread::current().name(), Some("device cpu:1"), "not here");
        Ok(vec![self.0.forward(x)])
    }
}

register_architecture!("fails", Fails);

/// A small U-Net with deep supervision.
fn spec(norm: &str, dropout: f64) -> NetworkSpec {
    let dropout_op = if dropout > 0.0 { json!("torch.nn.modules.dropout.Dropout3d") } else { json!(null) };
    NetworkSpec {
        input_channels: 2,
        num_classes: 3,
        patch_size: PATCH.to_vec(),
        deep_supervision: true,
        network_class_name: "dynamic_network_architectures.architectures.unet.PlainConvUNet".into(),
        arch_kwargs: json!({
            "n_stages": 3, "features_per_stage": [4, 8, 8], "conv_op": "torch.nn.modules.conv.Conv3d", "kernel_sizes": vec![[3; 3]; 3],
            "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]], "n_conv_per_stage": [1, 1, 1], "n_conv_per_stage_decoder": [1, 1], "conv_bias": true,
            "norm_op": norm, "norm_op_kwargs": {"eps": 1e-5, "affine": true}, "dropout_op": dropout_op,
            "dropout_op_kwargs": {"p": dropout, "inplace": true}, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true},
        }),
    }
}

const INSTANCE: &str = "torch.nn.modules.instancenorm.InstanceNorm3d";
const BATCH: &str = "torch.nn.modules.batchnorm.BatchNorm3d";

fn group_of(name: &str, spec: &NetworkSpec, devices: usize) -> engine::Result<Group> {
    standard::link();
    let architecture: ArchitectureHandle = Library::builtin().architecture(name, "{}").unwrap();
    let devices = Devices::parse("cpu", devices)?;
    Group::new(Model::build(devices.lead(), &architecture, spec, 5)?, devices.others(), &architecture, spec)
}

fn group(spec: &NetworkSpec, devices: usize) -> Group {
    group_of("PlainConvUNet", spec, devices).unwrap()
}

/// A batch with the targets of two heads.
struct Batch {
    x: Vec<f32>,
    shape: Vec<usize>,
    /// Of each head.
    targets: Vec<(Vec<usize>, Vec<i16>)>,
    prepared: Vec<Prepared>,
    task: Task,
    loss: LossHandle,
}

impl Batch {
    fn new(samples: usize, loss: &str, task: Task) -> Self {
        let mut random = Random::new(11, &[samples as u64]);
        let shape: Vec<usize> = [samples, 2].into_iter().chain(PATCH).collect();
        let x = (0..shape.iter().product()).map(|_| random.normal() as f32).collect();
        let channels = if task.regions { task.outputs } else { 1 };
        let mut target = |head: usize| {
            let shape: Vec<usize> = [samples, channels].into_iter().chain(PATCH.map(|n| n >> head)).collect();
            let below = if task.regions { 2.0 } else { task.outputs as f64 };
            // the first sample holds background alone, so that samples differ
            let labels = (0..shape.iter().product::<usize>()).map(|i| if i < 200 >> head { 0 } else { (random.uniform() * below) as i16 }).collect();
            (shape, labels)
        };
        // what is prepared is for the finest head
        let heads = if loss == "coupled" { 1 } else { 2 };
        let targets = (0..heads).map(&mut target).collect();
        let weights: Vec<usize> = [samples, 1].into_iter().chain(PATCH).collect();
        let values = (0..weights.iter().product()).map(|_| random.uniform() as f32).collect();
        let loss = Library::builtin().loss(loss, "{}", &serde_json::to_string(&task).unwrap()).unwrap();
        Batch { x, shape, targets, prepared: vec![Prepared::floats("weights", &weights, values)], task, loss }
    }

    fn step(&self, group: &Group, mode: Mode, iteration: u64) -> engine::Result<Step> {
        let heads = self.targets.iter().zip([1.0, 0.5]).map(|((shape, values), weight)| HeadTarget { shape, values, weight }).collect();
        let supervision = Supervision { heads, prepared: &self.prepared, task: &self.task };
        group.step(mode, &self.x, &self.shape, &supervision, &self.loss, &[0, iteration])
    }

    /// The samples of `share` alone.
    fn part(&self, share: &std::ops::Range<usize>) -> Batch {
        let cut = |shape: &[usize]| ([&[share.len()], &shape[1..]].concat(), shape[1..].iter().product::<usize>());
        let (shape, each) = cut(&self.shape);
        let targets = self.targets.iter().map(|(shape, values)| {
            let (shape, each) = cut(shape);
            (shape, values[share.start * each..share.end * each].to_vec())
        });
        let loss = Library::builtin().loss("dice_ce", "{}", &serde_json::to_string(&self.task).unwrap()).unwrap();
        let x = self.x[share.start * each..share.end * each].to_vec();
        Batch { x, shape, targets: targets.collect(), prepared: vec![], task: self.task.clone(), loss }
    }
}

fn labels(batch_dice: bool) -> Task {
    Task { outputs: 3, batch_dice, ..Task::default() }
}

/// The largest distance, as a part of the largest value.
fn apart(found: &[f32], wanted: &[f32]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let largest = wanted.iter().fold(0f32, |m, v| m.max(v.abs()));
    let distance = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    f64::from(distance) / f64::from(largest.max(f32::MIN_POSITIVE))
}

fn gradients(step: Step) -> Vec<Option<Vec<f32>>> {
    step.gradients.unwrap().to_vecs().unwrap()
}

#[test]
fn loss_and_gradients_are_those_of_one_device() {
    let tasks = [
        ("dice_ce", labels(false)),
        ("dice_ce", labels(true)),
        ("dice_ce", Task { outputs: 3, regions: true, batch_dice: true, ..Task::default() }),
        ("dice_topk", labels(false)),
    ];
    let spec = spec(INSTANCE, 0.0);
    let one = group(&spec, 1);
    for devices in [2, 3] {
        let several = group(&spec, devices);
        for samples in [3, 5] {
            for (name, task) in &tasks {
                let what = format!("{name} of {task:?}, {samples} samples on {devices} devices");
                let batch = Batch::new(samples, name, task.clone());
                let (wanted, found) = (batch.step(&one, Mode::Train, 0).unwrap(), batch.step(&several, Mode::Train, 0).unwrap());
                assert!((f64::from(found.loss) - f64::from(wanted.loss)).abs() < 1e-6, "{what}: {} instead of {}", found.loss, wanted.loss);
                assert_eq!(found.leaked, 0, "{what}");
                let (wanted, found) = (gradients(wanted), gradients(found));
                assert_eq!(found.len(), wanted.len(), "{what}");
                let all = |list: &[Option<Vec<f32>>]| list.iter().flatten().flatten().copied().collect::<Vec<f32>>();
                let off = apart(&all(&found), &all(&wanted));
                assert!(off < 1e-5, "{what}: gradients are off by {off:.1e}");
                assert!(found.iter().zip(&wanted).all(|(f, w)| f.is_some() == w.is_some()), "{what}");

                let (wanted, found) = (batch.step(&one, Mode::Validate, 0).unwrap(), batch.step(&several, Mode::Validate, 0).unwrap());
                let ((found_logits, found_shape), (logits, shape)) = (found.logits.unwrap(), wanted.logits.unwrap());
                assert_eq!(found_shape, shape, "{what}");
                assert!(apart(&found_logits, &logits) < 1e-5 && (found.loss - wanted.loss).abs() < 1e-6, "{what}");
                assert!(found.gradients.is_none());
            }
        }
    }
}

#[test]
fn a_loss_of_ones_own_sees_the_whole_batch_and_what_it_prepared() {
    let spec = spec(INSTANCE, 0.0);
    let batch = Batch::new(5, "coupled", labels(false));
    let wanted = batch.step(&group(&spec, 1), Mode::Train, 0).unwrap();
    let found = batch.step(&group(&spec, 3), Mode::Train, 0).unwrap();
    assert!((found.loss - wanted.loss).abs() < 1e-4 * wanted.loss, "{} instead of {}", found.loss, wanted.loss);
    for (found, wanted) in gradients(found).iter().zip(gradients(wanted)) {
        assert_eq!(found.is_some(), wanted.is_some());
        if let (Some(found), Some(wanted)) = (found, wanted) {
            let largest = wanted.iter().fold(0f32, |m, v| m.max(v.abs()));
            assert!(largest < 1e-6 || apart(found, &wanted) < 1e-4, "{found:?} instead of {wanted:?}");
        }
    }
}

#[test]
fn steps_of_the_optimizer_lead_the_same_way() {
    let spec = spec(INSTANCE, 0.0);
    let batch = Batch::new(4, "dice_ce", labels(true));
    let losses = |devices: usize| -> Vec<f32> {
        let (mut group, mut optimizer) = (group(&spec, devices), Optimizer::new(OptimizerSpec::default()));
        let mut step = |iteration| {
            let step = batch.step(&group, Mode::Train, iteration).unwrap();
            group.update(&mut optimizer, step.gradients.unwrap(), 0.01, Some(12.0)).unwrap().read().unwrap();
            step.loss
        };
        (0..10).map(&mut step).collect()
    };
    let (one, two, again) = (losses(1), losses(2), losses(2));
    assert_eq!(two, again, "the same command does not give the same numbers");
    assert!(one[9] < one[0] - 0.05, "nothing was learned: {one:?}");
    let off = one.iter().zip(&two).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(off < 1e-4, "{two:?} instead of {one:?}");
}

#[test]
fn images_are_predicted_in_their_order() {
    let spec = spec(INSTANCE, 0.0);
    let (one, three) = (group(&spec, 1), group(&spec, 3));
    // fewer than devices, too
    for samples in [1, 2, 5] {
        let batch = Batch::new(samples, "dice_ce", labels(false));
        let (wanted, found) = (one.predict(&batch.x, &batch.shape).unwrap(), three.predict(&batch.x, &batch.shape).unwrap());
        assert_eq!(found.1, wanted.1);
        assert!(apart(&found.0, &wanted.0) < 1e-5, "{samples} samples");
    }
}

/// Batch norm normalises each part by itself; its running statistics are the mean of the parts', weighed by their samples.
#[test]
fn running_statistics_are_the_mean_of_the_parts() {
    let spec = spec(BATCH, 0.0);
    let batch = Batch::new(3, "dice_ce", labels(false));
    let buffers = |group: &Group| -> Vec<(String, Vec<f32>)> {
        group.lead().weights().unwrap().into_iter().filter(|w| !w.trainable).map(|w| (w.name, w.data)).collect()
    };
    let parts: Vec<_> = shares(3, 2)
        .unwrap()
        .iter()
        .map(|share| {
            let alone = group(&spec, 1);
            batch.part(share).step(&alone, Mode::Train, 0).unwrap();
            buffers(&alone)
        })
        .collect();
    let two = group(&spec, 2);
    let untouched = buffers(&two);
    batch.step(&two, Mode::Train, 0).unwrap();
    let found = buffers(&two);
    assert!(found.len() > 4 && found != untouched);
    for (i, (name, values)) in found.iter().enumerate() {
        let mean: Vec<f32> = parts[0][i].1.iter().zip(&parts[1][i].1).map(|(a, b)| (2.0 * a + b) / 3.0).collect();
        assert!(apart(values, &mean) < 1e-5, "{name}: {values:?} instead of {mean:?}");
    }
}

/// Each device has random numbers of its own, and the same ones in each run.
#[test]
fn dropout_repeats_and_differs_between_devices() {
    let spec = spec(INSTANCE, 0.5);
    let batch = Batch::new(2, "dice_ce", labels(false));
    let loss = |batch: &Batch, iteration| batch.step(&group(&spec, 2), Mode::Train, iteration).unwrap().loss;
    assert_eq!(loss(&batch, 0), loss(&batch, 0));
    assert_ne!(loss(&batch, 0), loss(&batch, 1));
    // the same image twice: with dropout alone the two lie apart
    let one = &batch.x[..batch.x.len() / 2];
    let weights = vec![Prepared::floats("weights", &[2, 1, 1, 1, 1], vec![1.0; 2])];
    let twice = Batch { x: [one, one].concat(), prepared: weights, ..Batch::new(2, "coupled", labels(false)) };
    let plain = twice.step(&group(&spec, 2), Mode::Validate, 0).unwrap().loss;
    assert!(plain < 1e-12 && loss(&twice, 0) > 1e-6, "{plain}, {}", loss(&twice, 0));
}

#[test]
fn what_fails_names_its_device_and_the_others_go_on() {
    let spec = NetworkSpec { deep_supervision: false, ..spec(INSTANCE, 0.0) };
    let batch = Batch::new(3, "coupled", labels(false));
    let failing = group_of("fails", &spec, 3).unwrap();
    for mode in [Mode::Train, Mode::Validate, Mode::Train] {
        let error = batch.step(&failing, mode, 0).err().unwrap().to_string();
        assert!(error.starts_with("device cpu:1: ") && error.contains("not here") && error.contains("devices.rs:"), "{error}");
    }
    assert!(batch.step(&group_of("fails", &spec, 1).unwrap(), Mode::Train, 0).is_ok());
}

#[test]
fn a_batch_is_shared_or_refused() {
    let parts = |samples, devices| shares(samples, devices).unwrap().into_iter().map(|share| share.len()).collect::<Vec<_>>();
    assert_eq!(parts(2, 1), [2]);
    assert_eq!(parts(5, 2), [3, 2]);
    assert_eq!(parts(11, 4), [3, 3, 3, 2]);
    assert_eq!(shares(7, 3).unwrap(), [0..3, 3..5, 5..7]);
    let error = shares(2, 3).unwrap_err().to_string();
    assert!(error.contains("a batch of 2") && error.contains("3 devices"), "{error}");
    let spec = spec(INSTANCE, 0.0);
    let batch = Batch::new(2, "dice_ce", labels(false));
    assert_eq!(batch.step(&group(&spec, 3), Mode::Train, 0).err().map(|e| e.to_string()), Some(error));
}

#[test]
fn devices_have_names() {
    let names = |name, count| Devices::parse(name, count).map(|devices| devices.names().join(" ")).map_err(|e| e.to_string());
    assert_eq!(names("cpu", 1).unwrap(), "cpu");
    assert_eq!(names("cpu", 3).unwrap(), "cpu:0 cpu:1 cpu:2");
    assert!(Devices::parse("cpu", 2).unwrap().others().iter().all(Device::is_cpu));
    assert!(names("cpu:1", 2).unwrap_err().contains("cpu:1 is unknown"));
    assert!(names("mps", 2).unwrap_err().contains("mps is not supported"));
}
