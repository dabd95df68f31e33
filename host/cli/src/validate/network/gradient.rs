//! Gradients of the parameters.

use super::Trial;
use crate::validate::{Found, Target, fail, pass, plans, slope, warn};
use engine::Random;

/// Parameters whose gradients are measured.
const MEASURED: usize = 6;
/// Names that a finding lists, at most.
const NAMED: usize = 8;

pub(in crate::validate) fn parameters(on: &Target) -> Found {
    let (mut dead, mut all) = (Vec::new(), 0);
    for dims in [3, 2] {
        let trial = Trial::new(on, plans::tiny(dims))?.supervise()?;
        let gradients = trial.gradients()?;
        let weights = trial.model.weights()?;
        let reached = |i: usize| gradients.get(i).is_some_and(|g| g.as_ref().is_some_and(|g| g.iter().any(|v| *v != 0.0)));
        let trained: Vec<usize> = (0..weights.len()).filter(|&i| weights[i].trainable).collect();
        all += trained.len();
        dead.extend(trained.into_iter().filter(|&i| !reached(i)).map(|i| format!("{} ({dims}D)", weights[i].name)));
    }
    if dead.len() == all {
        return fail("no parameter has a gradient");
    }
    match dead.len() {
        0 => pass(format!("{all} in 3D and 2D together")),
        n => {
            dead.truncate(NAMED);
            let more = if n > NAMED { ", ..." } else { "" };
            warn(format!("{n} of {all} never learn, no gradient reaches them: {}{more}", dead.join(", ")))
        }
    }
}

/// For a few parameters, spread over the network: the slope of the loss along the gradient, and along random signs.
pub(in crate::validate) fn gradient(on: &Target) -> Found {
    let mut trial = Trial::new(on, plans::tiny(3))?.supervise()?;
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
        let mut loss = |values: &[f32]| -> engine::Result<(f64, Vec<f32>)> {
            let with = |i: usize, data: &[f32]| if i == place { values.to_vec() } else { data.to_vec() };
            let all: Vec<_> = start.iter().enumerate().map(|(i, (name, shape, data, _))| (name.clone(), shape.clone(), with(i, data))).collect();
            trial.model.load(&all)?;
            let (loss, mut gradients) = trial.loss_and_gradients()?;
            Ok((loss, gradients.get_mut(place).and_then(Option::take).unwrap_or_else(|| vec![0.0; values.len()])))
        };
        let uphill: Vec<f64> = claimed.iter().map(|g| f64::from(*g)).collect();
        let directions = [(uphill, "along the gradient"), (slope::signs(at.len(), &mut random), "along random signs")];
        for (direction, which) in directions.iter().filter(|(d, _)| d.iter().any(|v| *v != 0.0)) {
            let found = slope::along(&mut loss, at, direction)?;
            if !found.agrees() {
                let (claimed, measured) = (found.claimed, found.measured);
                return fail(format!(
                    "parameter {name}: {which} the loss rises by {claimed:.4e} by the backward and by {measured:.4e} by differences"
                ));
            }
            if found.tells() {
                told += 1;
                worst = worst.max(found.deviation());
            }
        }
    }
    if told == 0 {
        return fail(format!("none of {} parameters has a gradient that can be told from zero", chosen.len()));
    }
    pass(format!("{told} slopes of {} parameters, largest deviation {:.1} %", chosen.len(), 100.0 * worst))
}
