//! Gather, scatter, segments and one-hot.

use super::{Context, Out, sizes};
use crate::{device::Device, kernels::Middle, value::Value};
use plugin_api::{DType, Error, ErrorKind, Op, Result};
use rayon::prelude::*;

/// An index outside the axis would read foreign memory or panic deep in a backend; refuse it by value.
pub(super) fn check_range(index: &Value, below: usize, what: &str) -> Result<()> {
    let Some((low, high)) = index.bounds()? else { return Ok(()) };
    match [low, high].into_iter().find(|&i| i < 0 || i as usize >= below) {
        Some(i) => Err(Error::of(ErrorKind::Invalid, format!("{what}: index {i} is outside 0..{below}"))),
        None => Ok(()),
    }
}

pub(super) fn one_hot(labels: &Value, classes: usize, device: &Device) -> Result<Value> {
    let mut shape = labels.shape().to_vec();
    let (batch, voxels): (usize, usize) = (shape[0], shape[2..].iter().product());
    shape[1] = classes;
    if !device.is_cpu() {
        let mut along = vec![1; shape.len()];
        along[1] = classes;
        let numbers = Value::arange(0, classes as i64, 1, device).reshape(&along).expand(&shape);
        return Ok(labels.expand(&shape).compare(Op::Equal, &numbers, device).cast(DType::Float, device));
    }
    let labels = labels.to_ints()?;
    let mut out = vec![0f32; batch * classes * voxels];
    out.par_chunks_mut(voxels.max(1)).enumerate().for_each(|(row, out)| {
        let (b, c) = (row / classes, (row % classes) as i32);
        for (o, &label) in out.iter_mut().zip(&labels[b * voxels..(b + 1) * voxels]) {
            *o = f32::from(u8::from(label == c));
        }
    });
    Ok(Value::from_f32(out, &shape, device))
}

/// Sums a segment by the kernel of a GPU; a value's gradient is that of its segment.
#[cfg(feature = "gpu")]
fn segment_sum_on_gpu(x: &Value, ids: &Value, k: usize) -> Result<Out> {
    let (shape, ids) = (x.shape().to_vec(), ids.clone());
    let (batch, channels, voxels): (usize, usize, usize) = (shape[0], shape[1], shape[2..].iter().product());
    Out::with(x.segment_sums(&ids, k), move |g, _| {
        let of_rows = ids.reshape(&[batch, ids.shape()[1], voxels]).expand(&[batch, channels, voxels]);
        Ok(vec![Some(g.gather(2, &of_rows).reshape(&shape)), None])
    })
}

/// Sums a segment on the host, in f64; the same bits with any number of threads.
fn segment_sum(x: &Value, ids: &Value, k: usize, device: &Device) -> Result<Out> {
    let shape = x.shape().to_vec();
    let (batch, channels, voxels): (usize, usize, usize) = (shape[0], shape[1], shape[2..].iter().product());
    let id_channels = ids.shape()[1];
    let id_values = ids.to_ints()?;
    let row_ids = move |row: usize| {
        let (b, c) = (row / channels, row % channels);
        let at = b * id_channels + if id_channels == 1 { 0 } else { c };
        at * voxels..(at + 1) * voxels
    };
    let values = x.host()?;
    let sums: Vec<f32> = (0..batch * channels)
        .into_par_iter()
        .flat_map_iter(|row| {
            let mut sums = vec![0f64; k];
            for (&v, &id) in values[row * voxels..(row + 1) * voxels].iter().zip(&id_values[row_ids(row)]) {
                sums[id as usize] += f64::from(v);
            }
            sums.into_iter().map(|s| s as f32)
        })
        .collect();
    let device = device.clone();
    let y = Value::from_f32(sums, &[batch, channels, k], &device);
    Out::with(y, move |g, _| {
        let g = g.host()?;
        let mut dx = vec![0f32; batch * channels * voxels];
        dx.par_chunks_mut(voxels.max(1)).enumerate().for_each(|(row, dx)| {
            for (d, &id) in dx.iter_mut().zip(&id_values[row_ids(row)]) {
                *d = g[row * k + id as usize];
            }
        });
        Ok(vec![Some(Value::from_f32(dx, &shape, &device)), None])
    })
}

pub(super) fn run(op: Op, inputs: &[Value], ints: &[i64], cx: &Context<'_>) -> Result<Out> {
    let device = cx.device.clone();
    let x = inputs[0].clone();
    let shape = x.shape().to_vec();
    let axis = sizes(ints)[0];
    match op {
        Op::Gather => {
            let index = inputs[1].clone();
            check_range(&index, shape[axis], "gather")?;
            if device.is_cpu() && x.dtype() == DType::Float {
                let (around, index, picked) = (Middle::of(&shape, axis), index.to_ints()?, index.shape().to_vec());
                let y = Value::from_buffer(around.pick(&x.host()?, &index), &picked);
                return Out::with(y, move |g, _| Ok(vec![Some(Value::from_buffer(around.put(None, &g.host()?, &index), &shape)), None]));
            }
            let y = x.gather(axis, &index);
            if y.dtype() != DType::Float {
                return Out::constant(y);
            }
            Out::with(y, move |g, _| Ok(vec![Some(Value::full(&shape, 0.0, &device).scatter_add(axis, &index, g)), None]))
        }
        Op::ScatterAdd => {
            let index = inputs[1].clone();
            check_range(&index, shape[axis], "scatter-add")?;
            if device.is_cpu() {
                let (around, index, from) = (Middle::of(&shape, axis), index.to_ints()?, inputs[2].clone());
                let y = Value::from_buffer(around.put(Some(&x.host()?), &from.host()?, &index), &shape);
                return Out::with(y, move |g, _| {
                    Ok(vec![Some(g.clone()), None, Some(Value::from_buffer(around.pick(&g.host()?, &index), from.shape()))])
                });
            }
            let y = x.scatter_add(axis, &index, &inputs[2]);
            Out::with(y, move |g, _| Ok(vec![Some(g.clone()), None, Some(g.gather(axis, &index))]))
        }
        Op::IndexSelect => {
            let index = inputs[1].clone();
            check_range(&index, shape[axis], "index-select")?;
            let y = x.index_select(axis, &index);
            if y.dtype() != DType::Float {
                return Out::constant(y);
            }
            Out::with(y, move |g, _| Ok(vec![Some(Value::full(&shape, 0.0, &device).select_add(axis, &index, g)), None]))
        }
        Op::SegmentSum => {
            check_range(&inputs[1], ints[0] as usize, "segment-sum")?;
            #[cfg(feature = "gpu")]
            if device.is_gpu() {
                return segment_sum_on_gpu(&x, &inputs[1], ints[0] as usize);
            }
            segment_sum(&x, &inputs[1], ints[0] as usize, &device)
        }
        _ => {
            check_range(&x, ints[0] as usize, "one-hot")?;
            Out::constant(one_hot(&x, ints[0] as usize, &device)?)
        }
    }
}
