//! Element-wise operations, comparisons, and broadcasting.

use super::{
    Info,
    check::{Call, is_int, text},
};
use plugin_api::{DType, Op, Result};

/// The common shape of two that [`super::infer`] let through: axes matched from the right, a length of 1 giving way (NumPy's rule).
pub fn broadcast(a: &[usize], b: &[usize]) -> Vec<usize> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let padded = std::iter::repeat_n(&1, long.len() - short.len()).chain(short);
    long.iter()
        .zip(padded)
        .map(|(&l, &s)| {
            if l == 1 {
                s
            } else if s == 1 {
                l
            } else {
                l.max(s)
            }
        })
        .collect()
}

/// Whether a shape becomes another by repeating axes of length 1, and new ones in front.
pub(super) fn expands(from: &[usize], to: &[usize]) -> bool {
    from.len() <= to.len() && from.iter().rev().zip(to.iter().rev()).all(|(&f, &t)| f == t || f == 1)
}

/// The common shape of two, if they have one.
pub(super) fn common(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    Some(broadcast(a, b)).filter(|both| expands(a, both) && expands(b, both))
}

fn joined(c: &Call<'_>, a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    common(a, b).ok_or_else(|| {
        let meeting = a.iter().rev().zip(b.iter().rev()).find(|&(&a, &b)| a != b && a != 1 && b != 1);
        let lengths = meeting.map_or(String::new(), |(a, b)| format!(": lengths {a} and {b} meet"));
        c.error(format!("{} and {} do not broadcast{lengths}", text(a), text(b)))
    })
}

fn one(c: &Call<'_>, types: &[DType]) -> Result<Info> {
    let [x] = c.inputs()?;
    c.typed(x, "input", types)?;
    Ok(x.clone())
}

/// One Float, nothing else.
pub(super) fn float(c: &Call<'_>) -> Result<Info> {
    c.ints::<0>()?;
    c.floats::<0>()?;
    one(c, &[DType::Float])
}

/// One Float and a number.
pub(super) fn with_float(c: &Call<'_>) -> Result<Info> {
    c.ints::<0>()?;
    c.floats::<1>()?;
    one(c, &[DType::Float])
}

/// Its way back tells the sign of an input from the output.
pub(super) fn leaky_relu(c: &Call<'_>) -> Result<Info> {
    c.ints::<0>()?;
    let &[slope] = c.floats()?;
    if !(slope.is_finite() && slope >= 0.0) {
        return Err(c.error(format!("slope is {slope}, wanted a finite number from 0 up; write another one with where_or")));
    }
    one(c, &[DType::Float])
}

pub(super) fn affine(c: &Call<'_>) -> Result<Info> {
    c.ints::<0>()?;
    c.floats::<2>()?;
    one(c, &[DType::Float])
}

pub(super) fn clamp(c: &Call<'_>) -> Result<Info> {
    c.ints::<0>()?;
    let &[low, high] = c.floats()?;
    if low > high {
        return Err(c.error(format!("low {low} is above high {high}")));
    }
    one(c, &[DType::Float])
}

pub(super) fn detach(c: &Call<'_>) -> Result<Info> {
    c.ints::<0>()?;
    c.floats::<0>()?;
    let [x] = c.inputs()?;
    Ok(x.clone())
}

pub(super) fn cast(c: &Call<'_>) -> Result<Info> {
    let &[to] = c.ints()?;
    c.floats::<0>()?;
    let [x] = c.inputs()?;
    Ok(Info { shape: x.shape.clone(), dtype: c.dtype(to)? })
}

/// Two of one of these types, broadcast.
pub(super) fn binary(c: &Call<'_>, types: &[DType]) -> Result<Info> {
    c.ints::<0>()?;
    c.floats::<0>()?;
    let [a, b] = c.inputs()?;
    c.same_type(a, b)?;
    c.typed(a, "input", types)?;
    c.result(joined(c, &a.shape, &b.shape)?, a.dtype)
}

/// Two of one of these types, broadcast to Bool.
pub(super) fn compare(c: &Call<'_>, types: &[DType]) -> Result<Info> {
    Ok(Info { dtype: DType::Bool, ..binary(c, types)? })
}

pub(super) fn compare_scalar(c: &Call<'_>) -> Result<Info> {
    let &[number] = c.ints()?;
    let &[value] = c.floats()?;
    if !(Op::Equal as i64..=Op::LessEqual as i64).contains(&number) {
        return Err(c.error(format!("{number} is no comparison; wanted {} to {}", Op::Equal as u32, Op::LessEqual as u32)));
    }
    let x = one(c, &[DType::Float, DType::Int])?;
    if x.dtype == DType::Int && !is_int(value) {
        return Err(c.error(format!("{value} is not a whole number of 32 bits, but {} is Int", text(&x.shape))));
    }
    Ok(Info { dtype: DType::Bool, ..x })
}

pub(super) fn not(c: &Call<'_>) -> Result<Info> {
    c.ints::<0>()?;
    c.floats::<0>()?;
    one(c, &[DType::Bool])
}

/// Where: condition, a, b.
pub(super) fn choose(c: &Call<'_>) -> Result<Info> {
    c.ints::<0>()?;
    c.floats::<0>()?;
    let [condition, a, b] = c.inputs()?;
    c.typed(condition, "condition", &[DType::Bool])?;
    c.same_type(a, b)?;
    let both = joined(c, &a.shape, &b.shape)?;
    c.result(joined(c, &condition.shape, &both)?, a.dtype)
}
