//! Operations that move values, and tensors from nothing.

use super::{
    super::{
        builder::{Builder, Setting},
        shapes::Dim,
    },
    Call, Operand,
};
use plugin_api::DType;

/// A reshape to the shape of `like`; -1 stands for an axis that grows with the batch, if it is the only one.
pub(super) fn to_shape(name: &str, like: &Operand<'_>, b: &mut Builder) -> String {
    let lengths: Vec<i64> = like.dims.iter().map(|dim| if let Dim::Fixed(length) = dim { *length as i64 } else { -1 }).collect();
    let open = lengths.iter().filter(|&&length| length == -1).count();
    let shape = if open > 1 { b.shape(like.dims) } else { b.ints(&lengths) };
    b.node("Reshape", &[name, &shape], &[])
}

pub(super) fn reshape(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    vec![to_shape(c.input(0), &c.output, b)]
}

/// Ints `[axis, start, end, step]`.
pub(super) fn slice(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let [start, end, axis, step] = [1, 2, 0, 3].map(|place| b.ints(&[c.int(place)]));
    vec![b.node("Slice", &[c.input(0), &start, &end, &axis, &step], &[])]
}

/// Ints `[mode, low, high an axis]`; ONNX wants all low ones first.
pub(super) fn pad(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let pairs = c.ints.get(1..).unwrap_or_default();
    let amounts: Vec<i64> = pairs.iter().step_by(2).chain(pairs.iter().skip(1).step_by(2)).copied().collect();
    let (amounts, value) = (b.ints(&amounts), b.number(c.float(0)));
    match c.int(0) {
        1 => vec![b.node("Pad", &[c.input(0), &amounts], &[("mode", Setting::Text("reflect"))])],
        2 => vec![b.node("Pad", &[c.input(0), &amounts], &[("mode", Setting::Text("edge"))])],
        _ => vec![b.node("Pad", &[c.input(0), &amounts, &value], &[])],
    }
}

pub(super) fn expand(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let shape = b.shape(c.output.dims);
    vec![b.node("Expand", &[c.input(0), &shape], &[])]
}

/// A slice that runs backwards.
pub(super) fn flip(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let n = c.ints.len();
    let (start, end, steps) = (b.ints(&vec![-1; n]), b.ints(&vec![i64::MIN; n]), b.ints(&vec![-1; n]));
    let axes = b.ints(c.ints);
    vec![b.node("Slice", &[c.input(0), &start, &end, &axes, &steps], &[])]
}

pub(super) fn scatter_add(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    vec![b.node("ScatterElements", &c.names(), &[("axis", Setting::Int(c.int(0))), ("reduction", Setting::Text("add"))])]
}

/// Labels (B, 1, spatial...) to (B, classes, spatial...).
pub(super) fn one_hot(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let (axis, depth, values) = (b.ints(&[1]), b.integers(&[], &[c.int(0)]), b.floats(&[2], &[0.0, 1.0]));
    let labels = b.node("Squeeze", &[c.input(0), &axis], &[]);
    vec![b.node("OneHot", &[&labels, &depth, &values], &[("axis", Setting::Int(1))])]
}

/// One number everywhere.
pub(super) fn full(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let value = match c.output.dtype {
        DType::Int => b.integers(&[], &[c.float(0) as i64]),
        DType::Bool => {
            let (x, zero) = (b.number(c.float(0)), b.number(0.0));
            let equal = b.node("Equal", &[&x, &zero], &[]);
            b.node("Not", &[&equal], &[])
        }
        _ => b.number(c.float(0)),
    };
    let shape = b.shape(c.output.dims);
    vec![b.node("Expand", &[&value, &shape], &[])]
}

pub(super) fn arange(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let [start, end, step] = [0, 1, 2].map(|place| c.int(place));
    let values: Vec<i64> = (start..end).step_by(usize::try_from(step).unwrap_or(1).max(1)).collect();
    let name = b.ints(&values);
    vec![b.node("Identity", &[&name], &[])]
}
