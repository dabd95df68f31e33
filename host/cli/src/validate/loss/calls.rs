//! What one call after another must have in common, and what may be left behind.

use super::{BATCH, Shows, Trial, labels_task};
use crate::validate::{Found, Target, calls, fail, pass, warn};
use engine::shape::{LossHead, trace_loss};
use plugin_api::Prepared;

/// Heads as a plan of three stages has them.
const HEADS: [(&[usize], f64); 3] = [(&[8, 8, 8], 4.0 / 7.0), (&[4, 4, 4], 2.0 / 7.0), (&[2, 2, 2], 1.0 / 7.0)];

pub(in crate::validate) fn shapes(on: &Target) -> Found {
    let trial = Trial::with_heads(on, &labels_task(3, true), &HEADS, Shows::Random)?;
    let head = |(i, (spatial, weight)): (usize, &(&[usize], f64))| {
        let prepared: &[Prepared] = if i == 0 { &trial.prepared } else { &[] };
        LossHead { shape: [&[BATCH, 3], *spatial].concat(), weight: *weight, prepared }
    };
    let heads: Vec<LossHead<'_>> = HEADS.iter().enumerate().map(head).collect();
    match trace_loss(&trial.loss, &heads, &trial.task) {
        Err(e) if e.reads_values => warn(format!("it reads values, which stalls a GPU: {e}")),
        Err(e) => fail(format!("on shapes alone it fails: {e}")),
        Ok(t) if !t.differentiable => fail("the loss does not depend on the logits, so nothing is learned from it"),
        Ok(t) => pass(format!("{} operations for {} heads", t.nodes.len(), HEADS.len())),
    }
}

pub(in crate::validate) fn heads(on: &Target) -> Found {
    let (value, gradients) = Trial::with_heads(on, &labels_task(3, false), &HEADS, Shows::Random)?.gradients()?;
    if !value.is_finite() {
        return fail(format!("the loss of {} heads is {value}", HEADS.len()));
    }
    let none: Vec<String> = (0..HEADS.len()).filter(|&i| gradients[i].iter().all(|g| *g == 0.0)).map(|i| i.to_string()).collect();
    match none.len() {
        0 => pass(""),
        n if n == HEADS.len() => fail("no head has a gradient"),
        _ => warn(format!("head {} has no gradient, so deep supervision does nothing there", none.join(", "))),
    }
}

/// Value, gradient and what was prepared for random labels.
fn outcome(on: &Target) -> Result<(f64, Vec<f32>, Vec<Prepared>), String> {
    let trial = Trial::new(on, &labels_task(3, false), &[8; 3], Shows::Random).map_err(|e| e.to_string())?;
    let (value, gradient) = trial.gradient().map_err(|e| e.to_string())?;
    Ok((value, gradient, trial.prepared))
}

pub(in crate::validate) fn deterministic(on: &Target) -> Found {
    let all = calls::on_threads(|| outcome(on))?;
    for (threads, other) in &all[1..] {
        let which = match () {
            () if other.2 != all[0].1.2 => "what prepare gives",
            () if other.0.to_bits() != all[0].1.0.to_bits() => "the value",
            () if other.1 != all[0].1.1 => "the gradient",
            () => continue,
        };
        return fail(format!("{which} for equal logits and labels differs {threads}"));
    }
    pass("")
}

pub(in crate::validate) fn leaks(on: &Target) -> Found {
    let trial = Trial::new(on, &labels_task(3, false), &[8; 3], Shows::Random)?;
    let leaked = trial.step()?.leaked;
    if leaked > 0 {
        return fail(format!("{leaked} tensor(s) were neither returned nor released (std::mem::forget, or a field that keeps them)"));
    }
    pass("")
}

/// One training step as the host takes it, `prepare` included.
fn step(on: &Target, trial: &Trial) -> plugin_api::Result<()> {
    for sample in trial.heads[0].values.chunks(trial.heads[0].values.len() / BATCH) {
        trial.loss.prepare(&trial.heads[0].shape[1..], sample)?;
    }
    trial.step().map(drop).map_err(|e| plugin_api::Error::new(format!("{}: {e}", on.name())))
}

pub(in crate::validate) fn threads(on: &Target) -> Found {
    let mut trial = None;
    calls::threads(|| {
        let trial = match &mut trial {
            Some(trial) => trial,
            none => none.insert(Trial::new(on, &labels_task(3, false), &[8; 3], Shows::Random)?),
        };
        Ok(step(on, trial)?)
    })
}

pub(in crate::validate) fn memory(on: &Target) -> Found {
    let trial = Trial::new(on, &labels_task(3, false), &[16; 3], Shows::Random)?;
    calls::memory(|| Ok(step(on, &trial)?))
}
