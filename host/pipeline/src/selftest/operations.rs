//! Every operation of the table, in f32 and with mixed precision.

use super::{Bed, Check};
use engine::{
    Device, Precision,
    selftest::{OpResult, operations},
};
use serde_json::json;
use std::collections::BTreeSet;

pub(super) fn run(bed: &Bed<'_>, done: &mut dyn FnMut(Check)) {
    for precision in [Precision::F32, Precision::Mixed] {
        let device = bed.device.clone().with_precision(precision);
        // one that multiplies f32 alone is asked once
        if device.precision() == precision {
            asked(&device, done);
        }
    }
}

fn asked(device: &Device, done: &mut dyn FnMut(Check)) {
    let mut worst: Option<OpResult> = None;
    let share = |result: &OpResult| result.forward.max(result.backward.unwrap_or(0.0)) / result.tolerance;
    let results = operations(device, &mut |result| {
        if !result.passed() {
            done(check(result));
        } else if worst.as_ref().is_none_or(|worst| share(worst) < share(result)) {
            worst = Some(result.clone());
        }
    });
    let (passed, backward) = (results.iter().filter(|result| result.passed()).count(), results.iter().filter(|r| r.backward.is_some()).count());
    let names: BTreeSet<&str> = results.iter().map(|result| result.op).collect();
    let off = |w: &OpResult| format!("{:.1e} of {:.0e}", share(w) * w.tolerance, w.tolerance);
    let closest = worst.map_or(String::new(), |w| format!("; nearest to its tolerance: {} {}, {}", w.op, w.case, off(&w)));
    let found = format!("{passed} of {} questions to {} operations agree, {backward} of them with gradients{closest}", results.len(), names.len());
    done(Check::new(
        format!("operations, {}", device.precision().name()),
        passed == results.len(),
        found,
        json!({"questions": results.len(), "agree": passed}),
    ));
}

fn check(result: &OpResult) -> Check {
    let what = format!("{} {}", result.op, result.case);
    let apart = match result.backward {
        Some(backward) => format!("{:.1e} forward, {backward:.1e} backward", result.forward),
        None => format!("{:.1e}", result.forward),
    };
    let found = result.failure.clone().unwrap_or_else(|| format!("is off by {apart} of the largest value, wanted {:.0e}", result.tolerance));
    Check::new(what, result.passed(), found, json!({"forward": result.forward, "backward": result.backward, "tolerance": result.tolerance}))
}
