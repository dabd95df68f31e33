//! A loss from the library in memory, on targets as the host hands them on.

use super::values::Calculator;
use plugin_api::{
    Prepared, Task,
    abi::host::{HeadArgs, Library, LossHandle},
    json,
};

pub(super) fn loss(name: &str, settings: &str, task: &Task) -> LossHandle {
    Library::builtin().loss(name, settings, &json!(task).to_string()).unwrap()
}

/// A label task with `outputs` classes.
pub(super) fn labels_task(outputs: usize, ignore: bool) -> Task {
    Task { outputs, regions: false, ignore, batch_dice: false }
}

/// Samples stacked over the batch, as the host hands them on.
pub(super) fn stacked(loss: &LossHandle, task: &Task, spatial: &[usize], samples: &[Vec<i16>]) -> Prepared {
    let channels = if task.regions { task.outputs + usize::from(task.ignore) } else { 1 };
    let shape: Vec<usize> = [channels].into_iter().chain(spatial.iter().copied()).collect();
    let each: Vec<Prepared> = samples.iter().map(|s| loss.prepare(&shape, s).unwrap().swap_remove(0)).collect();
    let shape: Vec<usize> = [samples.len()].into_iter().chain(each[0].shape().iter().copied()).collect();
    Prepared::ints(each[0].name(), &shape, each.iter().flat_map(|p| p.int_values().to_vec()).collect())
}

/// The loss with one head of weight 1; `logits` (B, C, spatial...).
pub(super) fn value(loss: &LossHandle, task: &Task, spatial: &[usize], logits: &[f64], samples: &[Vec<i16>]) -> f64 {
    let host = Calculator::default();
    let batch = samples.len();
    let at = |channels: usize| [batch, channels].into_iter().chain(spatial.iter().copied()).collect::<Vec<usize>>();
    let prepared = [stacked(loss, task, spatial, samples)];
    let voxels: usize = spatial.iter().product();
    let logits = host.put(&at(task.outputs), logits.to_vec());
    let ignored = |s: &Vec<i16>, v: usize| match task.regions {
        true => task.ignore && s[task.outputs * voxels + v] > 0,
        false => s[v] as usize >= task.outputs,
    };
    let valid = samples.iter().flat_map(|s| (0..voxels).map(move |v| f64::from(u8::from(!ignored(s, v))))).collect();
    let valid = task.ignore.then(|| host.put(&at(1), valid));
    let read = |v: i16| f64::from(if v as usize >= task.outputs { 0 } else { v });
    let labels = (!task.regions).then(|| host.put(&at(1), samples.iter().flatten().map(|&v| read(v)).collect()));
    let regions = task.regions.then(|| {
        let wanted = samples.iter().flat_map(|s| s[..task.outputs * voxels].iter().map(|&v| f64::from(v))).collect();
        host.put(&at(task.outputs), wanted)
    });
    let heads = [HeadArgs { logits, weight: 1.0, labels, regions, valid, prepared: &prepared }];
    let result = host.get(loss.heads(&host, &heads).unwrap());
    assert_eq!(result.shape, [1]);
    result.data[0]
}

/// The slope of the loss along each logit, by central differences.
pub(super) fn gradient(loss: &LossHandle, task: &Task, spatial: &[usize], logits: &[f64], samples: &[Vec<i16>]) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let moved = |i: usize, by: f64| {
        let mut logits = logits.to_vec();
        logits[i] += by;
        value(loss, task, spatial, &logits, samples)
    };
    (0..logits.len()).map(|i| (moved(i, STEP) - moved(i, -STEP)) / (2.0 * STEP)).collect()
}

pub(super) fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 2e-6, "{a} {b}");
}

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
