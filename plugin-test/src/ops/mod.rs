//! The op table of plugin-api, one value after the other.

mod elementwise;
mod index;
mod layout;
mod norm;
mod reduce;
pub(crate) mod shape;
mod window;

use crate::values::{Values, normal, uniform};
use plugin_api::{DType, Error, ErrorKind, Op, Result};

/// What an operation is asked to do.
pub(crate) struct Call<'a> {
    pub(crate) op: Op,
    pub(crate) inputs: Vec<&'a Values>,
    pub(crate) ints: &'a [i64],
    pub(crate) floats: &'a [f64],
    /// Shape of the (first) result.
    pub(crate) out: Vec<usize>,
}

impl Call<'_> {
    /// An integer that is a size or an axis.
    pub(crate) fn n(&self, i: usize) -> usize {
        self.ints[i] as usize
    }
}

pub(crate) fn invalid(sentence: String) -> Error {
    Error::of(ErrorKind::Invalid, sentence)
}

/// # Errors
/// The operation does not take these numbers.
pub(crate) fn check(op: Op, floats: &[f64]) -> Result<()> {
    match floats {
        &[slope] if op == Op::LeakyRelu && !(slope.is_finite() && slope >= 0.0) => {
            Err(invalid(format!("leaky relu: slope is {slope}, wanted a finite number from 0 up; write another one with where_or")))
        }
        _ => Ok(()),
    }
}

/// The results. `state` is where random numbers come from.
pub(crate) fn run(op: Op, inputs: &[Values], ints: &[i64], floats: &[f64], training: bool, state: &mut u64) -> Result<Vec<Values>> {
    let shapes: Vec<&[usize]> = inputs.iter().map(|v| v.shape.as_slice()).collect();
    let mut outs = shape::of(op, &shapes, ints)?;
    let c = Call { op, inputs: inputs.iter().collect(), ints, floats, out: outs.swap_remove(0) };
    let one = |v: Values| Ok(vec![v]);
    let number = op as u32;
    match op {
        Op::Dropout if training && floats[0] > 0.0 => one(norm::dropout(&c, state)),
        Op::Dropout => one(inputs[0].clone()),
        Op::RandUniform => one(Values::from_fn(&c.out, DType::Float, |_| floats[0] + (floats[1] - floats[0]) * uniform(state))),
        Op::RandNormal => one(Values::from_fn(&c.out, DType::Float, |_| floats[0] + floats[1] * normal(state))),
        Op::Full => one(Values::from_fn(&c.out, DType::from_number(ints[0] as u32), |_| floats[0])),
        Op::Arange => one(Values::from_fn(&c.out, DType::Int, |i| (ints[0] + i[0] as i64 * ints[2]) as f64)),
        Op::TopK => Ok(reduce::topk(&c)),
        _ if number < 80 => one(elementwise::run(&c)),
        _ if number < 100 => one(reduce::run(&c)),
        _ if number < 120 => one(layout::run(&c)),
        _ if number < 140 => one(index::run(&c)),
        Op::InstanceNorm | Op::BatchNorm | Op::GroupNorm | Op::LayerNorm | Op::MatMul => one(norm::run(&c, training)),
        _ => one(window::run(&c)),
    }
}
