//! Reductions and operations along an axis.

use super::{Info, check::Call};
use plugin_api::{DType, Result};

/// Ints `[keep, axes...]`; no axes means all, and nothing left means (1).
pub(super) fn axes(c: &Call<'_>) -> Result<Info> {
    let [x] = c.inputs()?;
    c.typed(x, "input", &[DType::Float])?;
    c.floats::<0>()?;
    let Some((&keep, axes)) = c.ints.split_first() else {
        return Err(c.error("takes the integers [keep (0/1), axes...], got none"));
    };
    let keep = c.flag(keep, "keep")?;
    let axes = c.axes(axes, &x.shape)?;
    if axes.is_empty() {
        return c.result(vec![1], x.dtype);
    }
    let mut shape: Vec<usize> = Vec::new();
    for (i, &n) in x.shape.iter().enumerate() {
        match (axes.contains(&i), keep) {
            (false, _) => shape.push(n),
            (true, true) => shape.push(1),
            (true, false) => {}
        }
    }
    if shape.is_empty() {
        shape.push(1);
    }
    c.result(shape, x.dtype)
}

/// Ints `[axis]`; the shape stays.
pub(super) fn along(c: &Call<'_>, types: &[DType]) -> Result<Info> {
    let [x] = c.inputs()?;
    c.typed(x, "input", types)?;
    let &[axis] = c.ints()?;
    c.floats::<0>()?;
    c.axis(axis, &x.shape)?;
    Ok(x.clone())
}

pub(super) fn argmax(c: &Call<'_>) -> Result<Info> {
    let mut out = along(c, &[DType::Float, DType::Int])?;
    let &[axis] = c.ints()?;
    let axis = c.axis(axis, &out.shape)?;
    out.shape[axis] = 1;
    Ok(Info { dtype: DType::Int, ..out })
}

/// Values and Int indices.
pub(super) fn topk(c: &Call<'_>) -> Result<Vec<Info>> {
    let [x] = c.inputs()?;
    c.typed(x, "input", &[DType::Float])?;
    let &[k, axis] = c.ints()?;
    c.floats::<0>()?;
    let axis = c.axis(axis, &x.shape)?;
    let k = c.size(k, 1, "k")?;
    let n = x.shape[axis];
    if k > n {
        return Err(c.error(format!("k is {k}, but axis {axis} of {} has {n}", super::text(&x.shape))));
    }
    let mut shape = x.shape.clone();
    shape[axis] = k;
    Ok(vec![Info { shape: shape.clone(), dtype: x.dtype }, Info { shape, dtype: DType::Int }])
}
