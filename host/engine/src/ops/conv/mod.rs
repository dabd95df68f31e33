//! Convolutions: our kernels on the processor, Burn's elsewhere.

mod adjoint;
mod by_burn;
mod taps;

use super::{Context, Out, reduce::sum_axes, sizes, three};
use crate::{
    device::Device,
    kernels::{self, Cells, ConvShape},
    value::{Conv3, Value, Voxels},
};
use plugin_api::Result;

/// Values to test with.
#[cfg(test)]
fn values(shape: &[usize], seed: u64) -> Value {
    let mut random = crate::random::Random::new(seed, &[]);
    Value::from_f32((0..shape.iter().product()).map(|_| random.normal() as f32).collect(), shape, &Device::cpu())
}

fn cells(pieces: &[Voxels]) -> Vec<Cells<'_>> {
    pieces.iter().map(Voxels::cells).collect()
}

fn bias_grad(g: &Value, shape: &[usize], device: &Device) -> Result<Value> {
    if device.is_cpu() {
        return Ok(Value::from_f32(kernels::bias_grad(&g.channels_last()?, g.shape()[1]), shape, device));
    }
    #[cfg(feature = "gpu")]
    if device.is_gpu() {
        return Ok(g.sums_of_channels().reshape(shape));
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
        let y = kernels::conv_forward(&shape, &cells(&x.pieces()?), &w.host()?, bias.as_deref(), cx.training, precision);
        let x = x.kept();
        return Out::with(Value::from_channels_last(y, &out_shape), move |g, needs| {
            let dy = g.channels_last()?;
            parts(
                needs,
                || Ok(Value::from_channels_last(kernels::conv_input_grad(&shape, &dy, &w.host()?, precision), &sx)),
                || {
                    let x = x;
                    Ok(Value::from_buffer(kernels::conv_weight_grad(&shape, &cells(&x.pieces()?), &dy, precision), &sw))
                },
                || bias_grad(g, &bias_shape, &device),
            )
        });
    }
    by_burn::conv([x, w], b, Conv3 { stride, padding, dilation, output_padding: [0; 3], groups }, out_shape, precision, device)
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
    by_burn::conv_transpose([x, w], b, Conv3 { stride, padding, dilation, output_padding, groups }, out_shape, precision, device)
}
