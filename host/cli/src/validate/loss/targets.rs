//! Targets of all sorts: empty, full, ignored, regions, odd sizes.

use super::{Shows, Trial, labels_task, regions_task, takes};
use crate::validate::{Failed, Found, Target, fail, pass, skip};
use plugin_api::Task;

/// Even, odd and flat: volumes and slices whose axes no power of two divides, and a single voxel as the coarsest head may have.
const SIZES: [&[usize]; 5] = [&[8, 8, 8], &[5, 7, 9], &[16, 16], &[9, 7], &[1, 1, 1]];

/// What is not finite, for every size, target and magnitude of the logits; `None` where all is.
fn fault(on: &Target, task: &Task) -> Result<Option<String>, Failed> {
    let shows = [Shows::Random, Shows::Empty, Shows::Full, Shows::Ignored];
    for spatial in SIZES {
        for shows in shows.into_iter().filter(|s| task.ignore || *s != Shows::Ignored) {
            let mut trial = Trial::new(on, task, spatial, shows)?;
            let (shape, start) = trial.logits()?;
            for scale in [1.0, 30.0] {
                trial.set(&start.iter().map(|v| v * scale).collect::<Vec<_>>(), &shape)?;
                let (value, gradient) = trial.gradient()?;
                let case = format!("on {spatial:?} voxels, a target that is {shows:?} and logits of size {scale}");
                if !value.is_finite() {
                    return Ok(Some(format!("the loss is {value} {case}")));
                }
                if gradient.iter().any(|g| !g.is_finite()) {
                    return Ok(Some(format!("the gradient is not finite {case}")));
                }
            }
        }
    }
    Ok(None)
}

pub(in crate::validate) fn finite(on: &Target) -> Found {
    for ignore in [false, true] {
        if let Some(fault) = fault(on, &labels_task(3, ignore))? {
            return fail(fault);
        }
    }
    pass("")
}

pub(in crate::validate) fn regions(on: &Target) -> Found {
    for ignore in [false, true] {
        let task = regions_task(2, ignore);
        if let Err(e) = takes(on, &task) {
            return skip(format!("it does not take regions{}: {e}", if ignore { " with ignored voxels" } else { "" }));
        }
        if let Some(fault) = fault(on, &task)? {
            return fail(fault);
        }
    }
    pass("")
}

pub(in crate::validate) fn ignored(on: &Target) -> Found {
    if let Some(fault) = leaks_into_ignored(on, &labels_task(3, true))? {
        return fail(fault);
    }
    let task = regions_task(2, true);
    match takes(on, &task) {
        Err(_) => pass("labels"),
        Ok(()) => match leaks_into_ignored(on, &task)? {
            Some(fault) => fail(format!("for regions, {fault}")),
            None => pass("labels and regions"),
        },
    }
}

fn leaks_into_ignored(on: &Target, task: &Task) -> Result<Option<String>, Failed> {
    let voxels = 8 * 8 * 8;
    for shows in [Shows::HalfIgnored, Shows::Ignored] {
        let (_, gradient) = Trial::new(on, task, &[8; 3], shows)?.gradient()?;
        let ignored = |i: usize| shows == Shows::Ignored || (i % voxels).is_multiple_of(2);
        let count = gradient.iter().enumerate().filter(|(i, g)| ignored(*i) && **g != 0.0).count();
        if count > 0 {
            return Ok(Some(format!("{count} logits of ignored voxels have a gradient (target {shows:?}); use target.valid()")));
        }
        if shows == Shows::HalfIgnored && gradient.iter().all(|g| *g == 0.0) {
            return Ok(Some("no voxel has a gradient where half of them are ignored".into()));
        }
    }
    Ok(None)
}
