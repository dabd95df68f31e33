//! Pooling and resizing: kernels on the processor, kernels on a GPU, and from another device the way over the host.

#[cfg(feature = "gpu")]
mod gpu;
mod host;

use super::{Context, Out, sizes, three};
use crate::{kernels::PoolShape, value::Value};
use plugin_api::{Op, Result};

/// What to do, with three axes in space.
enum Plan {
    Fixed { windows: PoolShape, count_padding: bool },
    Adaptive,
    Linear { aligned: bool },
    Nearest { exact: bool },
}

/// An operation on an input of `shape`.
struct Job {
    op: Op,
    plan: Plan,
    shape: Vec<usize>,
    input: [usize; 3],
    output: [usize; 3],
}

impl Job {
    fn of(op: Op, shape: &[usize], ints: &[i64]) -> Self {
        let (n, all) = (ints[0] as usize, sizes(&ints[1..]));
        let input = three(&shape[2..], 1);
        let job = |plan, output| Self { op, plan, shape: shape.to_vec(), input, output };
        match op {
            Op::MaxPool | Op::AvgPool => {
                let (kernel, stride, padding) = (three(&all[..n], 1), three(&all[n..2 * n], 1), three(&all[2 * n..3 * n], 0));
                let output = std::array::from_fn(|a| windows(input[a], kernel[a], stride[a], padding[a], all[3 * n] != 0));
                let windows = PoolShape { rows: shape[0] * shape[1], input, kernel, stride, padding, output };
                job(Plan::Fixed { windows, count_padding: op == Op::AvgPool && all[3 * n + 1] != 0 }, output)
            }
            Op::AdaptiveAvgPool | Op::AdaptiveMaxPool => job(Plan::Adaptive, three(&all[..n], 1)),
            _ if all[n] == 2 => job(Plan::Linear { aligned: all[n + 1] != 0 }, three(&all[..n], 1)),
            _ => job(Plan::Nearest { exact: all[n] == 1 }, three(&all[..n], 1)),
        }
    }

    /// Batch times channels.
    fn rows(&self) -> usize {
        self.shape[0] * self.shape[1]
    }

    /// The result's shape.
    fn result(&self) -> Vec<usize> {
        let unused = 5 - self.shape.len();
        self.shape[..2].iter().chain(&self.output[unused..]).copied().collect()
    }
}

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
    let job = Job::of(op, x.shape(), ints);
    #[cfg(feature = "gpu")]
    if cx.device.is_gpu() {
        return gpu::run(job, x, cx.device);
    }
    host::run(job, x, cx.device)
}
