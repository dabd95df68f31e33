//! Gather, scatter, selection, segments, one-hot.

use super::{
    Info,
    check::{Call, text},
};
use plugin_api::{DType, Result};

/// x and an Int index of the same rank that agree outside the axis.
fn indexed(c: &Call<'_>, x: &Info, index: &Info) -> Result<()> {
    let &[axis] = c.ints()?;
    c.floats::<0>()?;
    c.typed(index, "index", &[DType::Int])?;
    let axis = c.axis(axis, &x.shape)?;
    if x.shape.len() != index.shape.len() {
        return Err(c.error(format!("input {} and index {} differ in their number of axes", text(&x.shape), text(&index.shape))));
    }
    match (0..x.shape.len()).find(|&i| i != axis && x.shape[i] != index.shape[i]) {
        Some(i) => Err(c.error(format!("along axis {axis}: input {} and index {} differ in axis {i}", text(&x.shape), text(&index.shape)))),
        None => Ok(()),
    }
}

pub(super) fn gather(c: &Call<'_>) -> Result<Info> {
    let [x, index] = c.inputs()?;
    indexed(c, x, index)?;
    c.result(index.shape.clone(), x.dtype)
}

pub(super) fn scatter_add(c: &Call<'_>) -> Result<Info> {
    let [x, index, source] = c.inputs()?;
    indexed(c, x, index)?;
    c.typed(x, "input", &[DType::Float])?;
    c.same_type(x, source)?;
    c.shaped(source, "source", &index.shape)?;
    Ok(x.clone())
}

pub(super) fn index_select(c: &Call<'_>) -> Result<Info> {
    let [x, index] = c.inputs()?;
    let &[axis] = c.ints()?;
    c.floats::<0>()?;
    c.typed(index, "index", &[DType::Int])?;
    let axis = c.axis(axis, &x.shape)?;
    let &[n] = &index.shape[..] else {
        return Err(c.error(format!("index {} has {} axes, wanted 1", text(&index.shape), index.shape.len())));
    };
    let mut shape = x.shape.clone();
    shape[axis] = n;
    c.result(shape, x.dtype)
}

pub(super) fn segment_sum(c: &Call<'_>) -> Result<Info> {
    let [x, ids] = c.inputs()?;
    let &[k] = c.ints()?;
    c.floats::<0>()?;
    c.typed(x, "input", &[DType::Float])?;
    c.typed(ids, "ids", &[DType::Int])?;
    let (b, channels, spatial) = c.spatial(x, "input")?;
    let (ids_b, ids_channels, ids_spatial) = c.spatial(ids, "ids")?;
    if ids_b != b || ids_spatial != spatial || ![1, channels].contains(&ids_channels) {
        let spatial: String = spatial.iter().map(|n| format!(", {n}")).collect();
        let wanted = if channels == 1 { "1".to_string() } else { format!("1 or {channels}") };
        return Err(c.error(format!("ids have shape {}, wanted ({b}, {wanted}{spatial})", text(&ids.shape))));
    }
    c.result(vec![b, channels, c.size(k, 1, "k")?], DType::Float)
}

pub(super) fn one_hot(c: &Call<'_>) -> Result<Info> {
    let [labels] = c.inputs()?;
    let &[classes] = c.ints()?;
    c.floats::<0>()?;
    c.typed(labels, "labels", &[DType::Int])?;
    let (_, channels, _) = c.spatial(labels, "labels")?;
    if channels != 1 {
        return Err(c.error(format!("labels {} have {channels} channels, wanted 1", text(&labels.shape))));
    }
    let mut shape = labels.shape.clone();
    shape[1] = c.size(classes, 1, "the number of classes")?;
    c.result(shape, DType::Float)
}

pub(super) fn class_sums(c: &Call<'_>) -> Result<Info> {
    let ([logits, labels] | [logits, labels, _]) = c.inputs else {
        return Err(c.error(format!("takes 2 or 3 tensors, got {}", c.inputs.len())));
    };
    c.int_count(0)?;
    c.floats::<0>()?;
    c.typed(logits, "logits", &[DType::Float])?;
    c.typed(labels, "labels", &[DType::Int])?;
    let (batch, classes, _) = c.spatial(logits, "logits")?;
    let mut each = logits.shape.clone();
    each[1] = 1;
    c.shaped(labels, "labels", &each)?;
    if let Some(weights) = c.inputs.get(2) {
        c.typed(weights, "weights", &[DType::Float])?;
        c.shaped(weights, "weights", &each)?;
    }
    c.result(vec![batch, classes, 4], DType::Float)
}
