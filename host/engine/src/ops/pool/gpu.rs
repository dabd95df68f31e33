//! By the kernels of a GPU.

use super::{Job, Plan};
use crate::{
    device::Device,
    kernels::{Blend, Windows, linear, nearest},
    ops::{Out, reduce::sum_axes},
    value::Value,
};
use plugin_api::{Op, Result};
use std::sync::Arc;

pub(super) fn run(job: Job, x: &Value, device: &Device) -> Result<Out> {
    let (input, output) = (job.input, job.output);
    match job.plan {
        Plan::Fixed { windows, .. } if job.op == Op::MaxPool => maximum(x, Windows::fixed(&windows)),
        Plan::Fixed { windows, count_padding } => average(x, Windows::fixed(&windows), count_padding),
        Plan::Adaptive if output == [1; 3] && job.op == Op::AdaptiveAvgPool => global_average(x, device),
        Plan::Adaptive if job.op == Op::AdaptiveMaxPool => maximum(x, Windows::adaptive(input, output)),
        Plan::Adaptive => average(x, Windows::adaptive(input, output), false),
        Plan::Linear { aligned } => resize(x, input, output, |from, to| linear(from, to, aligned)),
        Plan::Nearest { exact } => resize(x, input, output, |from, to| nearest(from, to, exact)),
    }
}

fn maximum(x: &Value, windows: Windows) -> Result<Out> {
    let windows = Arc::new(windows);
    let (y, places) = x.max_pool(&windows);
    Out::single(y, move |g| Ok(g.max_pool_grad(&places, &windows)))
}

fn average(x: &Value, windows: Windows, count_padding: bool) -> Result<Out> {
    let windows = Arc::new(windows);
    let y = x.avg_pool(&windows, count_padding);
    Out::single(y, move |g| Ok(g.avg_pool_grad(&windows, count_padding)))
}

/// One window over everything: a sum, which Burn spreads over the GPU.
fn global_average(x: &Value, device: &Device) -> Result<Out> {
    let shape = x.shape().to_vec();
    let axes: Vec<usize> = (2..shape.len()).collect();
    let share = 1.0 / shape[2..].iter().product::<usize>() as f64;
    let y = sum_axes(x, &axes, device)?.scale(share);
    Out::single(y, move |g| Ok(g.scale(share).expand(&shape)))
}

/// Axis after axis; those that keep their length are left alone. Back in the other order.
fn resize(x: &Value, input: [usize; 3], output: [usize; 3], blends: impl Fn(usize, usize) -> Vec<Blend>) -> Result<Out> {
    let unused = 5 - x.rank();
    let changed = (unused..3).filter(|&a| input[a] != output[a]);
    let steps: Vec<_> = changed.map(|a| (a + 2 - unused, input[a], Arc::new(blends(input[a], output[a])))).collect();
    let y = steps.iter().fold(x.clone(), |x, (axis, _, blends)| x.blend(*axis, blends));
    Out::single(y, move |g| Ok(steps.iter().rev().fold(g.clone(), |g, (axis, from, blends)| g.blend_grad(*axis, *from, blends))))
}
