//! Tensors from nothing.

use super::{
    Info,
    check::{Call, is_int},
};
use plugin_api::{DType, Result};

fn from_nothing(c: &Call<'_>, shape: &[i64], dtype: DType) -> Result<Info> {
    c.inputs::<0>()?;
    c.result(c.sizes(shape, 1, "an axis")?, dtype)
}

pub(super) fn full(c: &Call<'_>) -> Result<Info> {
    let &[value] = c.floats()?;
    let Some((&dtype, shape)) = c.ints.split_first() else {
        return Err(c.error("takes the integers [dtype, shape...], got none"));
    };
    let dtype = c.dtype(dtype)?;
    if dtype == DType::Int && !is_int(value) {
        return Err(c.error(format!("{value} is not a whole number of 32 bits")));
    }
    from_nothing(c, shape, dtype)
}

pub(super) fn arange(c: &Call<'_>) -> Result<Info> {
    let &[start, end, step] = c.ints()?;
    c.floats::<0>()?;
    c.inputs::<0>()?;
    let step = c.size(step, 1, "step")?;
    if start >= end || i32::try_from(start).is_err() || i32::try_from(end).is_err() {
        return Err(c.error(format!("{start}..{end}: wanted start < end, both of 32 bits")));
    }
    c.result(vec![start.abs_diff(end).div_ceil(step as u64) as usize], DType::Int)
}

pub(super) fn uniform(c: &Call<'_>) -> Result<Info> {
    let &[low, high] = c.floats()?;
    if !(low.is_finite() && high.is_finite() && low <= high) {
        return Err(c.error(format!("from {low} to {high}: wanted finite bounds, low <= high")));
    }
    from_nothing(c, c.ints, DType::Float)
}

pub(super) fn normal(c: &Call<'_>) -> Result<Info> {
    let &[mean, deviation] = c.floats()?;
    if !(mean.is_finite() && deviation.is_finite() && deviation >= 0.0) {
        return Err(c.error(format!("mean {mean}, deviation {deviation}: wanted finite numbers, deviation >= 0")));
    }
    from_nothing(c, c.ints, DType::Float)
}
