//! Networks that run.

use super::{BATCH, Trial, architecture};
use crate::validate::{Failed, Found, Target, calls, fail, pass, plans};
use engine::{Weight, shape::trace};

pub(in crate::validate) fn runs(on: &Target) -> Found {
    for (spec, which) in [(plans::tiny(3), "3D"), (plans::tiny(2), "2D"), (plans::tiny_anisotropic(), "anisotropic 3D with odd sizes")] {
        let trial = Trial::new(on, spec)?;
        let heads = trial.heads()?;
        if let Some(i) = heads.iter().position(|(values, _)| values.iter().any(|v| !v.is_finite())) {
            return fail(format!("head {i} has values that are not finite, in {which}"));
        }
        let found: Vec<&Vec<usize>> = heads.iter().map(|(_, shape)| shape).collect();
        match trace(&architecture(on)?, &trial.spec, BATCH) {
            Ok(t) if !t.outputs.iter().eq(found.iter().copied()) => {
                return fail(format!("on values the heads are {found:?}, on shapes alone {:?}, in {which}", t.outputs));
            }
            Err(e) if !e.reads_values => return fail(format!("on values it runs, on shapes alone it fails, in {which}: {e}")),
            _ => {}
        }
    }
    pass("")
}

/// Logits of each head with their shapes.
type Heads = Vec<(Vec<f32>, Vec<usize>)>;
/// A gradient a parameter.
type Gradients = Vec<Option<Vec<f32>>>;

/// Parameters, logits, gradients.
fn outcome(on: &Target) -> Result<(Vec<Weight>, Heads, Gradients), String> {
    let made = || -> Result<_, Failed> {
        let trial = Trial::new(on, plans::tiny(3))?.supervise()?;
        // a training updates buffers, so the parameters are those before it
        let weights = trial.model.weights()?;
        Ok((weights, trial.heads()?, trial.gradients()?))
    };
    made().map_err(|e| e.to_string())
}

pub(in crate::validate) fn deterministic(on: &Target) -> Found {
    let all = calls::on_threads(|| outcome(on))?;
    for (threads, other) in &all[1..] {
        let which = match () {
            () if other.0 != all[0].1.0 => "two networks of one seed start from different parameters",
            () if other.1 != all[0].1.1 => "equal networks give different logits for one image",
            () if other.2 != all[0].1.2 => "equal networks have different gradients for one image",
            () => continue,
        };
        return fail(format!("{which} ({threads})"));
    }
    pass("")
}

pub(in crate::validate) fn leaks(on: &Target) -> Found {
    let step = Trial::new(on, plans::tiny(3))?.supervise()?.step()?;
    if step.leaked > 0 {
        return fail(format!(
            "{} tensor(s) of a forward were neither returned nor released (std::mem::forget, or a field that keeps them)",
            step.leaked
        ));
    }
    match trace(&architecture(on)?, &plans::tiny(3), BATCH) {
        Ok(t) if t.leaked > 0 => fail(format!("{} tensor(s) of build and forward were neither returned nor released", t.leaked)),
        _ => pass(""),
    }
}

pub(in crate::validate) fn threads(on: &Target) -> Found {
    let mut trial = None;
    calls::threads(|| {
        let trial = match &mut trial {
            Some(trial) => trial,
            none => none.insert(Trial::new(on, plans::tiny(3))?.supervise()?),
        };
        Ok(trial.step().map(drop)?)
    })
}

pub(in crate::validate) fn memory(on: &Target) -> Found {
    let trial = Trial::new(on, plans::tiny(3))?.supervise()?;
    calls::memory(|| Ok(trial.step().map(drop)?))
}
