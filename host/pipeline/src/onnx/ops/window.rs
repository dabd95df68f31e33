//! Convolutions, pooling, resizing.

use super::{
    super::builder::{Builder, Setting},
    Call, Refused,
};
use plugin_api::Op;

/// The list of this place in ints `[n, list[..n], list[..n] ...]`.
fn list(c: &Call<'_>, place: usize) -> Vec<i64> {
    let n = usize::try_from(c.int(0)).unwrap_or(0);
    c.ints.iter().skip(1 + place * n).take(n).copied().collect()
}

/// The same on both sides of each axis.
fn both(padding: &[i64]) -> Vec<i64> {
    padding.iter().chain(padding).copied().collect()
}

fn kernel(c: &Call<'_>) -> Vec<i64> {
    c.inputs.get(1).map(|weight| weight.spatial().into_iter().map(|length| length as i64).collect()).unwrap_or_default()
}

pub(super) fn conv(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let settings = [
        ("kernel_shape", Setting::Ints(kernel(c))),
        ("strides", Setting::Ints(list(c, 0))),
        ("pads", Setting::Ints(both(&list(c, 1)))),
        ("dilations", Setting::Ints(list(c, 2))),
        ("group", Setting::Int(c.ints.last().copied().unwrap_or(1))),
    ];
    vec![b.node("Conv", &c.names(), &settings)]
}

pub(super) fn conv_transpose(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let settings = [
        ("kernel_shape", Setting::Ints(kernel(c))),
        ("strides", Setting::Ints(list(c, 0))),
        ("pads", Setting::Ints(both(&list(c, 1)))),
        ("output_padding", Setting::Ints(list(c, 2))),
        ("dilations", Setting::Ints(list(c, 3))),
        ("group", Setting::Int(c.ints.last().copied().unwrap_or(1))),
    ];
    vec![b.node("ConvTranspose", &c.names(), &settings)]
}

/// Ints `[n, kernel, stride, padding, ceil]`: kernel, stride, and the padding that makes as many windows as there are, low sides first.
fn windows(c: &Call<'_>) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let (kernel, stride, padding) = (list(c, 0), list(c, 1), list(c, 2));
    let size = |operand: Option<&super::Operand<'_>>| operand.map(|operand| operand.spatial()).unwrap_or_default();
    let (before, after) = (size(c.inputs.first()), size(Some(&c.output)));
    let high = |axis: usize| {
        let needed = (after[axis] as i64 - 1) * stride[axis] + kernel[axis] - before[axis] as i64 - padding[axis];
        needed.max(padding[axis])
    };
    let pads = padding.iter().copied().chain((0..kernel.len()).map(high)).collect();
    (kernel, stride, pads)
}

fn pooled(c: &Call<'_>, b: &mut Builder, name: &str, count_padding: Option<i64>) -> Result<Vec<String>, Refused> {
    let (kernel, stride, pads) = windows(c);
    if let Some(axis) = (0..kernel.len()).find(|&axis| pads[kernel.len() + axis] >= kernel[axis]) {
        return Err(format!("its last window along axis {} lies beyond the padding that ONNX allows", axis + 2));
    }
    let mut settings = vec![("kernel_shape", Setting::Ints(kernel)), ("strides", Setting::Ints(stride)), ("pads", Setting::Ints(pads))];
    settings.extend(count_padding.map(|count| ("count_include_pad", Setting::Int(count))));
    Ok(vec![b.node(name, &c.names(), &settings)])
}

pub(super) fn max_pool(c: &Call<'_>, b: &mut Builder) -> Result<Vec<String>, Refused> {
    pooled(c, b, "MaxPool", None)
}

pub(super) fn avg_pool(c: &Call<'_>, b: &mut Builder) -> Result<Vec<String>, Refused> {
    let count = c.ints.last().copied().unwrap_or(0);
    let (kernel, _, pads) = windows(c);
    let padding = list(c, 2);
    if count == 1 && pads[kernel.len()..] != padding[..] {
        return Err("it rounds up and counts its padding, and ONNX counts what it adds to round up, too".into());
    }
    pooled(c, b, "AveragePool", Some(count))
}

/// Where the size divides the input's, an ordinary pooling.
pub(super) fn adaptive_pool(c: &Call<'_>, b: &mut Builder) -> Result<Vec<String>, Refused> {
    let before = c.inputs.first().map(|input| input.spatial()).unwrap_or_default();
    let after = c.output.spatial();
    if let Some(axis) = (0..after.len()).find(|&axis| !before[axis].is_multiple_of(after[axis])) {
        return Err(format!("{} does not divide {} along axis {}, so its windows differ in size", after[axis], before[axis], axis + 2));
    }
    let kernel: Vec<i64> = before.iter().zip(&after).map(|(before, after)| (before / after) as i64).collect();
    let name = if c.op == Op::AdaptiveAvgPool { "AveragePool" } else { "MaxPool" };
    Ok(vec![b.node(name, &c.names(), &[("kernel_shape", Setting::Ints(kernel.clone())), ("strides", Setting::Ints(kernel))])])
}

/// Ints `[n, size, mode, align corners]`.
pub(super) fn resize(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let n = usize::try_from(c.int(0)).unwrap_or(0);
    let size = b.ints(&list(c, 0));
    let axes = Setting::Ints((2..2 + n as i64).collect());
    let (mode, place, nearest) = match (c.int(n + 1), c.int(n + 2)) {
        (0, _) => ("nearest", "asymmetric", "floor"),
        // floor((i + 1/2) scale) is the half-pixel place plus 1/2, rounded down
        (1, _) => ("nearest", "half_pixel", "round_prefer_ceil"),
        (_, 1) => ("linear", "align_corners", "floor"),
        _ => ("linear", "half_pixel", "floor"),
    };
    let settings = [
        ("axes", axes),
        ("mode", Setting::Text(mode)),
        ("coordinate_transformation_mode", Setting::Text(place)),
        ("nearest_mode", Setting::Text(nearest)),
    ];
    vec![b.node("Resize", &[c.input(0), "", "", &size], &settings)]
}
