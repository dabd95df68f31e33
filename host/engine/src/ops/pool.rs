//! Pooling and resizing. The kernels run on the processor; on another device the values take the way over the host.

use super::{Context, Out, sizes, three};
use crate::{
    kernels::{self, PoolShape},
    value::Value,
};
use plugin_api::{Op, Result};

/// Output length of a window along one axis, as PyTorch counts it.
fn windows(n: usize, kernel: usize, stride: usize, padding: usize, ceil: bool) -> usize {
    let span = n + 2 * padding - kernel;
    if !ceil {
        return span / stride + 1;
    }
    let mut out = span.div_ceil(stride) + 1;
    // the last window must begin inside the image or its left padding
    if (out - 1) * stride >= n + padding {
        out -= 1;
    }
    out
}

pub(super) fn run(op: Op, x: &Value, ints: &[i64], cx: &Context<'_>) -> Result<Out> {
    let (n, all) = (ints[0] as usize, sizes(&ints[1..]));
    let shape = x.shape().to_vec();
    let rows = shape[0] * shape[1];
    let input = three(&shape[2..], 1);
    let device = cx.device.clone();
    let result = |size: [usize; 3]| -> Vec<usize> { shape[..2].iter().chain(&size[3 - n..]).copied().collect() };
    let value = |data: Vec<f32>, shape: &[usize]| Value::from_f32(data, shape, &device);
    let (device2, shape2) = (device.clone(), shape.clone());
    let home = move |data: Vec<f32>| Value::from_f32(data, &shape2, &device2);
    let values = x.host()?;
    match op {
        Op::MaxPool | Op::AvgPool => {
            let (kernel, stride, padding) = (three(&all[..n], 1), three(&all[n..2 * n], 1), three(&all[2 * n..3 * n], 0));
            let ceil = all[3 * n] != 0;
            let mut output = [0; 3];
            for a in 0..3 {
                output[a] = windows(input[a], kernel[a], stride[a], padding[a], ceil);
            }
            let s = PoolShape { rows, input, kernel, stride, padding, output };
            if op == Op::MaxPool {
                let (y, at) = kernels::max_pool(&s, &values);
                return Out::single(value(y, &result(output)), move |g| Ok(home(kernels::max_pool_grad(&s, &at, &g.host()?))));
            }
            let count_padding = all[3 * n + 1] != 0;
            let y = kernels::avg_pool(&s, &values, count_padding);
            Out::single(value(y, &result(output)), move |g| Ok(home(kernels::avg_pool_grad(&s, &g.host()?, count_padding))))
        }
        Op::AdaptiveAvgPool => {
            let output = three(&all[..n], 1);
            let y = kernels::adaptive_avg_pool(rows, input, output, &values);
            Out::single(value(y, &result(output)), move |g| Ok(home(kernels::adaptive_avg_pool_grad(rows, input, output, &g.host()?))))
        }
        Op::AdaptiveMaxPool => {
            let output = three(&all[..n], 1);
            let (y, at) = kernels::adaptive_max_pool(rows, input, output, &values);
            Out::single(value(y, &result(output)), move |g| Ok(home(kernels::adaptive_max_pool_grad(rows, input, output, &at, &g.host()?))))
        }
        _ => {
            let output = three(&all[..n], 1);
            let (mode, aligned) = (all[n], all[n + 1] != 0);
            if mode == 2 {
                let y = kernels::resize_linear(rows, input, output, aligned, &values);
                return Out::single(value(y, &result(output)), move |g| {
                    Ok(home(kernels::resize_linear_grad(rows, input, output, aligned, &g.host()?)))
                });
            }
            let exact = mode == 1;
            let y = kernels::resize_nearest(rows, input, output, exact, &values);
            Out::single(value(y, &result(output)), move |g| Ok(home(kernels::resize_nearest_grad(rows, input, output, exact, &g.host()?))))
        }
    }
}
