//! Convolutions: our kernels on the processor, Burn's elsewhere.

use super::{Context, Out, reduce::sum_axes, sizes, three};
use crate::{
    device::{Device, Precision},
    kernels::{self, ConvShape},
    value::{Conv3, Value},
};
use plugin_api::Result;

/// (a, b, spatial...) with three spatial axes.
fn five(v: &Value) -> Value {
    let s = v.shape();
    let sp = three(&s[2..], 1);
    v.reshape(&[s[0], s[1], sp[0], sp[1], sp[2]])
}

fn bias_grad(g: &Value, shape: &[usize], device: &Device) -> Result<Value> {
    if device.is_cpu() {
        return Ok(Value::from_f32(kernels::bias_grad(&g.channels_last()?, g.shape()[1]), shape, device));
    }
    let axes: Vec<usize> = (0..g.rank()).filter(|&a| a != 1).collect();
    Ok(sum_axes(g, &axes, device)?.reshape(shape))
}

/// Input, weight and bias gradients as asked for. The input's comes last: what the weights' alone needs is free by then.
fn parts(
    needs: &[bool],
    input: impl FnOnce() -> Result<Value>,
    weight: impl FnOnce() -> Result<Value>,
    bias: impl FnOnce() -> Result<Value>,
) -> Result<Vec<Option<Value>>> {
    let want = |i: usize| needs.get(i).copied().unwrap_or(false);
    let weight = if want(1) { Some(weight()?) } else { None };
    let bias = if want(2) { Some(bias()?) } else { None };
    let input = if want(0) { Some(input()?) } else { None };
    Ok([input, weight, bias].into_iter().take(needs.len().max(2)).collect())
}

pub(super) fn conv(inputs: &[Value], ints: &[i64], cx: &Context<'_>) -> Result<Out> {
    let (n, all) = (ints[0] as usize, sizes(&ints[1..]));
    let (x, w, b) = (inputs[0].clone(), inputs[1].clone(), inputs.get(2).cloned());
    let (sx, sw) = (x.shape().to_vec(), w.shape().to_vec());
    let (device, precision) = (cx.device.clone(), cx.device.precision());
    let (stride, padding, dilation, groups) = (three(&all[..n], 1), three(&all[n..2 * n], 0), three(&all[2 * n..3 * n], 1), all[3 * n]);
    let shape = ConvShape {
        batch: sx[0],
        input_channels: sx[1],
        output_channels: sw[0],
        input: three(&sx[2..], 1),
        kernel: three(&sw[2..], 1),
        stride,
        padding,
        dilation,
        groups,
    };
    let size = shape.output();
    let out_shape: Vec<usize> = [sx[0], sw[0]].into_iter().chain(size[3 - n..].iter().copied()).collect();
    let bias_shape = b.as_ref().map(|b| b.shape().to_vec()).unwrap_or_default();
    if device.is_cpu() {
        let bias = b.as_ref().map(Value::host).transpose()?;
        // a sign behind it that rounding flips would change gradients, so training keeps to the fine ways
        let y = kernels::conv_forward(&shape, &x.channels_last()?, &w.host()?, bias.as_deref(), cx.training, precision);
        let x = x.kept();
        return Out::with(Value::from_channels_last(y, &out_shape), move |g, needs| {
            let dy = g.channels_last()?;
            parts(
                needs,
                || Ok(Value::from_channels_last(kernels::conv_input_grad(&shape, &dy, &w.host()?, precision), &sx)),
                || {
                    let x = x;
                    Ok(Value::from_buffer(kernels::conv_weight_grad(&shape, &x.channels_last()?, &dy, precision), &sw))
                },
                || bias_grad(g, &bias_shape, &device),
            )
        });
    }
    by_burn([x, w], b, Conv3 { stride, padding, dilation, output_padding: [0; 3], groups }, out_shape, precision, device)
}

/// A convolution by Burn's backend.
fn by_burn([x, w]: [Value; 2], b: Option<Value>, s: Conv3, out_shape: Vec<usize>, precision: Precision, device: Device) -> Result<Out> {
    let bias_shape = b.as_ref().map(|b| b.shape().to_vec()).unwrap_or_default();
    let (x5, w5, b) = (five(&x).factor(precision), five(&w).factor(precision), b.map(|b| b.factor(precision)));
    let (sx, sw) = (x.shape().to_vec(), w.shape().to_vec());
    let y = x5.conv3(&w5, b.as_ref(), &s).product(precision).reshape(&out_shape);
    Out::with(y, move |g, needs| {
        let g5 = five(g).factor(precision);
        parts(
            needs,
            || Ok(x5.conv3_input_grad(&w5, &g5, &s).product(precision).reshape(&sx)),
            || Ok(x5.conv3_weight_grad(&w5, &g5, &s).product(precision).reshape(&sw)),
            || bias_grad(g, &bias_shape, &device),
        )
    })
}

pub(super) fn conv_transpose(inputs: &[Value], ints: &[i64], cx: &Context<'_>) -> Result<Out> {
    let (n, all) = (ints[0] as usize, sizes(&ints[1..]));
    let (x, w, b) = (inputs[0].clone(), inputs[1].clone(), inputs.get(2).cloned());
    let (sx, sw) = (x.shape().to_vec(), w.shape().to_vec());
    let (device, precision) = (cx.device.clone(), cx.device.precision());
    let (stride, padding) = (three(&all[..n], 1), three(&all[n..2 * n], 0));
    let (output_padding, dilation, groups) = (three(&all[2 * n..3 * n], 0), three(&all[3 * n..4 * n], 1), all[4 * n]);
    let (kernel, small) = (three(&sw[2..], 1), three(&sx[2..], 1));
    let mut size = [0; 3];
    for a in 0..3 {
        size[a] = (small[a] - 1) * stride[a] + dilation[a] * (kernel[a] - 1) + output_padding[a] + 1 - 2 * padding[a];
    }
    // the convolution that this one transposes goes from the big side to the small one
    let shape =
        ConvShape { batch: sx[0], input_channels: sw[1] * groups, output_channels: sx[1], input: size, kernel, stride, padding, dilation, groups };
    let out_shape: Vec<usize> = [sx[0], sw[1] * groups].into_iter().chain(size[3 - n..].iter().copied()).collect();
    let bias_shape = b.as_ref().map(|b| b.shape().to_vec()).unwrap_or_default();
    if device.is_cpu() {
        let bias = b.as_ref().map(Value::host).transpose()?;
        let y = kernels::conv_transpose_forward(&shape, &x.channels_last()?, &w.host()?, bias.as_deref(), precision);
        let x = x.kept();
        return Out::with(Value::from_channels_last(y, &out_shape), move |g, needs| {
            let dy = g.channels_last()?;
            parts(
                needs,
                || Ok(Value::from_channels_last(kernels::conv_transpose_input_grad(&shape, &dy, &w.host()?, precision), &sx)),
                || {
                    let x = x;
                    Ok(Value::from_buffer(kernels::conv_transpose_weight_grad(&shape, &x.channels_last()?, &dy, precision), &sw))
                },
                || bias_grad(g, &bias_shape, &device),
            )
        });
    }
    transposed_by_burn([x, w], b, Conv3 { stride, padding, dilation, output_padding, groups }, out_shape, precision, device)
}

/// A transposed convolution by Burn's backend.
fn transposed_by_burn([x, w]: [Value; 2], b: Option<Value>, s: Conv3, out_shape: Vec<usize>, precision: Precision, device: Device) -> Result<Out> {
    let bias_shape = b.as_ref().map(|b| b.shape().to_vec()).unwrap_or_default();
    let (x5, w5, b) = (five(&x).factor(precision), five(&w).factor(precision), b.map(|b| b.factor(precision)));
    let (sx, sw) = (x.shape().to_vec(), w.shape().to_vec());
    let y = x5.conv3_transpose(&w5, b.as_ref(), &s).product(precision).reshape(&out_shape);
    Out::with(y, move |g, needs| {
        let g5 = five(g).factor(precision);
        parts(
            needs,
            || Ok(Value::conv3_transpose_input_grad(&w5, &g5, &s).product(precision).reshape(&sx)),
            || Ok(x5.conv3_transpose_weight_grad(&w5, &g5, &s).product(precision).reshape(&sw)),
            || bias_grad(g, &bias_shape, &device),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(shape: &[usize], seed: u64, device: &Device) -> Value {
        let mut random = crate::random::Random::new(seed, &[]);
        Value::from_f32((0..shape.iter().product()).map(|_| random.normal() as f32).collect(), shape, device)
    }

    /// What other devices do, done by Burn's backend for the processor.
    #[test]
    fn burn_multiplies_bf16_where_the_precision_is_mixed() {
        let device = Device::cpu();
        let s = Conv3 { stride: [2, 1, 1], padding: [1; 3], dilation: [1; 3], output_padding: [0; 3], groups: 1 };
        let (x, w, b) = (values(&[2, 3, 6, 5, 4], 1, &device), values(&[4, 3, 3, 3, 3], 2, &device), values(&[4], 3, &device));
        let wt = values(&[3, 4, 3, 3, 3], 4, &device);
        for transposed in [false, true] {
            let run = |precision| {
                let (out, g) = if transposed {
                    let out =
                        transposed_by_burn([x.clone(), wt.clone()], Some(b.clone()), s, vec![2, 4, 11, 5, 4], precision, device.clone()).unwrap();
                    (out, values(&[2, 4, 11, 5, 4], 5, &device))
                } else {
                    let out = by_burn([x.clone(), w.clone()], Some(b.clone()), s, vec![2, 4, 3, 5, 4], precision, device.clone()).unwrap();
                    (out, values(&[2, 4, 3, 5, 4], 5, &device))
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
}
