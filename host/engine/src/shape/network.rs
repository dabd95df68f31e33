//! Normalisations, dropout, matrix products.

use super::{
    Info,
    check::{Call, text},
    elementwise::common,
};
use plugin_api::{DType, Result};

const FLOAT: &[DType] = &[DType::Float];

fn eps(c: &Call<'_>, eps: f64) -> Result<()> {
    if eps.is_finite() && eps >= 0.0 { Ok(()) } else { Err(c.error(format!("eps is {eps}, wanted a finite number of at least 0"))) }
}

/// Further inputs of one shape, with their names.
fn vectors(c: &Call<'_>, inputs: &[Info], names: &[&str], shape: &[usize]) -> Result<()> {
    for (info, name) in inputs.iter().zip(names) {
        c.typed(info, name, FLOAT)?;
        c.shaped(info, name, shape)?;
    }
    Ok(())
}

/// x, and scale and shift of `shape(x)` where they are given.
fn affine<'a>(c: &Call<'a>, shape: impl FnOnce(&'a Info) -> Result<Vec<usize>>) -> Result<Info> {
    let Some((x, rest @ ([] | [_, _]))) = c.inputs.split_first() else {
        return Err(c.error(format!("takes 1 or 3 tensors, got {}", c.inputs.len())));
    };
    let &[e] = c.floats()?;
    eps(c, e)?;
    c.typed(x, "input", FLOAT)?;
    vectors(c, rest, &["scale", "shift"], &shape(x)?)?;
    Ok(x.clone())
}

pub(super) fn instance_norm(c: &Call<'_>) -> Result<Info> {
    c.ints::<0>()?;
    affine(c, |x| Ok(vec![c.spatial(x, "input")?.1]))
}

pub(super) fn batch_norm(c: &Call<'_>) -> Result<Info> {
    let [x, rest @ ..] = c.inputs::<5>()?;
    c.ints::<0>()?;
    let &[e, momentum] = c.floats()?;
    eps(c, e)?;
    if !(0.0..=1.0).contains(&momentum) {
        return Err(c.error(format!("momentum is {momentum}, wanted 0 to 1")));
    }
    c.typed(x, "input", FLOAT)?;
    let (_, channels, _) = c.spatial(x, "input")?;
    vectors(c, rest, &["scale", "shift", "running mean", "running variance"], &[channels])?;
    Ok(x.clone())
}

pub(super) fn group_norm(c: &Call<'_>) -> Result<Info> {
    let &[groups] = c.ints()?;
    affine(c, |x| {
        let (_, channels, _) = c.spatial(x, "input")?;
        let groups = c.size(groups, 1, "groups")?;
        if channels % groups != 0 {
            return Err(c.error(format!("input {} has {channels} channels, which {groups} groups do not divide", text(&x.shape))));
        }
        Ok(vec![channels])
    })
}

pub(super) fn layer_norm(c: &Call<'_>) -> Result<Info> {
    let &[k] = c.ints()?;
    affine(c, |x| {
        let k = c.size(k, 1, "the number of axes")?;
        match x.shape.len().checked_sub(k) {
            Some(first) => Ok(x.shape[first..].to_vec()),
            None => Err(c.error(format!("{} has {} axes, fewer than {k}", text(&x.shape), x.shape.len()))),
        }
    })
}

pub(super) fn dropout(c: &Call<'_>) -> Result<Info> {
    let [x] = c.inputs()?;
    let &[whole] = c.ints()?;
    let &[p] = c.floats()?;
    c.typed(x, "input", FLOAT)?;
    if !(0.0..1.0).contains(&p) {
        return Err(c.error(format!("p is {p}, wanted 0 <= p < 1")));
    }
    if c.flag(whole, "whole channels")? {
        c.spatial(x, "input")?;
    }
    Ok(x.clone())
}

pub(super) fn matmul(c: &Call<'_>) -> Result<Info> {
    let [a, b] = c.inputs()?;
    c.ints::<0>()?;
    c.floats::<0>()?;
    c.typed(a, "input", FLOAT)?;
    c.typed(b, "input", FLOAT)?;
    let pair = format!("{} by {}", text(&a.shape), text(&b.shape));
    let ([lead_a @ .., m, k], [lead_b @ .., k2, n]) = (&a.shape[..], &b.shape[..]) else {
        return Err(c.error(format!("{pair}: both need at least 2 axes")));
    };
    if k != k2 {
        return Err(c.error(format!("{pair}: {k} columns meet {k2} rows")));
    }
    let Some(mut shape) = common(lead_a, lead_b) else {
        return Err(c.error(format!("{pair}: the leading axes do not broadcast")));
    };
    shape.extend([*m, *n]);
    c.result(shape, DType::Float)
}
