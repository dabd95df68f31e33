//! The gradient of the logits against finite differences.

use super::{Shows, Trial, labels_task, regions_task, takes};
use crate::validate::{Found, Target, fail, pass, skip, slope};
use engine::Random;
use plugin_api::Task;

/// Along the whole gradient, that of each channel, the two largest of single logits, and random signs.
fn gradient(on: &Target, task: &Task, spatial: &[usize]) -> Found {
    let mut trial = Trial::new(on, task, spatial, Shows::Random)?;
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
        let loss = |values: &[f32]| {
            trial.set(values, &shape)?;
            trial.gradient()
        };
        let found = slope::along(loss, &at, direction)?;
        if !found.agrees() {
            let (claimed, measured) = (found.claimed, found.measured);
            return fail(format!("along {which} the loss rises by {claimed:.4e} by the backward and by {measured:.4e} by differences"));
        }
        if found.tells() {
            told += 1;
            worst = worst.max(found.deviation());
        }
    }
    if told == 0 {
        return fail("the gradient cannot be told from zero for random logits and labels");
    }
    pass(format!("{told} slopes, largest deviation {:.1} %", 100.0 * worst))
}

pub(in crate::validate) fn gradient_3d(on: &Target) -> Found {
    gradient(on, &labels_task(3, false), &[8; 3])
}

pub(in crate::validate) fn gradient_2d(on: &Target) -> Found {
    gradient(on, &labels_task(3, false), &[16; 2])
}

pub(in crate::validate) fn gradient_regions(on: &Target) -> Found {
    let task = regions_task(2, false);
    match takes(on, &task) {
        Err(e) => skip(format!("it does not take regions: {e}")),
        Ok(()) => gradient(on, &task, &[8; 3]),
    }
}
