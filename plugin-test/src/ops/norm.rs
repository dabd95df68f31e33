//! Normalisation, dropout, matrix products.

use super::Call;
use crate::values::{Values, uniform};
use plugin_api::Op;

/// Scales and shifts each group to zero mean and unit variance; then weight and bias, if there are any.
fn normalised(c: &Call<'_>, eps: f64, group: impl Fn(&[usize]) -> usize, parameter: impl Fn(&[usize]) -> usize) -> Values {
    let x = c.inputs[0];
    let mut sums: Vec<(f64, f64, f64)> = Vec::new();
    crate::values::each_index(&x.shape, |i| {
        let g = group(i);
        sums.resize(sums.len().max(g + 1), (0.0, 0.0, 0.0));
        sums[g].0 += 1.0;
        sums[g].1 += x.at(i);
    });
    crate::values::each_index(&x.shape, |i| {
        let s = &mut sums[group(i)];
        s.2 += (x.at(i) - s.1 / s.0).powi(2);
    });
    Values::from_fn(&c.out, x.dtype, |i| {
        let (n, sum, squares) = sums[group(i)];
        let y = (x.at(i) - sum / n) / (squares / n + eps).sqrt();
        affine(c, y, parameter(i))
    })
}

fn affine(c: &Call<'_>, y: f64, parameter: usize) -> f64 {
    match c.inputs[..] {
        [_, scale, shift, ..] => y * scale.data[parameter] + shift.data[parameter],
        _ => y,
    }
}

pub(super) fn run(c: &Call<'_>, training: bool) -> Values {
    let (x, eps) = (c.inputs[0], c.floats.first().copied().unwrap_or_default());
    let channels = x.shape.get(1).copied().unwrap_or(1);
    match c.op {
        Op::InstanceNorm => normalised(c, eps, |i| i[0] * channels + i[1], |i| i[1]),
        Op::GroupNorm => {
            let groups = c.n(0);
            normalised(c, eps, |i| i[0] * groups + i[1] * groups / channels, |i| i[1])
        }
        Op::LayerNorm => {
            let outer = x.shape.len() - c.n(0);
            let flat = |shape: &[usize], i: &[usize]| i.iter().zip(shape).fold(0, |p, (&at, &n)| p * n + at);
            normalised(c, eps, |i| flat(&x.shape[..outer], &i[..outer]), |i| flat(&x.shape[outer..], &i[outer..]))
        }
        Op::BatchNorm if training => normalised(c, eps, |i| i[1], |i| i[1]),
        Op::BatchNorm => {
            let (mean, variance) = (c.inputs[3], c.inputs[4]);
            Values::from_fn(&c.out, x.dtype, |i| affine(c, (x.at(i) - mean.data[i[1]]) / (variance.data[i[1]] + eps).sqrt(), i[1]))
        }
        _ => matmul(c),
    }
}

fn matmul(c: &Call<'_>) -> Values {
    let (a, b) = (c.inputs[0], c.inputs[1]);
    let inner = a.shape[a.shape.len() - 1];
    Values::from_fn(&c.out, a.dtype, |i| {
        let n = i.len();
        let (mut left, mut right) = (i.to_vec(), i.to_vec());
        (0..inner)
            .map(|k| {
                (left[n - 1], right[n - 2]) = (k, k);
                a.at(&left) * b.at(&right)
            })
            .sum()
    })
}

/// Zeroes values, or whole channels, and scales the rest.
pub(super) fn dropout(c: &Call<'_>, state: &mut u64) -> Values {
    let (x, p) = (c.inputs[0], c.floats[0]);
    let shape = if c.ints[0] == 1 { [&x.shape[..2], &vec![1; x.shape.len() - 2]].concat() } else { x.shape.clone() };
    let kept = Values::from_fn(&shape, x.dtype, |_| if uniform(state) < p { 0.0 } else { 1.0 / (1.0 - p) });
    Values::from_fn(&c.out, x.dtype, |i| x.at(i) * kept.at(i))
}
