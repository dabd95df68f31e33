//! The gradient of every parameter.

use engine::Step;
use serde::Deserialize;
use volume::files::NdArray;

use super::super::desk::{Desk, farthest};
use super::super::files::Use;
use super::super::{Row, tolerance};
use super::{Case, Meta, norm};
use crate::error::{Error, Result};

/// What is known of a gradient where it is not stored whole.
#[derive(Clone, Deserialize)]
pub(super) struct Summary {
    l2: f64,
    sum: f64,
    absmax: f64,
    /// The first four.
    first: Vec<f32>,
}

impl Summary {
    fn of(values: &[f32]) -> Self {
        Self {
            l2: norm(values),
            sum: values.iter().map(|&g| f64::from(g)).sum(),
            absmax: f64::from(values.iter().fold(0f32, |m, g| m.max(g.abs()))),
            first: values.iter().take(4).copied().collect(),
        }
    }
}

/// A gradient whose largest value is below this is rounding alone.
const NOISE: f64 = 1e-5;
/// PyTorch's f32 and f64 gradients differ by more than this, relative, where a leaky ReLU's input changes its sign between them.
const FLIP: f64 = 2e-4;

/// One row for each kind of comparison, at the parameter that comes nearest to its tolerance (or exceeds it most).
#[derive(Default)]
struct Nearest(Vec<(&'static str, Row)>);

impl Nearest {
    fn add(&mut self, kind: &'static str, row: Row) {
        match self.0.iter_mut().find(|(found, _)| *found == kind) {
            Some((_, worst)) if row.share_of_tolerance() > worst.share_of_tolerance() => *worst = row,
            Some(_) => {}
            None => self.0.push((kind, row)),
        }
    }

    fn number(&mut self, kind: &'static str, what: &str, ours: f64, theirs: f64, tolerance: f64) {
        self.add(kind, Row::new(format!("{what}, {kind}"), ours.into(), theirs.into(), (ours - theirs).abs(), tolerance));
    }
}

pub(super) fn compare(desk: &mut Desk<'_>, case: &Case, step: &Step) -> Result<()> {
    let gradients = step.gradients.as_ref().ok_or_else(|| Error::invalid("the step gave no gradients"))?.to_vecs()?;
    let stored = format!("{}/grads.npz", case.folder);
    let stored = if desk.files.has(&stored) { Some(desk.arrays(&stored, Use::Compared)?) } else { None };
    let flips = signs_flip(&case.meta);
    let share = if flips { tolerance::GRADIENT_FLIPPED } else { tolerance::GRADIENT };
    let nudged = if case.meta.is_steady() { Vec::new() } else { case.nudged_gradients()? };
    let (mut nearest, mut squares, mut without) = (Nearest::default(), 0.0, Vec::new());
    let own = case.model.weights()?;
    for (index, (weight, gradient)) in own.iter().zip(gradients.iter().chain(std::iter::repeat(&None))).enumerate() {
        let Some(ours) = gradient else {
            without.push(weight.name.as_str());
            continue;
        };
        squares += norm(ours).powi(2);
        let whole = stored.as_ref().and_then(|all| all.find(&weight.name)).map(NdArray::to_f32);
        let theirs = match (case.meta.grad.get(&weight.name), &whole) {
            (Some(Some(summary)), _) => summary.clone(),
            (_, Some(whole)) => Summary::of(whole),
            // known to have none, or nothing is known of it, which the names below tell
            (_, None) => continue,
        };
        let moved = nudged.get(index).and_then(Option::as_ref).map_or(0.0, |nudged| distance(ours, nudged));
        let allowed = share * theirs.absmax + tolerance::GRADIENT_FLOOR + moved;
        one(&mut nearest, &format!("{}: gradient of {}", case.folder, weight.name), ours, &theirs, whole.as_deref(), allowed, flips);
    }
    if flips {
        // PyTorch 2.15 on a processor without AVX-512 is off from the reference by as much, and equal to ours there
        desk.not_compared(
            &case.name("sums of gradients"),
            "a leaky ReLU's sign hangs on the last bit, and all weights of a kernel lean the same way with it",
        );
    }
    desk.rows.extend(nearest.0.into_iter().map(|(_, row)| row));
    if !case.meta.grad.is_empty() {
        let mut theirs: Vec<&str> = case.meta.grad.iter().filter(|(_, known)| known.is_none()).map(|(name, _)| name.as_str()).collect();
        without.sort_unstable();
        theirs.sort_unstable();
        desk.exact(&case.name("parameters without a gradient"), &without, &theirs);
        let mut names: Vec<&str> = own.iter().map(|w| w.name.as_str()).collect();
        names.sort_unstable();
        desk.exact(&case.name("parameters with a gradient or none"), &names, &case.meta.grad.keys().collect::<Vec<_>>());
    }
    if let Some(theirs) = case.meta.total_grad_norm {
        desk.number(&case.name("gradient norm"), squares.sqrt(), theirs, tolerance::GRADIENT_NORM * theirs);
    }
    Ok(())
}

/// `whole` is theirs, where it is stored; `flips`: a sign hangs on rounding.
fn one(nearest: &mut Nearest, what: &str, ours: &[f32], theirs: &Summary, whole: Option<&[f32]>, allowed: f64, flips: bool) {
    if let Some(theirs) = whole {
        let row = match ours.len() == theirs.len() {
            true => farthest(what, ours, theirs, allowed),
            false => Row::new(what.to_owned(), ours.len().into(), theirs.len().into(), f64::NAN, allowed),
        };
        nearest.add("all values", row);
    }
    // errors of `allowed` each add up to that many times as much, as a norm and as a sum of signs at random
    let of_all = allowed * (ours.len() as f64).sqrt();
    let own = Summary::of(ours);
    nearest.number("norm", what, own.l2, theirs.l2, of_all);
    if !flips {
        nearest.number("sum", what, own.sum, theirs.sum, of_all);
    }
    nearest.number("largest", what, own.absmax, theirs.absmax, allowed);
    let first = ours.get(..theirs.first.len()).unwrap_or(ours);
    if first.len() == theirs.first.len() {
        nearest.add("first values", farthest(&format!("{what}, first values"), first, &theirs.first, allowed));
    }
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
}

/// Whether some leaky ReLU's input is so near 0 that its sign hangs on rounding. Gradients of biases before a normalisation are noise
/// and say nothing.
fn signs_flip(meta: &Meta) -> bool {
    let noise = |name: &str| meta.grad.get(name).and_then(Option::as_ref).is_none_or(|grad| grad.absmax < NOISE);
    meta.f32_vs_f64_grad_max_rel.iter().any(|(name, off)| !noise(name) && off.is_some_and(|off| off > FLIP))
}
