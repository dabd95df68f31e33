//! Normalisations. On the processor and on GPUs instance and group norm take two passes, the activation behind them none; else they are composed.

use super::{Context, Out, reduce::sum_axes};
use crate::{device::Device, kernels::Norm, value::Value};
use plugin_api::{Op, Result};

/// `(x - mean) / sqrt(var + eps)` over `axes`, and its way back.
struct Standard {
    normal: Value,
    rstd: Value,
    axes: Vec<usize>,
}

impl Standard {
    fn of(x: &Value, axes: &[usize], eps: f64, device: &Device) -> Result<(Self, Value, Value)> {
        let n = axes.iter().map(|&a| x.shape()[a]).product::<usize>() as f64;
        let mean = sum_axes(x, axes, device)?.scale(1.0 / n);
        let centred = x.sub(&mean);
        let variance = sum_axes(&centred.mul(&centred), axes, device)?.scale(1.0 / n);
        let rstd = variance.shift(eps).sqrt().recip();
        Ok((Standard { normal: centred.mul(&rstd), rstd, axes: axes.to_vec() }, mean, variance))
    }

    fn back(&self, g: &Value, device: &Device) -> Result<Value> {
        let n = self.axes.iter().map(|&a| g.shape()[a]).product::<usize>() as f64;
        let mean = sum_axes(g, &self.axes, device)?.scale(1.0 / n);
        let along = sum_axes(&g.mul(&self.normal), &self.axes, device)?.scale(1.0 / n);
        Ok(g.sub(&mean).sub(&self.normal.mul(&along)).mul(&self.rstd))
    }
}

/// Applies scale and shift of shape `wide`, with gradients summed over the other axes.
fn affine(standard: Standard, inputs: &[Value], wide: Vec<usize>, x_shape: Vec<usize>, inner: Vec<usize>, device: Device) -> Result<Out> {
    let axes: Vec<usize> = (0..wide.len()).filter(|&a| wide[a] == 1).collect();
    let normal = standard.normal.reshape(&x_shape);
    let scale = inputs.get(1).map(|w| w.reshape(&wide));
    let small: Vec<Vec<usize>> = inputs.iter().skip(1).map(|v| v.shape().to_vec()).collect();
    let y = match &scale {
        Some(w) => normal.mul(w).add(&inputs[2].reshape(&wide)),
        None => normal.clone(),
    };
    Out::with(y, move |g, needs| {
        let inner_grad = match &scale {
            Some(w) => g.mul(w),
            None => g.clone(),
        };
        let mut out = vec![if needs[0] { Some(standard.back(&inner_grad.reshape(&inner), &device)?.reshape(&x_shape)) } else { None }];
        if scale.is_some() {
            let total = |v: &Value, shape: &[usize]| -> Result<Value> {
                Ok(if axes.is_empty() { v.reshape(shape) } else { sum_axes(v, &axes, &device)?.reshape(shape) })
            };
            out.push(if needs[1] { Some(total(&g.mul(&normal), &small[0])?) } else { None });
            out.push(if needs[2] { Some(total(g, &small[1])?) } else { None });
        }
        Ok(out)
    })
}

fn grouped_on_cpu(inputs: &[Value], groups: usize, eps: f64, device: Device) -> Result<Out> {
    let x = inputs[0].clone();
    let shape = x.shape().to_vec();
    let (batch, channels) = (shape[0], shape[1]);
    let norm = Norm { batch, voxels: shape[2..].iter().product(), channels, groups, eps: eps as f32, slope: 1.0 };
    let scale = inputs.get(1).map(Value::to_vec).transpose()?;
    let shift = inputs.get(2).map(Value::to_vec).transpose()?;
    let stats = norm.statistics(&x.channels_last()?);
    let y = {
        let (x, stats, scale, shift, shape) = (x.channels_last()?, stats.clone(), scale.clone(), shift.clone(), shape.clone());
        let normal = move |slope| {
            let y = Norm { slope, ..norm }.forward(&x, &stats, scale.as_deref(), shift.as_deref());
            Value::from_channels_last(y, &shape)
        };
        Value::normal(inputs[0].shape(), normal)
    };
    Out::with(y, move |g, _| {
        let (g, slope) = g.behind_leaky_relu();
        let norm = Norm { slope, ..norm };
        let back = norm.backward(&x.channels_last()?, &stats, &g.channels_last()?, scale.as_deref(), shift.as_deref());
        let mut out = vec![Some(Value::from_channels_last(back.x, &shape))];
        if scale.is_some() {
            out.push(Some(Value::from_f32(back.scale, &[channels], &device)));
            out.push(Some(Value::from_f32(back.shift, &[channels], &device)));
        }
        Ok(out)
    })
}

/// By the kernels of a GPU; without scale and shift by ones and zeros.
#[cfg(feature = "gpu")]
fn grouped_on_gpu(inputs: &[Value], groups: usize, eps: f64, device: &Device) -> Result<Out> {
    let x = inputs[0].clone();
    let channels = x.shape()[1];
    let given = inputs.len() > 1;
    let [scale, shift] = [1, 2].map(|i| inputs.get(i).cloned().unwrap_or_else(|| Value::full(&[channels], f64::from(i == 1), device)));
    let stats = x.norm_statistics(groups, eps as f32);
    let y = {
        let (x, stats, scale, shift) = (x.clone(), stats.clone(), scale.clone(), shift.clone());
        Value::normal(inputs[0].shape(), move |slope| x.norm(&stats, [&scale, &shift], slope))
    };
    Out::with(y, move |g, _| {
        let (g, slope) = g.behind_leaky_relu();
        let (dx, dscale, dshift) = x.norm_grad(&stats, [&scale, &shift], &g, slope);
        let mut out = vec![Some(dx)];
        if given {
            out.extend([Some(dscale), Some(dshift)]);
        }
        Ok(out)
    })
}

/// (1, C, 1, ...)
fn per_channel(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|a| if a == 1 { shape[1] } else { 1 }).collect()
}

fn batch_norm(inputs: &[Value], floats: &[f64], cx: &Context<'_>) -> Result<Out> {
    let (x, device) = (inputs[0].clone(), cx.device.clone());
    let (eps, momentum) = (floats[0], floats[1]);
    let shape = x.shape().to_vec();
    let wide = per_channel(&shape);
    let axes: Vec<usize> = (0..shape.len()).filter(|&a| a != 1).collect();
    if !cx.training {
        let rstd = inputs[4].reshape(&wide).shift(eps).sqrt().recip();
        let normal = x.sub(&inputs[3].reshape(&wide)).mul(&rstd);
        let scale = inputs[1].reshape(&wide);
        let y = normal.mul(&scale).add(&inputs[2].reshape(&wide));
        return Out::with(y, move |g, needs| {
            let sum = |v: Value| -> Result<Value> { Ok(sum_axes(&v, &axes, &device)?.reshape(&[shape[1]])) };
            Ok(vec![
                needs[0].then(|| g.mul(&scale).mul(&rstd)),
                if needs[1] { Some(sum(g.mul(&normal))?) } else { None },
                if needs[2] { Some(sum(g.clone())?) } else { None },
                None,
                None,
            ])
        });
    }
    let (standard, mean, variance) = Standard::of(&x, &axes, eps, &device)?;
    let n = axes.iter().map(|&a| shape[a]).product::<usize>() as f64;
    let blend = |old: &Value, new: &Value| old.scale(1.0 - momentum).add(&new.reshape(old.shape()).scale(momentum));
    let updates = vec![(3, blend(&inputs[3], &mean)), (4, blend(&inputs[4], &variance.scale(n / (n - 1.0).max(1.0))))];
    let out = affine(standard, &inputs[..3], wide, shape.clone(), shape, device)?;
    let back = out.back.map(|b| -> crate::tape::Back {
        Box::new(move |g, needs| {
            let mut parts = b(g, needs)?;
            parts.extend([None, None]);
            Ok(parts)
        })
    });
    Ok(Out { back, updates, ..out })
}

pub(super) fn run(op: Op, inputs: &[Value], ints: &[i64], floats: &[f64], cx: &Context<'_>) -> Result<Out> {
    let x = &inputs[0];
    let (shape, device, eps) = (x.shape().to_vec(), cx.device.clone(), floats[0]);
    match op {
        Op::BatchNorm => batch_norm(inputs, floats, cx),
        Op::LayerNorm => {
            let k = ints[0] as usize;
            let lead = shape.len() - k;
            let axes: Vec<usize> = (lead..shape.len()).collect();
            let wide: Vec<usize> = shape.iter().enumerate().map(|(a, &n)| if a < lead { 1 } else { n }).collect();
            let (standard, ..) = Standard::of(x, &axes, eps, &device)?;
            affine(standard, inputs, wide, shape.clone(), shape, device)
        }
        _ => {
            let groups = if op == Op::InstanceNorm { shape[1] } else { ints[0] as usize };
            if device.is_cpu() {
                return grouped_on_cpu(inputs, groups, eps, device);
            }
            #[cfg(feature = "gpu")]
            if device.is_gpu() {
                return grouped_on_gpu(inputs, groups, eps, &device);
            }
            let inner = vec![shape[0], groups, shape[1..].iter().product::<usize>() / groups];
            let (standard, ..) = Standard::of(&x.reshape(&inner), &[2], eps, &device)?;
            affine(standard, inputs, per_channel(&shape), shape, inner, device)
        }
    }
}
