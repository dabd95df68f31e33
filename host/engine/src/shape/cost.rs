//! How much an operation computes.

use super::Info;
use plugin_api::Op;

/// Floating-point operations of a forward; a multiplication with its addition counts as 2.
///
/// - Conv and ConvTranspose: 2 for each tap of each (sample, channel pair, position), 1 for the bias of each output;
///   MatMul: 2 K an output.
/// - Normalisations: 6 an element (mean 1, variance 3, normalising 2), 2 more with scale and shift; softmax 4.
/// - MaxPool and AvgPool: 1 for each element of each window; adaptive pooling 1 an input element; linear resizing `2 * 2^n` an output.
/// - Element-wise operations and comparisons: 1 an output (Affine, LeakyRelu, Elu, Clamp, Gelu, Silu, Softplus: 2); reductions,
///   running sums and TopK: 1 an input element; ScatterAdd and SegmentSum: 1 an element added; ClassSums: 5 a logit; Dropout: 2.
/// - What moves, casts, selects or creates: 0.
pub fn flops(op: Op, inputs: &[Info], outputs: &[Info], ints: &[i64]) -> u64 {
    let input = |i: usize| inputs.get(i).map_or(0, Info::elements);
    let out = outputs.first().map_or(0, Info::elements);
    let times = u64::saturating_mul;
    // elements of one filter: the weight without its first axis
    let filter = || inputs.get(1).map_or(0, |w| w.shape.iter().skip(1).fold(1, |n, &d| times(n, d as u64)));
    let bias = if inputs.len() > 2 { out } else { 0 };
    match op {
        Op::Conv => times(2, times(out, filter())).saturating_add(bias),
        Op::ConvTranspose => times(2, times(input(0), filter())).saturating_add(bias),
        Op::MatMul => times(2, times(out, inputs.first().and_then(|a| a.shape.last()).map_or(0, |&k| k as u64))),
        Op::InstanceNorm | Op::GroupNorm | Op::LayerNorm | Op::BatchNorm => times(if inputs.len() > 1 { 8 } else { 6 }, out),
        Op::Softmax | Op::LogSoftmax => times(4, out),
        Op::MaxPool | Op::AvgPool => times(out, window(ints)),
        Op::AdaptiveAvgPool | Op::AdaptiveMaxPool => input(0),
        Op::Resize => match ints {
            [n, .., 2, _] => times(2 << n.clamp(&0, &3), out),
            _ => 0,
        },
        Op::Affine | Op::LeakyRelu | Op::Elu | Op::Clamp | Op::Gelu | Op::Silu | Op::Softplus | Op::Dropout => times(2, out),
        Op::Sum | Op::Mean | Op::Max | Op::Min | Op::ArgMax | Op::TopK | Op::CumSum | Op::SegmentSum => input(0),
        Op::ScatterAdd => input(2),
        Op::ClassSums => times(5, input(0)),
        Op::Detach | Op::Cast | Op::Where => 0,
        _ if (op as u32) < Op::Sum as u32 => out,
        _ => 0,
    }
}

/// Elements of a pooling window, from ints `[n, kernel[..n], ...]`.
fn window(ints: &[i64]) -> u64 {
    let n = ints.first().map_or(0, |&n| n.clamp(0, 3) as usize);
    ints.iter().skip(1).take(n).fold(1, |product, &k| product.saturating_mul(k.max(0) as u64))
}
