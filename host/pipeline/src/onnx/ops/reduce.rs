//! Reductions and running sums.

use super::{
    super::builder::{Builder, Setting},
    Call,
};
use plugin_api::Op;

/// Ints `[keep, axes...]`.
pub(super) fn axes(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let name = match c.op {
        Op::Sum => "ReduceSum",
        Op::Mean => "ReduceMean",
        Op::Max => "ReduceMax",
        _ => "ReduceMin",
    };
    let rank = c.inputs.first().map_or(0, |input| input.dims.len());
    let axes = c.ints.get(1..).unwrap_or_default();
    // of a reduction over everything one axis is left
    let all = axes.is_empty() || axes.len() == rank;
    if all && c.output.dims.len() != rank {
        let whole = b.node(name, &[c.input(0)], &[("keepdims", Setting::Int(0))]);
        let one = b.ints(&[1]);
        return vec![b.node("Reshape", &[&whole, &one], &[])];
    }
    let keep = c.output.dims.len() == rank;
    let list = if axes.is_empty() { (0..rank as i64).collect() } else { axes.to_vec() };
    let list = b.ints(&list);
    vec![b.node(name, &[c.input(0), &list], &[("keepdims", Setting::Int(i64::from(keep)))])]
}

pub(super) fn argmax(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    vec![b.node("ArgMax", &c.names(), &[("axis", Setting::Int(c.int(0))), ("keepdims", Setting::Int(1))])]
}

/// Values and indices.
pub(super) fn topk(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let k = b.ints(&[c.int(0)]);
    b.nodes_of("TopK", &[c.input(0), &k], &[("axis", Setting::Int(c.int(1)))], 2)
}

pub(super) fn cumsum(c: &Call<'_>, b: &mut Builder) -> Vec<String> {
    let axis = b.integers(&[], &[c.int(0)]);
    vec![b.node("CumSum", &[c.input(0), &axis], &[])]
}
