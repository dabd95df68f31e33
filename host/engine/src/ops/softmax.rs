//! Softmax and its logarithm.

use super::{Context, Out, reduce::sum_axes};
use crate::{device::Device, value::Value};
use plugin_api::{Op, Result};
use rayon::prelude::*;

/// Log-softmax on the processor: one pass a position, in f32 with the maximum taken off.
fn log_softmax_host(x: &[f32], outer: usize, n: usize, inner: usize) -> Vec<f32> {
    let mut y = vec![0f32; outer * n * inner];
    y.par_chunks_mut(n * inner).zip(x.par_chunks(n * inner)).for_each(|(y, x)| {
        let mut top = x[..inner].to_vec();
        for row in x.chunks(inner).skip(1) {
            for (t, &v) in top.iter_mut().zip(row) {
                *t = t.max(v);
            }
        }
        let mut sum = vec![0f32; inner];
        for row in x.chunks(inner) {
            for ((s, &v), &t) in sum.iter_mut().zip(row).zip(&top) {
                *s += (v - t).exp();
            }
        }
        for (s, t) in sum.iter_mut().zip(&top) {
            *s = s.ln() + t;
        }
        for (out, row) in y.chunks_mut(inner).zip(x.chunks(inner)) {
            for ((o, &v), &s) in out.iter_mut().zip(row).zip(&sum) {
                *o = v - s;
            }
        }
    });
    y
}

fn log_softmax(x: &Value, axis: usize, device: &Device) -> Result<Value> {
    let shape = x.shape();
    if device.is_cpu() {
        let (outer, inner): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        return Ok(Value::from_f32(log_softmax_host(&x.host()?, outer, shape[axis], inner), shape, device));
    }
    let centred = x.sub(&x.extreme(axis, true));
    let sum = sum_axes(&centred.exp(), &[axis], device)?.log();
    Ok(centred.sub(&sum))
}

pub(super) fn run(op: Op, x: &Value, axis: usize, cx: &Context<'_>) -> Result<Out> {
    let device = cx.device.clone();
    let log = log_softmax(x, axis, &device)?;
    if op == Op::LogSoftmax {
        let y = log.clone();
        return Out::single(log, move |g| Ok(g.sub(&y.exp().mul(&sum_axes(g, &[axis], &device)?))));
    }
    let y = log.exp();
    Out::single(y.clone(), move |g| {
        let gy = g.mul(&y);
        Ok(gy.sub(&y.mul(&sum_axes(&gy, &[axis], &device)?)))
    })
}
