//! Softmax and its logarithm: one pass on the processor, composed elsewhere.

use super::{Context, Out, reduce::sum_axes};
use crate::{device::Device, kernels::Middle, value::Value};
use plugin_api::{Op, Result};

pub(super) fn composed(x: &Value, axis: usize, log: bool, device: Device) -> Result<Out> {
    let centred = x.sub(&x.extreme(axis, true));
    let logarithm = centred.sub(&sum_axes(&centred.exp(), &[axis], &device)?.log());
    if log {
        let y = logarithm.clone();
        return Out::single(logarithm, move |g| Ok(g.sub(&y.exp().mul(&sum_axes(g, &[axis], &device)?))));
    }
    let y = logarithm.exp();
    Out::single(y.clone(), move |g| {
        let gy = g.mul(&y);
        Ok(gy.sub(&y.mul(&sum_axes(&gy, &[axis], &device)?)))
    })
}

pub(super) fn run(op: Op, x: &Value, axis: usize, cx: &Context<'_>) -> Result<Out> {
    let log = op == Op::LogSoftmax;
    if !cx.device.is_cpu() {
        return composed(x, axis, log, cx.device.clone());
    }
    let shape = x.shape().to_vec();
    let middle = Middle::of(&shape, axis);
    let y = Value::from_buffer(middle.softmax(&x.host()?, log), &shape);
    let out = y.clone();
    Out::single(y, move |g| Ok(Value::from_buffer(middle.softmax_grad(&out.host()?, &g.host()?, log), &shape)))
}
