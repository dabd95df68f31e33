//! Normalisations.

use super::{
    super::builder::{Builder, Setting},
    Call,
    layout::to_shape,
};

fn eps(c: &Call<'_>) -> (&'static str, Setting<'static>) {
    ("epsilon", Setting::Float(c.float(0)))
}

/// Scale 1 and shift 0 of `channels`, which ONNX asks for.
fn neutral(channels: usize, b: &mut Builder) -> [String; 2] {
    [1.0, 0.0].map(|value| b.floats(&[channels], &vec![value; channels]))
}

pub(super) fn instance_norm(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let [scale, shift] = match c.inputs.as_slice() {
        [_, scale, shift] => [scale.name.to_owned(), shift.name.to_owned()],
        _ => neutral(c.output.length(1), b),
    };
    vec![b.node("InstanceNormalization", &[c.input(0), &scale, &shift], &[eps(c)])]
}

/// Running statistics: a file is for prediction.
pub(super) fn batch_norm(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    vec![b.node("BatchNormalization", &c.names(), &[eps(c)])]
}

/// As instance norm over groups; scale and shift come after it.
pub(super) fn group_norm(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let groups = usize::try_from(c.int(0)).unwrap_or(1);
    let grouped = b.ints(&[0, groups as i64, -1]);
    let x = b.node("Reshape", &[c.input(0), &grouped], &[]);
    let [scale, shift] = neutral(groups, b);
    let normal = b.node("InstanceNormalization", &[&x, &scale, &shift], &[eps(c)]);
    let normal = to_shape(&normal, &c.output, b);
    let [_, scale, shift] = c.inputs.as_slice() else { return vec![normal] };
    let wide: Vec<i64> = (1..c.output.dims.len()).map(|axis| if axis == 1 { c.output.length(1) as i64 } else { 1 }).collect();
    let wide = b.ints(&wide);
    let [scale, shift] = [scale.name, shift.name].map(|name| b.node("Reshape", &[name, &wide], &[]));
    let scaled = b.node("Mul", &[&normal, &scale], &[]);
    vec![b.node("Add", &[&scaled, &shift], &[])]
}

/// Ints `[k]`: over the last k axes.
pub(super) fn layer_norm(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let first = c.output.dims.len().saturating_sub(usize::try_from(c.int(0)).unwrap_or(1));
    let lengths: Vec<usize> = (first..c.output.dims.len()).map(|axis| c.output.length(axis)).collect();
    let ones = b.floats(&lengths, &vec![1.0; lengths.iter().product()]);
    let names = match c.inputs.as_slice() {
        [x, scale, shift] => vec![x.name, scale.name, shift.name],
        _ => vec![c.input(0), ones.as_str()],
    };
    vec![b.node("LayerNormalization", &names, &[eps(c), ("axis", Setting::Int(first as i64))])]
}
