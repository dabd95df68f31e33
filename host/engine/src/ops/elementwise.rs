//! Element-wise operations.

use super::{Context, Out, reduce::sum_to};
use crate::{device::Device, shape::broadcast, value::Value};
use plugin_api::{DType, Op, Result};
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Standard normal distribution function and density.
fn normal(x: &Value) -> (Value, Value) {
    let cdf = x.scale(FRAC_1_SQRT_2).erf().scale(0.5).shift(0.5);
    let density = x.mul(x).scale(-0.5).exp().scale(1.0 / (2.0 * PI).sqrt());
    (cdf, density)
}

/// What a leaky ReLU multiplies with, told from its input or its output.
fn leaky_factor(of: &Value, slope: f64, device: &Device) -> Value {
    of.mask(Op::Greater, 0.0, device).scale(1.0 - slope).shift(slope)
}

/// Leaky ReLU: one pass with the norm before it, or on the processor one of its own. Its way back needs only the output.
fn leaky_relu(x: &Value, slope: f64, cx: &Context<'_>) -> Result<Out> {
    let device = cx.device.clone();
    let narrow = slope as f32;
    if let Some(y) = x.activated(narrow, cx.training && device.recomputes()) {
        let out = y.kept();
        return Out::single(y, move |g| {
            let behind = g.clone();
            let alone = move || {
                let out = out.fleeting();
                let kernel = if device.is_cpu() { behind.before_leaky_relu(&out, narrow).ok() } else { None };
                kernel.unwrap_or_else(|| behind.mul(&leaky_factor(&out, slope, &device)).narrowed_like(&behind))
            };
            Ok(g.through_leaky_relu(narrow, alone))
        });
    }
    if device.is_cpu() {
        let y = x.leaky_relu(narrow)?;
        let out = y.clone();
        return Out::single(y, move |g| g.before_leaky_relu(&out, narrow));
    }
    let y = x.mul(&leaky_factor(x, slope, &device)).narrowed_like(x);
    let out = y.clone();
    Out::single(y, move |g| Ok(g.mul(&leaky_factor(&out, slope, &device)).narrowed_like(g)))
}

pub(super) fn unary(op: Op, x: &Value, floats: &[f64], cx: &Context<'_>) -> Result<Out> {
    let x = x.clone();
    let device = cx.device.clone();
    match op {
        Op::Neg => Out::single(x.neg(), |g| Ok(g.neg())),
        Op::Abs => Out::single(x.abs(), move |g| Ok(g.mul(&x.sign()))),
        Op::Exp => {
            let y = x.exp();
            Out::single(y.clone(), move |g| Ok(g.mul(&y)))
        }
        Op::Log => Out::single(x.log(), move |g| Ok(g.div(&x))),
        Op::Sqrt => {
            let y = x.sqrt();
            Out::single(y.clone(), move |g| Ok(g.div(&y).scale(0.5)))
        }
        Op::Recip => {
            let y = x.recip();
            Out::single(y.clone(), move |g| Ok(g.mul(&y).mul(&y).neg()))
        }
        Op::Sin => Out::single(x.sin(), move |g| Ok(g.mul(&x.cos()))),
        Op::Cos => Out::single(x.cos(), move |g| Ok(g.mul(&x.sin()).neg())),
        Op::Tanh => {
            let y = x.tanh();
            Out::single(y.clone(), move |g| Ok(g.mul(&y.mul(&y).neg().shift(1.0))))
        }
        Op::Erf => Out::single(x.erf(), move |g| Ok(g.mul(&x.mul(&x).neg().exp()).scale(2.0 / PI.sqrt()))),
        Op::Sigmoid => {
            let y = x.sigmoid();
            Out::single(y.clone(), move |g| Ok(g.mul(&y).mul(&y.neg().shift(1.0))))
        }
        Op::Relu => leaky_relu(&x, 0.0, cx),
        Op::LeakyRelu => leaky_relu(&x, floats[0], cx),
        Op::Gelu => {
            let (cdf, density) = normal(&x);
            Out::single(x.mul(&cdf), move |g| Ok(g.mul(&cdf.add(&x.mul(&density)))))
        }
        Op::Silu => {
            let s = x.sigmoid();
            Out::single(x.mul(&s), move |g| Ok(g.mul(&s.add(&x.mul(&s).mul(&s.neg().shift(1.0))))))
        }
        // max(x, 0) + log(1 + e^-|x|)
        Op::Softplus => Out::single(x.clamp(0.0, f64::INFINITY).add(&x.abs().neg().exp().log1p()), move |g| Ok(g.mul(&x.sigmoid()))),
        Op::Floor => Out::constant(x.floor()),
        Op::Round => Out::constant(x.round()),
        Op::Sign => Out::constant(x.sign()),
        Op::Detach => Out::constant(x),
        Op::Elu => {
            let alpha = floats[0];
            let positive = x.mask(Op::Greater, 0.0, &device);
            let below = x.clamp(f64::NEG_INFINITY, 0.0).exp();
            let y = x.clamp(0.0, f64::INFINITY).add(&below.shift(-1.0).scale(alpha));
            Out::single(y, move |g| Ok(g.mul(&positive.add(&below.scale(alpha).mul(&positive.neg().shift(1.0))))))
        }
        Op::Powf => {
            let p = floats[0];
            Out::single(x.powf(p), move |g| Ok(if p == 0.0 { g.scale(0.0) } else { g.mul(&x.powf(p - 1.0)).scale(p) }))
        }
        Op::Clamp => {
            let (low, high) = (floats[0], floats[1]);
            Out::single(x.clamp(low, high), move |g| Ok(g.mul(&x.mask(Op::GreaterEqual, low, &device)).mul(&x.mask(Op::LessEqual, high, &device))))
        }
        _ => {
            let (scale, shift) = (floats[0], floats[1]);
            let scaled = if scale == 1.0 { x } else { x.scale(scale) };
            Out::single(if shift == 0.0 { scaled } else { scaled.shift(shift) }, move |g| Ok(if scale == 1.0 { g.clone() } else { g.scale(scale) }))
        }
    }
}

pub(super) fn binary(op: Op, a: &Value, b: &Value, cx: &Context<'_>) -> Result<Out> {
    let device = cx.device.clone();
    if a.dtype() == DType::Int {
        let shape = broadcast(a.shape(), b.shape());
        return Out::constant(a.expand(&shape).int_binary(op, &b.expand(&shape)));
    }
    let (sa, sb) = (a.shape().to_vec(), b.shape().to_vec());
    let (a, b) = if sa.len() == sb.len() {
        (a.clone(), b.clone())
    } else {
        let shape = broadcast(&sa, &sb);
        (a.expand(&shape), b.expand(&shape))
    };
    // gradients of the broadcast operands, summed back to each one's own shape
    let back = move |needs: &[bool], ga: &dyn Fn() -> Value, gb: &dyn Fn() -> Value| -> Result<Vec<Option<Value>>> {
        let left = if needs[0] { Some(sum_to(&ga(), &sa, &device)?) } else { None };
        let right = if needs[1] { Some(sum_to(&gb(), &sb, &device)?) } else { None };
        Ok(vec![left, right])
    };
    match op {
        Op::Add => Out::with(a.add(&b), move |g, n| back(n, &|| g.clone(), &|| g.clone())),
        Op::Sub => Out::with(a.sub(&b), move |g, n| back(n, &|| g.clone(), &|| g.neg())),
        Op::Mul => Out::with(a.mul(&b), move |g, n| back(n, &|| g.mul(&b), &|| g.mul(&a))),
        Op::Div => Out::with(a.div(&b), move |g, n| back(n, &|| g.div(&b), &|| g.mul(&a).div(&b).div(&b).neg())),
        Op::Pow => {
            let (y, device) = (a.pow(&b), cx.device.clone());
            Out::with(y.clone(), move |g, n| {
                // as in PyTorch, a power 0 has no gradient for the base, and a base 0 none for a power from 0 up
                let lower = || b.shift(-1.0).add(&b.mask(Op::Equal, 0.0, &device));
                let nought = || a.mask(Op::Equal, 0.0, &device).mul(&b.mask(Op::GreaterEqual, 0.0, &device));
                back(n, &|| g.mul(&b).mul(&a.pow(&lower())), &|| g.mul(&y).mul(&a.add(&nought()).log()))
            })
        }
        _ => {
            let shape = broadcast(a.shape(), b.shape());
            let (wide_a, wide_b) = (a.expand(&shape), b.expand(&shape));
            let pick = if op == Op::Maximum { Op::GreaterEqual } else { Op::LessEqual };
            let first = wide_a.compare(pick, &wide_b, cx.device);
            let y = wide_a.where_mask(&first, &wide_b);
            let mask = first.cast(DType::Float, cx.device);
            Out::with(y, move |g, n| back(n, &|| g.mul(&mask), &|| g.mul(&mask.neg().shift(1.0))))
        }
    }
}

pub(super) fn logic(op: Op, inputs: &[Value], ints: &[i64], floats: &[f64], cx: &Context<'_>) -> Result<Out> {
    let wide = |a: &Value, b: &Value| {
        let shape = broadcast(a.shape(), b.shape());
        (a.expand(&shape), b.expand(&shape))
    };
    match op {
        Op::CompareScalar => {
            let which = Op::from_number(ints[0] as u32).unwrap_or(Op::Equal);
            Out::constant(inputs[0].compare_scalar(which, floats[0], cx.device))
        }
        Op::Not => Out::constant(inputs[0].bool_not()),
        Op::And | Op::Or => {
            let (a, b) = wide(&inputs[0], &inputs[1]);
            Out::constant(if op == Op::And { a.bool_and(&b) } else { a.bool_or(&b) })
        }
        Op::Cast => {
            let to = DType::from_number(ints[0] as u32);
            let same = inputs[0].dtype() == to;
            let y = inputs[0].cast(to, cx.device);
            if same { Out::single(y, |g| Ok(g.clone())) } else { Out::constant(y) }
        }
        Op::Where => {
            let shape = broadcast(&broadcast(inputs[0].shape(), inputs[1].shape()), inputs[2].shape());
            let mask = inputs[0].expand(&shape);
            let y = inputs[1].expand(&shape).where_mask(&mask, &inputs[2].expand(&shape));
            if y.dtype() != DType::Float {
                return Out::constant(y);
            }
            let (sa, sb, device) = (inputs[1].shape().to_vec(), inputs[2].shape().to_vec(), cx.device.clone());
            let mask = mask.cast(DType::Float, cx.device);
            Out::with(y, move |g, needs| {
                let left = if needs[1] { Some(sum_to(&g.mul(&mask), &sa, &device)?) } else { None };
                let right = if needs[2] { Some(sum_to(&g.mul(&mask.neg().shift(1.0)), &sb, &device)?) } else { None };
                Ok(vec![None, left, right])
            })
        }
        _ => {
            let (a, b) = wide(&inputs[0], &inputs[1]);
            Out::constant(a.compare(op, &b, cx.device))
        }
    }
}
