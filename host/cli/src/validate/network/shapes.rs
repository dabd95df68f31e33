//! What is known of a network from shapes alone.

use super::{BATCH, Trial, architecture};
use crate::validate::{Failed, Found, Target, fail, pass, plans, skip};
use engine::{
    Device, Model,
    shape::{Trace, TraceError, text, trace},
};
use pipeline::memory::gib;
use plugin_api::NetworkSpec;

fn builds(on: &Target, spec: &NetworkSpec) -> Found {
    let t: Trace = match trace(&architecture(on)?, spec, BATCH) {
        Err(e) if e.reads_values => return skip_untraceable(&e),
        found => found?,
    };
    if !t.differentiable {
        return fail("a head does not depend on any parameter, so it cannot be trained");
    }
    let gib = gib(t.activation_bytes) / BATCH as f64;
    pass(format!("{} parameters, {gib:.2} GiB and {:.1} GFLOP a sample", t.parameter_count(), t.flops as f64 / 1e9 / BATCH as f64))
}

fn skip_untraceable(e: &TraceError) -> Found {
    skip(format!("forward reads values, so shapes alone do not run it: {e}"))
}

pub(in crate::validate) fn builds_3d(on: &Target) -> Found {
    builds(on, &plans::volume())
}

pub(in crate::validate) fn builds_2d(on: &Target) -> Found {
    builds(on, &plans::slices())
}

pub(in crate::validate) fn builds_anisotropic(on: &Target) -> Found {
    builds(on, &plans::anisotropic())
}

pub(in crate::validate) fn builds_odd(on: &Target) -> Found {
    builds(on, &plans::odd())
}

pub(in crate::validate) fn no_read(on: &Target) -> Found {
    match trace(&architecture(on)?, &plans::tiny(3), BATCH) {
        Err(e) if e.reads_values => fail(format!("{e}; the planner cannot know its memory, and no graph can be drawn")),
        Err(e) => skip(format!("it does not build: {e}")),
        Ok(_) => pass(""),
    }
}

pub(in crate::validate) fn heads(on: &Target) -> Found {
    let mut details = Vec::new();
    for dims in [3, 2] {
        let trial = Trial::new(on, plans::tiny(dims))?;
        let shapes: Vec<Vec<usize>> = trial.heads()?.into_iter().map(|(_, shape)| shape).collect();
        let wanted = [&[BATCH, trial.spec.num_classes], &trial.spec.patch_size[..]].concat();
        let mut before = &wanted;
        for (i, shape) in shapes.iter().enumerate() {
            let same_rank = shape.len() == wanted.len() && shape[..2] == wanted[..2];
            if i == 0 && *shape != wanted {
                return fail(format!("head 0 is {} for a patch of {}, wanted {}", text(shape), text(&trial.spec.patch_size), text(&wanted)));
            }
            if !same_rank || shape.iter().zip(before).any(|(n, b)| n > b) {
                return fail(format!("head {i} is {}, wanted at most {}", text(shape), text(before)));
            }
            before = shape;
        }
        details.push(shapes.iter().map(|s| text(s)).collect::<Vec<_>>().join(" "));
    }
    pass(details.join("; "))
}

/// Names and shapes of all parameters and buffers.
fn entries(on: &Target, spec: &NetworkSpec) -> Result<Vec<(String, Vec<usize>)>, Failed> {
    let model = Model::build(&Device::cpu(), &architecture(on)?, spec, on.seed)?;
    Ok(model.weights()?.into_iter().map(|w| (w.name, w.shape)).collect())
}

pub(in crate::validate) fn state_dict(on: &Target) -> Found {
    for dims in [3, 2] {
        let spec = plans::tiny(dims);
        let with = entries(on, &spec)?;
        let without = entries(on, &NetworkSpec { deep_supervision: false, ..spec })?;
        if with.is_empty() {
            return fail("it has no parameters, so nothing is learned");
        }
        let first = |a: &[(String, Vec<usize>)], b: &[(String, Vec<usize>)]| a.iter().find(|e| !b.contains(e)).map(|(name, _)| name.clone());
        if let Some(name) = first(&with, &without).or_else(|| first(&without, &with)) {
            return fail(format!("`{name}` depends on deep supervision ({dims}D), so a checkpoint fits only one of the two; build all heads always"));
        }
    }
    pass("")
}
