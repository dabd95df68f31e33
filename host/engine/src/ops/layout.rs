//! Shapes: views, joins, padding; and the matrix product.

use super::{Context, Out, reduce::sum_to, sizes};
use crate::{
    device::{Device, Precision},
    shape::broadcast,
    value::Value,
};
use plugin_api::{DType, Op, Result};

/// The shape with its -1 filled in.
fn resolve(ints: &[i64], len: usize) -> Vec<usize> {
    let known: i64 = ints.iter().filter(|&&n| n >= 0).product();
    ints.iter().map(|&n| if n < 0 { len / (known.max(1) as usize) } else { n as usize }).collect()
}

/// Source index of each padded position along one axis; `None` lies outside.
fn padded(n: usize, low: usize, high: usize, mode: i64) -> Vec<Option<usize>> {
    (0..n + low + high)
        .map(|i| {
            let at = i as i64 - low as i64;
            let last = n as i64 - 1;
            match mode {
                0 => (0..=last).contains(&at).then_some(at as usize),
                1 => Some(
                    (if at < 0 {
                        -at
                    } else if at > last {
                        2 * last - at
                    } else {
                        at
                    }) as usize,
                ),
                _ => Some(at.clamp(0, last) as usize),
            }
        })
        .collect()
}

fn pad(x: &Value, ints: &[i64], value: f64, device: &Device) -> Result<Out> {
    let (mode, amounts) = (ints[0], sizes(&ints[1..]));
    let shape = x.shape().to_vec();
    let low: Vec<usize> = amounts.chunks(2).map(|p| p[0]).collect();
    let big: Vec<usize> = shape.iter().zip(amounts.chunks(2)).map(|(n, p)| n + p[0] + p[1]).collect();
    if mode == 0 {
        let ones = vec![1; shape.len()];
        let y = Value::full(&big, value, device).assign(&low, &ones, x);
        return Out::single(y, move |g| Ok(shape.iter().enumerate().fold(g.clone(), |g, (a, &n)| g.slice(a, low[a], low[a] + n, 1))));
    }
    // mirrored or repeated edges: one axis after the other by index, and the reverse order on the way back
    let device = device.clone();
    let mut y = x.clone();
    let mut steps = Vec::new();
    for (a, p) in amounts.chunks(2).enumerate().filter(|(_, p)| p[0] + p[1] > 0) {
        let index: Vec<i32> = padded(y.shape()[a], p[0], p[1], mode).into_iter().map(|i| i.unwrap_or(0) as i32).collect();
        let index = Value::from_i32(index.clone(), &[index.len()], &device);
        steps.push((a, y.shape().to_vec(), index.clone()));
        y = y.index_select(a, &index);
    }
    Out::single(y, move |g| {
        Ok(steps.into_iter().rev().fold(g.clone(), |g, (a, shape, index)| Value::full(&shape, 0.0, &device).select_add(a, &index, &g)))
    })
}

pub(super) fn run(op: Op, inputs: &[Value], ints: &[i64], floats: &[f64], cx: &Context<'_>) -> Result<Out> {
    let device = cx.device.clone();
    let x = &inputs[0];
    let shape = x.shape().to_vec();
    let float = x.dtype() == DType::Float;
    let out = match op {
        Op::Reshape => Out::single(x.reshape(&resolve(ints, x.len())), move |g| Ok(g.reshape(&shape))),
        Op::Permute => {
            let axes = sizes(ints);
            let mut inverse = vec![0; axes.len()];
            for (i, &a) in axes.iter().enumerate() {
                inverse[a] = i;
            }
            Out::single(x.permute(&axes), move |g| Ok(g.permute(&inverse)))
        }
        Op::Slice => {
            let [axis, start, end, step] = [ints[0], ints[1], ints[2], ints[3]].map(|i| i as usize);
            Out::single(x.slice(axis, start, end, step), move |g| {
                let mut at = vec![0; shape.len()];
                let mut steps = vec![1; shape.len()];
                (at[axis], steps[axis]) = (start, step);
                Ok(Value::full(&shape, 0.0, &device).assign(&at, &steps, g))
            })
        }
        Op::Concat => {
            let axis = ints[0] as usize;
            let lengths: Vec<usize> = inputs.iter().map(|v| v.shape()[axis]).collect();
            let joined = if axis == 1 { Value::joined(inputs) } else { Value::concat(inputs, axis) };
            Out::with(joined, move |g, needs| {
                let mut start = 0;
                Ok(lengths
                    .iter()
                    .zip(needs)
                    .map(|(&n, &need)| {
                        start += n;
                        need.then(|| g.slice(axis, start - n, start, 1))
                    })
                    .collect())
            })
        }
        Op::Pad => pad(x, ints, floats.first().copied().unwrap_or(0.0), &device),
        Op::Expand => Out::single(x.expand(&sizes(ints)), move |g| sum_to(g, &shape, &device)),
        _ => {
            let axes = sizes(ints);
            Out::single(x.flip(&axes), move |g| Ok(g.flip(&axes)))
        }
    }?;
    Ok(if float { out } else { Out { back: None, ..out } })
}

fn transposed(x: &Value) -> Value {
    let mut axes: Vec<usize> = (0..x.rank()).collect();
    let n = axes.len();
    axes.swap(n - 1, n - 2);
    x.permute(&axes)
}

pub(super) fn matmul(a: &Value, b: &Value, cx: &Context<'_>) -> Result<Out> {
    let (sa, sb, device) = (a.shape().to_vec(), b.shape().to_vec(), cx.device.clone());
    let lead = broadcast(&sa[..sa.len() - 2], &sb[..sb.len() - 2]);
    let widen = |v: &Value| {
        let shape: Vec<usize> = lead.iter().chain(&v.shape()[v.rank() - 2..]).copied().collect();
        v.expand(&shape)
    };
    // the processor's matrix product would round to bf16 and back, and gain nothing
    let precision = if device.is_cpu() { Precision::F32 } else { device.precision() };
    let (a, b) = (widen(a).factor(precision), widen(b).factor(precision));
    Out::with(a.matmul(&b, cx.device).product(precision), move |g, needs| {
        let g = g.factor(precision);
        let left = if needs[0] { Some(sum_to(&g.matmul(&transposed(&b), &device).product(precision), &sa, &device)?) } else { None };
        let right = if needs[1] { Some(sum_to(&transposed(&a).matmul(&g, &device).product(precision), &sb, &device)?) } else { None };
        Ok(vec![left, right])
    })
}
