//! Sums, means and extremes over axes; softmax.

use super::Call;
use crate::values::{Values, each_index};
use plugin_api::{DType, Op};

/// The values along an axis through an index.
fn line(x: &Values, index: &[usize], axis: usize) -> Vec<f64> {
    let mut at = index.to_vec();
    (0..x.shape[axis])
        .map(|i| {
            at[axis] = i;
            x.at(&at)
        })
        .collect()
}

/// The logarithm of the softmax along an axis, at an index.
pub(super) fn log_softmax(x: &Values, index: &[usize], axis: usize) -> f64 {
    let values = line(x, index, axis);
    let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    x.at(index) - top - values.iter().map(|v| (v - top).exp()).sum::<f64>().ln()
}

fn largest(values: &[f64]) -> usize {
    (0..values.len()).rev().fold(values.len() - 1, |best, i| if values[i] >= values[best] { i } else { best })
}

pub(super) fn run(c: &Call<'_>) -> Values {
    let x = c.inputs[0];
    let axis = c.ints.first().map_or(0, |&a| a as usize);
    match c.op {
        Op::ArgMax => Values::from_fn(&c.out, DType::Int, |i| largest(&line(x, i, axis)) as f64),
        Op::CumSum => Values::from_fn(&c.out, x.dtype, |i| line(x, i, axis)[..=i[axis]].iter().sum()),
        Op::Softmax | Op::LogSoftmax => {
            let logarithm = Values::from_fn(&c.out, x.dtype, |i| log_softmax(x, i, axis));
            if c.op == Op::Softmax { logarithm.map(f64::exp) } else { logarithm }
        }
        _ => over_axes(c, x),
    }
}

fn over_axes(c: &Call<'_>, x: &Values) -> Values {
    let axes: Vec<usize> = c.ints[1..].iter().map(|&a| a as usize).collect();
    let gone = |a: usize| axes.is_empty() || axes.contains(&a);
    let kept: Vec<usize> = x.shape.iter().enumerate().map(|(a, &n)| if gone(a) { 1 } else { n }).collect();
    let start = match c.op {
        Op::Max => f64::NEG_INFINITY,
        Op::Min => f64::INFINITY,
        _ => 0.0,
    };
    let mut data = vec![start; kept.iter().product()];
    each_index(&x.shape, |i| {
        let place = &mut data[i.iter().enumerate().fold(0, |p, (a, &at)| p * kept[a] + if gone(a) { 0 } else { at })];
        *place = match c.op {
            Op::Max => place.max(x.at(i)),
            Op::Min => place.min(x.at(i)),
            _ => *place + x.at(i),
        };
    });
    if c.op == Op::Mean {
        let summands = (x.data.len() / data.len()) as f64;
        data.iter_mut().for_each(|v| *v /= summands);
    }
    Values { shape: c.out.clone(), data, dtype: x.dtype }
}

/// Values and indices, falling.
pub(super) fn topk(c: &Call<'_>) -> Vec<Values> {
    let (x, axis) = (c.inputs[0], c.n(1));
    let ordered = |i: &[usize]| {
        let values = line(x, i, axis);
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        (order[i[axis]], values[order[i[axis]]])
    };
    vec![Values::from_fn(&c.out, x.dtype, |i| ordered(i).1), Values::from_fn(&c.out, DType::Int, |i| ordered(i).0 as f64)]
}
