//! Reductions. On the processor, sums run in f64 over fixed pieces: the same bits with any number of threads.

use super::{Context, Out};
use crate::{device::Device, value::Value};
use plugin_api::{DType, Op, Result};
use rayon::prelude::*;

/// Values added by one task; fixed, so that results do not depend on the threads.
const PIECE: usize = 1 << 16;

fn sum_slice(x: &[f32]) -> f64 {
    // sixteen running sums keep the adders busy
    let mut lanes = [0f64; 16];
    let whole = x.chunks_exact(16);
    let rest: f64 = whole.remainder().iter().map(|&v| f64::from(v)).sum();
    for part in whole {
        for (lane, &v) in lanes.iter_mut().zip(part) {
            *lane += f64::from(v);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Sums of equally long rows.
fn sum_rows(x: &[f32], length: usize) -> Vec<f32> {
    if length == 0 || x.is_empty() {
        return vec![];
    }
    if x.len() / length >= 64 || length <= PIECE {
        return x.par_chunks(length).map(|row| sum_slice(row) as f32).collect();
    }
    x.chunks(length).map(|row| row.par_chunks(PIECE).map(sum_slice).collect::<Vec<f64>>().iter().sum::<f64>() as f32).collect()
}

/// Sums over axes, which stay with length 1.
pub(crate) fn sum_axes(x: &Value, axes: &[usize], device: &Device) -> Result<Value> {
    if !device.is_cpu() {
        return Ok(x.sum_axes_on_device(axes));
    }
    let keep: Vec<usize> = (0..x.rank()).filter(|a| !axes.contains(a)).collect();
    let order: Vec<usize> = keep.iter().chain(axes).copied().collect();
    let sorted = order.windows(2).all(|w| w[0] < w[1]);
    let moved = if sorted { x.clone() } else { x.permute(&order) };
    let length: usize = axes.iter().map(|&a| x.shape()[a]).product();
    let shape: Vec<usize> = x.shape().iter().enumerate().map(|(a, &n)| if axes.contains(&a) { 1 } else { n }).collect();
    Ok(Value::from_f32(sum_rows(&moved.host()?, length), &shape, device))
}

/// Sums a broadcast gradient back to `shape`.
pub(crate) fn sum_to(g: &Value, shape: &[usize], device: &Device) -> Result<Value> {
    if g.shape() == shape {
        return Ok(g.clone());
    }
    let lead = g.rank() - shape.len();
    let axes: Vec<usize> = (0..g.rank()).filter(|&a| a < lead || (shape[a - lead] == 1 && g.shape()[a] != 1)).collect();
    let summed = if axes.is_empty() { g.clone() } else { sum_axes(g, &axes, device)? };
    Ok(summed.reshape(shape))
}

pub(super) fn over_axes(op: Op, x: &Value, ints: &[i64], cx: &Context<'_>) -> Result<Out> {
    let device = cx.device.clone();
    let x = x.clone();
    let mut axes: Vec<usize> = ints[1..].iter().map(|&a| a as usize).collect();
    let everything = axes.is_empty();
    if everything {
        axes = (0..x.rank()).collect();
    }
    axes.sort_unstable();
    let full = x.shape().to_vec();
    let kept: Vec<usize> = full.iter().enumerate().map(|(a, &n)| if axes.contains(&a) { 1 } else { n }).collect();
    let mut short: Vec<usize> = full.iter().enumerate().filter(|(a, _)| !axes.contains(a)).map(|(_, &n)| n).collect();
    if short.is_empty() {
        short = vec![1];
    }
    let shape = if ints[0] != 0 && !everything { kept.clone() } else { short };
    match op {
        Op::Sum | Op::Mean => {
            let n: usize = axes.iter().map(|&a| full[a]).product();
            let factor = if op == Op::Mean { 1.0 / n as f64 } else { 1.0 };
            let y = sum_axes(&x, &axes, &device)?.scale(factor).reshape(&shape);
            Out::single(y, move |g| Ok(g.reshape(&kept).scale(factor).expand(&full)))
        }
        _ => {
            let y = axes.iter().fold(x.clone(), |v, &a| v.extreme(a, op == Op::Max));
            let out = y.reshape(&shape);
            Out::single(out, move |g| {
                let at = x.compare(Op::Equal, &y.expand(&full), &device).cast(DType::Float, &device);
                let count = sum_axes(&at, &axes, &device)?;
                Ok(g.reshape(&kept).div(&count).expand(&full).mul(&at))
            })
        }
    }
}

pub(super) fn along_axis(op: Op, x: &Value, ints: &[i64], cx: &Context<'_>) -> Result<Out> {
    let device = cx.device.clone();
    let shape = x.shape().to_vec();
    match op {
        Op::ArgMax => Out::constant(x.argmax(ints[0] as usize)),
        Op::TopK => {
            let axis = ints[1] as usize;
            let (values, indices) = x.topk(ints[0] as usize, axis);
            let at = indices.clone();
            let mut out = Out::single(values, move |g| Ok(Value::full(&shape, 0.0, &device).scatter_add(axis, &at, g)))?;
            out.values.push(indices);
            Ok(out)
        }
        _ => {
            let axis = ints[0] as usize;
            let y = x.cumsum(axis);
            if y.dtype() == DType::Int {
                return Out::constant(y);
            }
            Out::single(y, move |g| Ok(g.flip(&[axis]).cumsum(axis).flip(&[axis])))
        }
    }
}
