//! Sums a class, which losses are made of: by kernels on the processor and on GPUs, composed elsewhere. Kernels keep nothing of the logits' size
//! for the way back but the logits.

use super::{Context, Out, index::check_range, reduce::sum_axes, softmax};
use crate::{device::Device, kernels::ClassSums, value::Value};
use plugin_api::Result;

fn on_cpu(inputs: &[Value]) -> Result<Out> {
    let (x, labels) = (inputs[0].clone(), inputs[1].to_ints()?);
    let weights = inputs.get(2).map(Value::host).transpose()?;
    let shape = x.shape().to_vec();
    let sums = {
        let voxels = x.cells()?;
        ClassSums { batch: shape[0], logits: voxels.cells(), labels: &labels, weights: weights.as_deref() }.sums()
    };
    let y = Value::from_f32(sums, &[shape[0], shape[1], ClassSums::SUMS], &Device::cpu());
    Out::with(y, move |g, _| {
        let voxels = x.cells()?;
        let sums = ClassSums { batch: shape[0], logits: voxels.cells(), labels: &labels, weights: weights.as_deref() };
        let dx = Value::from_channels_last(sums.grad(&g.host()?), &shape);
        Ok(vec![Some(dx), None, None])
    })
}

#[cfg(feature = "gpu")]
fn on_gpu(inputs: &[Value], device: &Device) -> Result<Out> {
    let (x, labels) = (inputs[0].clone(), inputs[1].clone());
    let weights = inputs.get(2).cloned().unwrap_or_else(|| Value::full(&[1], 1.0, device));
    let (y, scales) = x.class_sums(&labels, &weights);
    Out::with(y, move |g, _| Ok(vec![Some(x.class_sums_grad(&labels, &weights, &scales, g)), None, None]))
}

fn composed(inputs: &[Value], device: &Device) -> Result<Out> {
    let (x, labels) = (&inputs[0], &inputs[1]);
    let shape = x.shape().to_vec();
    let (y, log_p) = (super::index::one_hot(labels, shape[1], device)?, softmax::composed(x, 1, true, device.clone())?.values.swap_remove(0));
    let (weights, device) = (inputs.get(2).map_or_else(|| Value::full(&shape, 1.0, device), |w| w.expand(&shape)), device.clone());
    let space: Vec<usize> = (2..shape.len()).collect();
    let wide: Vec<usize> = shape.iter().enumerate().map(|(axis, &n)| if axis < 2 { n } else { 1 }).collect();
    let p = log_p.exp();
    let terms = [y.mul(&p), p.clone(), y.clone(), y.mul(&log_p).scale(-1.0)];
    let column = |term: &Value| Ok(sum_axes(&term.mul(&weights), &space, &device)?.reshape(&[shape[0], shape[1], 1]));
    let sums = Value::concat(&terms.iter().map(column).collect::<Result<Vec<_>>>()?, 2);
    Out::with(sums, move |g, _| {
        let part = |i: usize| g.slice(2, i, i + 1, 1).reshape(&wide).expand(&shape);
        let (own, entropy) = (part(0).mul(&y).add(&part(1)), part(3).mul(&y));
        let mean = sum_axes(&p.mul(&own), &[1], &device)?;
        let entropies = sum_axes(&entropy, &[1], &device)?;
        let dx = p.mul(&own.sub(&mean).add(&entropies)).sub(&entropy).mul(&weights);
        Ok(vec![Some(dx), None, None])
    })
}

pub(super) fn run(inputs: &[Value], cx: &Context<'_>) -> Result<Out> {
    check_range(&inputs[1], inputs[0].shape()[1], "class-sums")?;
    if cx.device.is_cpu() {
        return on_cpu(inputs);
    }
    #[cfg(feature = "gpu")]
    if cx.device.is_gpu() {
        return on_gpu(inputs, cx.device);
    }
    composed(inputs, cx.device)
}
