//! Short forms for what the tests ask of a loss.

use plugin_api::{Prepared, Task};
use plugin_test::{TestLoss, Values};

pub(super) fn loss(name: &str, settings: &str, task: &Task) -> TestLoss {
    TestLoss::new(name, serde_json::from_str(settings).unwrap(), task).unwrap()
}

/// A label task with `outputs` classes.
pub(super) fn labels_task(outputs: usize, ignore: bool) -> Task {
    Task { outputs, regions: false, ignore, batch_dice: false }
}

/// The one array that is prepared, stacked over the batch, as the host hands it on.
pub(super) fn stacked(loss: &TestLoss, spatial: &[usize], samples: &[Vec<i16>]) -> Prepared {
    loss.prepared(spatial, samples).unwrap().swap_remove(0)
}

/// Logits (B, C, spatial...).
pub(super) fn logits(task: &Task, spatial: &[usize], values: &[f64], batch: usize) -> Values {
    Values::new(&[&[batch, task.outputs], spatial].concat(), values.to_vec())
}

/// The loss with one head of weight 1.
pub(super) fn value(loss: &TestLoss, task: &Task, spatial: &[usize], values: &[f64], samples: &[Vec<i16>]) -> f64 {
    loss.value(&logits(task, spatial, values, samples.len()), samples).unwrap()
}

/// The slope of the loss along each logit.
pub(super) fn gradient(loss: &TestLoss, task: &Task, spatial: &[usize], values: &[f64], samples: &[Vec<i16>]) -> Vec<f64> {
    loss.gradient(&logits(task, spatial, values, samples.len()), samples).unwrap().data
}

pub(super) fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 2e-6, "{a} {b}");
}

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
