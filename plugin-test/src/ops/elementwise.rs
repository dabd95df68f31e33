//! Operations on each value, or on two that broadcast.

use super::Call;
use crate::values::Values;
use plugin_api::{DType, Op};

/// The error function to about 1e-15: the series of Abramowitz and Stegun 7.1.6 near 0, the continued fraction 7.1.14 beyond.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a > 6.0 {
        return x.signum();
    }
    if a < 2.5 {
        let (mut term, mut sum, mut n) = (a, a, 0.0);
        while term.abs() > 1e-17 * sum.abs() {
            n += 1.0;
            term *= 2.0 * a * a / (2.0 * n + 1.0);
            sum += term;
        }
        return x.signum() * 2.0 / std::f64::consts::PI.sqrt() * (-a * a).exp() * sum;
    }
    let fraction = (1..=80).rev().fold(a, |f, k| a + f64::from(k) / 2.0 / f);
    x.signum() * (1.0 - (-a * a).exp() / fraction / std::f64::consts::PI.sqrt())
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn one(op: Op, floats: &[f64]) -> impl Fn(f64) -> f64 {
    let f = |i: usize| floats.get(i).copied().unwrap_or_default();
    let (a, b) = (f(0), f(1));
    move |x| match op {
        Op::Neg => -x,
        Op::Abs => x.abs(),
        Op::Exp => x.exp(),
        Op::Log => x.ln(),
        Op::Sqrt => x.sqrt(),
        Op::Recip => 1.0 / x,
        Op::Sin => x.sin(),
        Op::Cos => x.cos(),
        Op::Tanh => x.tanh(),
        Op::Erf => erf(x),
        Op::Sigmoid => sigmoid(x),
        Op::Relu => x.max(0.0),
        Op::Gelu => x / 2.0 * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Op::Silu => x * sigmoid(x),
        Op::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Op::Floor => x.floor(),
        Op::Round => x.round_ties_even(),
        Op::Sign if x == 0.0 => 0.0,
        Op::Sign => x.signum(),
        Op::LeakyRelu if x > 0.0 => x,
        Op::LeakyRelu => a * x,
        Op::Elu if x > 0.0 => x,
        Op::Elu => a * x.exp_m1(),
        Op::Powf => x.powf(a),
        Op::Clamp => x.max(a).min(b),
        Op::Affine => a * x + b,
        _ => x, // Detach
    }
}

fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn compare(op: Option<Op>, a: f64, b: f64) -> f64 {
    truth(match op {
        Some(Op::Equal) => a == b,
        Some(Op::NotEqual) => a != b,
        Some(Op::Greater) => a > b,
        Some(Op::GreaterEqual) => a >= b,
        Some(Op::Less) => a < b,
        _ => a <= b,
    })
}

fn two(op: Op, a: f64, b: f64) -> f64 {
    match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::Maximum => a.max(b),
        Op::Minimum => a.min(b),
        Op::Pow => a.powf(b),
        Op::And => truth(a != 0.0 && b != 0.0),
        Op::Or => truth(a != 0.0 || b != 0.0),
        other => compare(Some(other), a, b),
    }
}

pub(super) fn run(c: &Call<'_>) -> Values {
    let x = c.inputs[0];
    let number = c.op as u32;
    match c.op {
        Op::CompareScalar => {
            let which = Op::from_number(c.ints[0] as u32);
            Values { dtype: DType::Bool, ..x.map(|v| compare(which, v, c.floats[0])) }
        }
        Op::Not => x.map(|v| truth(v == 0.0)),
        Op::Where => Values::from_fn(&c.out, c.inputs[1].dtype, |i| if x.at(i) != 0.0 { c.inputs[1].at(i) } else { c.inputs[2].at(i) }),
        Op::Cast => match DType::from_number(c.ints[0] as u32) {
            DType::Int => Values { dtype: DType::Int, ..x.map(f64::trunc) },
            DType::Bool => Values { dtype: DType::Bool, ..x.map(|v| truth(v != 0.0)) },
            dtype => Values { dtype, ..x.clone() },
        },
        _ if number < 40 => x.map(one(c.op, c.floats)),
        _ => {
            let dtype = if number >= 60 { DType::Bool } else { x.dtype };
            Values::from_fn(&c.out, dtype, |i| two(c.op, x.at(i), c.inputs[1].at(i)))
        }
    }
}
