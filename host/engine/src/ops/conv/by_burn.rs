//! Convolutions by Burn's operations, each through what its GPU backend tunes for tensor cores: the convolution, its weights' gradient and the matrix
//! product. Its transposed convolution, which a convolution's input gradient falls back on where there is a stride, is a loop on a GPU with sums in the inputs' type:
//! `adjoint` does without.

use super::{adjoint::adjoint, bias_grad, parts, taps};
use crate::{
    device::{Device, Precision},
    ops::{Out, three},
    value::{Conv3, Value},
};
use plugin_api::Result;

/// (a, b, spatial...) with three spatial axes. Channels that are neighbours in memory, as convolutions want and leave them, stay so.
fn five(v: &Value) -> Value {
    let n = v.rank();
    if n == 5 {
        return v.clone();
    }
    let (s, sp) = (v.shape(), three(&v.shape()[2..], 1));
    let last: Vec<usize> = [0].into_iter().chain(2..n).chain([1]).collect();
    v.permute(&last).reshape(&[s[0], sp[0], sp[1], sp[2], s[1]]).permute(&[0, 4, 1, 2, 3])
}

/// From three spatial axes back to those of `shape`.
fn from_five(v: Value, shape: &[usize]) -> Value {
    let n = shape.len();
    if n == 5 {
        return v;
    }
    let last: Vec<usize> = shape[..1].iter().chain(&shape[2..]).chain(&shape[1..2]).copied().collect();
    let first: Vec<usize> = [0, n - 1].into_iter().chain(1..n - 1).collect();
    v.permute(&[0, 2, 3, 4, 1]).reshape(&last).permute(&first)
}

/// With several groups Burn's kernel adds up in the type of its inputs, and tensor cores would gain nothing.
fn of_groups(precision: Precision, groups: usize) -> Precision {
    if groups > 1 { Precision::F32 } else { precision }
}

/// From images and gradients of a convolution that of its weights, which have the shape of `w`.
fn weight_grad(x: &Value, g: &Value, w: &Value, s: &Conv3, precision: Precision, device: &Device) -> Value {
    let kernel = std::array::from_fn(|a| w.shape()[a + 2]);
    taps::weight_grad(x, g, kernel, s, precision, device).unwrap_or_else(|| x.conv3_weight_grad(w, g, s, device).product(precision))
}

/// A convolution.
pub(super) fn conv([x, w]: [Value; 2], b: Option<Value>, s: Conv3, out_shape: Vec<usize>, precision: Precision, device: Device) -> Result<Out> {
    let precision = of_groups(precision, s.groups);
    let bias_shape = b.as_ref().map(|b| b.shape().to_vec()).unwrap_or_default();
    let (x5, w5, b) = (five(&x).factor(precision), five(&w).factor(precision), b.map(|b| b.factor(precision)));
    let (sx, sw) = (x.shape().to_vec(), w.shape().to_vec());
    let y = from_five(x5.conv3(&w5, b.as_ref(), &s, &device).product(precision), &out_shape);
    Out::with(y, move |g, needs| {
        let g5 = five(g).factor(precision);
        let size = three(&sx[2..], 1);
        let input_grad = || match adjoint(&g5, &w5, &s, size, precision, &device) {
            Some(dx) => dx,
            None => x5.conv3_input_grad(&w5, &g5, &s).product(precision),
        };
        parts(
            needs,
            || Ok(from_five(input_grad(), &sx)),
            || Ok(from_five(weight_grad(&x5, &g5, &w5, &s, precision, &device), &sw)),
            || bias_grad(g, &bias_shape, &device),
        )
    })
}

/// A transposed convolution.
pub(super) fn conv_transpose(
    [x, w]: [Value; 2],
    b: Option<Value>,
    s: Conv3,
    out_shape: Vec<usize>,
    precision: Precision,
    device: Device,
) -> Result<Out> {
    let precision = of_groups(precision, s.groups);
    let bias_shape = b.as_ref().map(|b| b.shape().to_vec()).unwrap_or_default();
    let (x5, w5) = (five(&x).factor(precision), five(&w).factor(precision));
    let (sx, sw) = (x.shape().to_vec(), w.shape().to_vec());
    let size = three(&out_shape[2..], 1);
    let y = match adjoint(&x5, &w5, &s, size, precision, &device) {
        Some(y) => match &b {
            Some(b) => y.add(&b.reshape(&[1, b.len(), 1, 1, 1])).narrowed_like(&y),
            None => y,
        },
        None => x5.conv3_transpose(&w5, b.map(|b| b.factor(precision)).as_ref(), &s).product(precision),
    };
    Out::with(from_five(y, &out_shape), move |g, needs| {
        let g5 = five(g).factor(precision);
        let kernel: [usize; 3] = std::array::from_fn(|a| w5.shape()[a + 2]);
        let (from, to) = (w5.shape()[0], w5.shape()[1]);
        let whole = kernel == s.stride && s.groups == 1 && (0..3).all(|a| size[a] == x5.shape()[a + 2] * kernel[a]);
        let blocks = whole.then(|| g5.gathered(kernel, &device));
        let input_grad = || match &blocks {
            Some(blocks) => {
                let columns = w5.permute(&[2, 3, 4, 1, 0]).reshape(&[kernel.iter().product::<usize>() * to, from]);
                let [d, h, v] = [2, 3, 4].map(|a| x5.shape()[a]);
                blocks.matmul(&columns, &device).reshape(&[x5.shape()[0], d, h, v, from]).permute(&[0, 4, 1, 2, 3])
            }
            None if s.groups == 1 => g5.conv3(&w5, None, &s, &device),
            None => Value::conv3_transpose_input_grad(&w5, &g5, &s),
        };
        // with several groups weights lie otherwise than those of the convolution that this one transposes
        let weight_grad = || match s.groups {
            1 => {
                let as_blocks = blocks.as_ref().and_then(|blocks| taps::of_blocks(&x5, blocks, kernel, &device));
                as_blocks.unwrap_or_else(|| weight_grad(&g5, &x5, &w5, &s, precision, &device))
            }
            _ => x5.conv3_transpose_weight_grad(&w5, &g5, &s).product(precision),
        };
        parts(
            needs,
            || Ok(from_five(input_grad().product(precision), &sx)),
            || Ok(from_five(weight_grad(), &sw)),
            || bias_grad(g, &bias_shape, &device),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::values;
    use super::*;

    /// What other devices do, done by Burn's backend for the processor.
    #[test]
    fn burn_multiplies_bf16_where_the_precision_is_mixed() {
        let device = Device::cpu();
        let s = Conv3 { stride: [2, 1, 1], padding: [1; 3], dilation: [1; 3], output_padding: [0; 3], groups: 1 };
        let (x, w, b) = (values(&[2, 3, 6, 5, 4], 1), values(&[4, 3, 3, 3, 3], 2), values(&[4], 3));
        let wt = values(&[3, 4, 3, 3, 3], 4);
        for transposed in [false, true] {
            let run = |precision| {
                let (out, g) = if transposed {
                    let out = conv_transpose([x.clone(), wt.clone()], Some(b.clone()), s, vec![2, 4, 11, 5, 4], precision, device.clone()).unwrap();
                    (out, values(&[2, 4, 11, 5, 4], 5))
                } else {
                    let out = conv([x.clone(), w.clone()], Some(b.clone()), s, vec![2, 4, 3, 5, 4], precision, device.clone()).unwrap();
                    (out, values(&[2, 4, 3, 5, 4], 5))
                };
                let back = out.back.unwrap()(&g, &[true; 3]).unwrap();
                let all = out.values.into_iter().chain(back.into_iter().flatten());
                all.map(|value| value.to_vec().unwrap()).collect::<Vec<_>>()
            };
            let (exact, mixed) = (run(Precision::F32), run(Precision::Mixed));
            assert_eq!((exact.len(), &exact[3]), (4, &mixed[3]), "a bias' gradient is a sum of f32");
            for (exact, mixed) in exact.iter().zip(&mixed).take(3) {
                let square = |v: &mut dyn Iterator<Item = f32>| v.map(|v| f64::from(v).powi(2)).sum::<f64>();
                let off = square(&mut exact.iter().zip(mixed).map(|(e, m)| e - m)) / square(&mut exact.iter().copied());
                // two rounded factors and a rounded result, each off by 2^-8 at most
                assert!(off > 0.0 && off.sqrt() < 1.5 * 2f64.powi(-8), "off by {}", off.sqrt());
            }
        }
    }

    /// Without gaps or overlap it is made of products: those of Burn's loops, where whole tiles make up the rows and where not.
    #[test]
    fn blocks_are_burns_transposed_convolution() {
        let device = Device::cpu();
        for (kernel, small) in [([2, 2, 2], [4, 6, 8]), ([2, 2, 2], [3, 5, 7]), ([1, 2, 2], [2, 4, 6]), ([1, 3, 2], [1, 5, 8])] {
            let s = Conv3 { stride: kernel, padding: [0; 3], dilation: [1; 3], output_padding: [0; 3], groups: 1 };
            let [d, h, v] = std::array::from_fn(|a| small[a] * kernel[a]);
            let x = values(&[2, 5, small[0], small[1], small[2]], 1);
            let (w, g) = (values(&[5, 3, kernel[0], kernel[1], kernel[2]], 2), values(&[2, 3, d, h, v], 3));
            let out = conv_transpose([x.clone(), w.clone()], None, s, g.shape().to_vec(), Precision::F32, device.clone()).unwrap();
            let back = out.back.unwrap()(&g, &[true; 2]).unwrap();
            let ours = out.values.into_iter().chain(back.into_iter().flatten());
            let theirs = [x.conv3_transpose(&w, None, &s), Value::conv3_transpose_input_grad(&w, &g, &s), x.conv3_transpose_weight_grad(&w, &g, &s)];
            for (i, (ours, theirs)) in ours.zip(&theirs).enumerate() {
                assert_eq!(ours.shape(), theirs.shape());
                let off = crate::selftest::apart(&theirs.to_vec().unwrap(), &ours.to_vec().unwrap());
                assert!(off < 1e-5, "{kernel:?} {small:?}: result {i} is off by {off}");
            }
        }
    }
}
