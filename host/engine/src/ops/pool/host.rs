//! By the processor's kernels; the values of another device are copied there and back.

use super::{Job, Plan};
use crate::{device::Device, kernels, ops::Out, value::Value};
use plugin_api::{Op, Result};

pub(super) fn run(job: Job, x: &Value, device: &Device) -> Result<Out> {
    let (rows, input, output, shape) = (job.rows(), job.input, job.output, job.shape.clone());
    let values = x.host()?;
    let result = job.result();
    let there = |data: Vec<f32>| Value::from_f32(data, &result, device);
    let home = device.clone();
    let back = move |data: Vec<f32>| Value::from_f32(data, &shape, &home);
    match (job.plan, job.op) {
        (Plan::Fixed { windows, .. }, Op::MaxPool) => {
            let (y, at) = kernels::max_pool(&windows, &values);
            Out::single(there(y), move |g| Ok(back(kernels::max_pool_grad(&windows, &at, &g.host()?))))
        }
        (Plan::Fixed { windows, count_padding }, _) => {
            let y = kernels::avg_pool(&windows, &values, count_padding);
            Out::single(there(y), move |g| Ok(back(kernels::avg_pool_grad(&windows, &g.host()?, count_padding))))
        }
        (Plan::Adaptive, Op::AdaptiveMaxPool) => {
            let (y, at) = kernels::adaptive_max_pool(rows, input, output, &values);
            Out::single(there(y), move |g| Ok(back(kernels::adaptive_max_pool_grad(rows, input, output, &at, &g.host()?))))
        }
        (Plan::Adaptive, _) => {
            let y = kernels::adaptive_avg_pool(rows, input, output, &values);
            Out::single(there(y), move |g| Ok(back(kernels::adaptive_avg_pool_grad(rows, input, output, &g.host()?))))
        }
        (Plan::Linear { aligned }, _) => {
            let y = kernels::resize_linear(rows, input, output, aligned, &values);
            Out::single(there(y), move |g| Ok(back(kernels::resize_linear_grad(rows, input, output, aligned, &g.host()?))))
        }
        (Plan::Nearest { exact }, _) => {
            let y = kernels::resize_nearest(rows, input, output, exact, &values);
            Out::single(there(y), move |g| Ok(back(kernels::resize_nearest_grad(rows, input, output, exact, &g.host()?))))
        }
    }
}
