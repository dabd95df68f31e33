//! Tensors from nothing, and dropout.

use super::{Context, Out, sizes};
use crate::value::Value;
use plugin_api::{DType, Op, Result};

/// The largest f32 of low..high: as f32, a number below `high` may be `high` itself.
fn last_below(low: f64, high: f64) -> f32 {
    let nearest = high as f32;
    let below = if f64::from(nearest) < high { nearest } else { nearest.next_down() };
    below.max(low as f32)
}

pub(super) fn run(op: Op, ints: &[i64], floats: &[f64], cx: &Context<'_>) -> Result<Out> {
    let device = cx.device;
    let value = match op {
        Op::Full => {
            let dtype = DType::from_number(ints[0] as u32);
            let shape = sizes(&ints[1..]);
            match dtype {
                DType::Int => Value::from_i32(vec![floats[0] as i32; shape.iter().product()], &shape, device),
                other => Value::full(&shape, floats[0], device).cast(other, device),
            }
        }
        Op::Arange => Value::arange(ints[0], ints[1], ints[2] as usize, device),
        _ => {
            let shape = sizes(ints);
            let n = shape.iter().product();
            let mut random = cx.random.borrow_mut();
            let data: Vec<f32> = if op == Op::RandUniform {
                let last = last_below(floats[0], floats[1]);
                (0..n).map(|_| ((floats[0] + (floats[1] - floats[0]) * random.uniform()) as f32).min(last)).collect()
            } else {
                (0..n).map(|_| (floats[0] + floats[1] * random.normal()) as f32).collect()
            };
            Value::from_f32(data, &shape, device)
        }
    };
    Out::constant(value)
}

pub(super) fn dropout(x: &Value, whole_channels: bool, p: f64, cx: &Context<'_>) -> Result<Out> {
    if !cx.training || p == 0.0 {
        return Out::single(x.clone(), |g| Ok(g.clone()));
    }
    let shape: Vec<usize> = x.shape().iter().enumerate().map(|(a, &n)| if whole_channels && a > 1 { 1 } else { n }).collect();
    let keep = (1.0 / (1.0 - p)) as f32;
    let mut random = cx.random.borrow_mut();
    let mask: Vec<f32> = (0..shape.iter().product()).map(|_| if random.uniform() < p { 0.0 } else { keep }).collect();
    let mask = Value::from_f32(mask, &shape, cx.device);
    Out::single(x.mul(&mask), move |g| Ok(g.mul(&mask)))
}
