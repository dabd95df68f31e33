//! Operations on single values.

use super::{
    super::builder::{Builder, Setting, element},
    Call, Refused,
};
use plugin_api::{DType, Op};

/// ONNX has the very operation, with the same inputs and no settings.
pub(super) fn same_name(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let name = match c.op {
        Op::Recip => "Reciprocal",
        Op::Detach | Op::Dropout => "Identity",
        Op::Maximum => "Max",
        Op::Minimum => "Min",
        Op::GreaterEqual => "GreaterOrEqual",
        Op::LessEqual => "LessOrEqual",
        other => other.name(),
    };
    c.plain(b, name)
}

/// `x/2 (1 + erf(x/sqrt 2))`: ONNX has it from opset 20 on.
pub(super) fn gelu(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let (root, one, half) = (b.number(std::f64::consts::FRAC_1_SQRT_2), b.number(1.0), b.number(0.5));
    let scaled = b.node("Mul", &[c.input(0), &root], &[]);
    let erf = b.node("Erf", &[&scaled], &[]);
    let shifted = b.node("Add", &[&erf, &one], &[]);
    let halved = b.node("Mul", &[c.input(0), &half], &[]);
    vec![b.node("Mul", &[&halved, &shifted], &[])]
}

pub(super) fn silu(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let sigmoid = b.node("Sigmoid", &[c.input(0)], &[]);
    vec![b.node("Mul", &[c.input(0), &sigmoid], &[])]
}

pub(super) fn with_alpha(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    vec![b.node(c.op.name(), &c.names(), &[("alpha", Setting::Float(c.float(0)))])]
}

pub(super) fn powf(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let exponent = b.number(c.float(0));
    vec![b.node("Pow", &[c.input(0), &exponent], &[])]
}

pub(super) fn clamp(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let (low, high) = (b.number(c.float(0)), b.number(c.float(1)));
    vec![b.node("Clip", &[c.input(0), &low, &high], &[])]
}

/// `scale x + shift`, of floats or integers.
pub(super) fn affine(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let (scale, shift) = (scalar(c, b, c.float(0)), scalar(c, b, c.float(1)));
    let scaled = if c.float(0) == 1.0 { c.input(0).to_owned() } else { b.node("Mul", &[c.input(0), &scale], &[]) };
    vec![b.node("Add", &[&scaled, &shift], &[])]
}

/// A number of the type of the first input.
fn scalar(c: &Call<'_>, b: &mut Builder, value: f64) -> String {
    match c.inputs.first().map(|input| input.dtype) {
        Some(DType::Int) => b.integers(&[], &[value as i64]),
        _ => b.number(value),
    }
}

pub(super) fn not_equal(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let equal = b.node("Equal", &c.names(), &[]);
    vec![b.node("Not", &[&equal], &[])]
}

pub(super) fn compare_scalar(c: &Call<'_>, b: &mut Builder) -> Result<Vec<String>, Refused> {
    // integers are compared as numbers, too: 2 < 2.5
    let x = match c.inputs.first().map(|input| input.dtype) {
        Some(DType::Float) => c.input(0).to_owned(),
        _ => b.node("Cast", &[c.input(0)], &[("to", Setting::Int(i64::from(element(DType::Float))))]),
    };
    let value = b.number(c.float(0));
    let op = u32::try_from(c.int(0)).ok().and_then(Op::from_number);
    let name = match op {
        Some(Op::Equal | Op::NotEqual) => "Equal",
        Some(Op::Greater) => "Greater",
        Some(Op::GreaterEqual) => "GreaterOrEqual",
        Some(Op::Less) => "Less",
        Some(Op::LessEqual) => "LessOrEqual",
        _ => return Err(format!("it names comparison {}, which there is not", c.int(0))),
    };
    let compared = b.node(name, &[&x, &value], &[]);
    Ok(vec![if op == Some(Op::NotEqual) { b.node("Not", &[&compared], &[]) } else { compared }])
}

pub(super) fn cast(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    vec![b.node("Cast", &c.names(), &[("to", Setting::Int(i64::from(element(c.output.dtype))))])]
}
