//! Operations that move values and compute none.

use super::{
    Info,
    check::{Call, count, text},
    elementwise,
};
use plugin_api::{DType, Result};

pub(super) fn reshape(c: &Call<'_>) -> Result<Info> {
    let [x] = c.inputs()?;
    c.floats::<0>()?;
    let total: usize = x.shape.iter().product();
    if c.ints.iter().filter(|&&v| v == -1).count() > 1 {
        return Err(c.error("-1 stands for more than one axis"));
    }
    let given = c.ints.iter().filter(|&&v| v != -1).map(|&v| c.size(v, 1, "an axis")).collect::<Result<Vec<_>>>()?;
    let known = given.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let misfit = || {
        let wanted: Vec<String> = c.ints.iter().map(ToString::to_string).collect();
        c.error(format!("{} has {total} elements, which do not fit ({})", text(&x.shape), wanted.join(", ")))
    };
    let known = known.filter(|&n| total.is_multiple_of(n)).ok_or_else(misfit)?;
    let rest = total / known;
    if !c.ints.contains(&-1) && rest != 1 {
        return Err(misfit());
    }
    let mut given = given.into_iter();
    let shape = c.ints.iter().map(|&v| if v == -1 { rest } else { given.next().unwrap_or(1) }).collect();
    c.result(shape, x.dtype)
}

pub(super) fn permute(c: &Call<'_>) -> Result<Info> {
    let [x] = c.inputs()?;
    c.floats::<0>()?;
    if c.ints.len() != x.shape.len() {
        let axes = count(x.shape.len(), "axis", "axes");
        return Err(c.error(format!("{} has {axes}, but the order names {}", text(&x.shape), c.ints.len())));
    }
    let order = c.axes(c.ints, &x.shape)?;
    c.result(order.iter().map(|&a| x.shape[a]).collect(), x.dtype)
}

pub(super) fn slice(c: &Call<'_>) -> Result<Info> {
    let [x] = c.inputs()?;
    c.floats::<0>()?;
    let &[axis, start, end, step] = c.ints()?;
    let axis = c.axis(axis, &x.shape)?;
    let step = c.size(step, 1, "step")?;
    let n = x.shape[axis];
    let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok()).filter(|&(s, e)| s < e && e <= n);
    let (start, end) =
        bounds.ok_or_else(|| c.error(format!("{start}..{end} of axis {axis} of {}: wanted 0 <= start < end <= {n}", text(&x.shape))))?;
    let mut shape = x.shape.clone();
    shape[axis] = (end - start).div_ceil(step);
    c.result(shape, x.dtype)
}

pub(super) fn concat(c: &Call<'_>) -> Result<Info> {
    let &[axis] = c.ints()?;
    c.floats::<0>()?;
    let Some((first, rest)) = c.inputs.split_first() else {
        return Err(c.error("takes at least one tensor, got 0"));
    };
    let at = c.axis(axis, &first.shape)?;
    let mut shape = first.shape.clone();
    let along = |why: String| plugin_api::Error::of(plugin_api::ErrorKind::Invalid, format!("concat along axis {at}: {why}"));
    for next in rest {
        c.same_type(first, next)?;
        let pair = || format!("{} and {}", text(&first.shape), text(&next.shape));
        if next.shape.len() != shape.len() {
            return Err(along(format!("{} differ in their number of axes", pair())));
        }
        if let Some(i) = (0..shape.len()).find(|&i| i != at && shape[i] != next.shape[i]) {
            return Err(along(format!("{} differ in axis {i}", pair())));
        }
        shape[at] = shape[at].saturating_add(next.shape[at]);
    }
    c.result(shape, first.dtype)
}

pub(super) fn pad(c: &Call<'_>) -> Result<Info> {
    let [x] = c.inputs()?;
    c.typed(x, "input", &[DType::Float])?;
    c.floats::<1>()?;
    c.int_count(1 + 2 * x.shape.len())?;
    let mode = c.ints[0];
    if !(0..=2).contains(&mode) {
        return Err(c.error(format!("mode {mode} does not exist; wanted 0 (constant), 1 (reflect) or 2 (replicate)")));
    }
    let mut shape = x.shape.clone();
    for (axis, pair) in c.ints[1..].chunks_exact(2).enumerate() {
        let amounts = c.sizes(pair, 0, &format!("the amount at axis {axis}"))?;
        let n = x.shape[axis];
        if let Some(&a) = amounts.iter().find(|&&a| mode == 1 && a >= n) {
            return Err(c.error(format!("reflects {a} at axis {axis} of {}, at most {} are there", text(&x.shape), n - 1)));
        }
        shape[axis] = amounts.iter().fold(n, |n, &a| n.saturating_add(a));
    }
    c.result(shape, x.dtype)
}

pub(super) fn expand(c: &Call<'_>) -> Result<Info> {
    let [x] = c.inputs()?;
    c.floats::<0>()?;
    let shape = c.sizes(c.ints, 1, "an axis")?;
    if !elementwise::expands(&x.shape, &shape) {
        return Err(c.error(format!("{} does not expand to {}: only axes of length 1 are repeated", text(&x.shape), text(&shape))));
    }
    c.result(shape, x.dtype)
}

pub(super) fn flip(c: &Call<'_>) -> Result<Info> {
    let [x] = c.inputs()?;
    c.floats::<0>()?;
    c.axes(c.ints, &x.shape)?;
    Ok(x.clone())
}
