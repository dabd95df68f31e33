//! Which lengths of a network's tensors grow with the batch.

use engine::shape::{Node, NodeKind, Trace, ValueKind};
use plugin_api::Op;

/// The length of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dim {
    /// Whatever the batch is.
    Fixed(usize),
    /// So many for each sample.
    PerSample(usize),
}

/// The two batches that are compared.
pub(super) const BATCHES: [usize; 2] = [2, 3];

/// The shapes of all values of a trace of one batch.
pub(super) fn fixed(trace: &Trace) -> Vec<Vec<Dim>> {
    trace.values.iter().map(|value| value.info.shape.iter().map(|&length| Dim::Fixed(length)).collect()).collect()
}

/// The shapes of all values of two traces of [`BATCHES`]; none where the network does not do the same for both.
pub(super) fn open([a, b]: [&Trace; 2]) -> Option<Vec<Vec<Dim>>> {
    let same = a.values.len() == b.values.len() && a.nodes.len() == b.nodes.len() && a.output_values == b.output_values;
    let shapes = same.then(|| (0..a.values.len()).map(|value| axes(a, b, value)).collect::<Option<Vec<_>>>())??;
    (a.nodes.iter().zip(&b.nodes).all(|(x, y)| alike(x, y))).then_some(shapes)
}

fn axes(a: &Trace, b: &Trace, value: usize) -> Option<Vec<Dim>> {
    let (x, y) = (&a.values[value], &b.values[value]);
    let pairs = x.info.shape.iter().zip(&y.info.shape);
    let dims: Option<Vec<Dim>> = pairs
        .map(|(&x, &y)| match x {
            x if x == y => Some(Dim::Fixed(x)),
            x if x % BATCHES[0] == 0 && x / BATCHES[0] * BATCHES[1] == y => Some(Dim::PerSample(x / BATCHES[0])),
            _ => None,
        })
        .collect();
    let input = matches!(x.kind, ValueKind::Result | ValueKind::Input { .. });
    dims.filter(|dims| {
        x.kind == y.kind
            && x.info.dtype == y.info.dtype
            && x.info.shape.len() == y.info.shape.len()
            && (input || !dims.iter().any(|dim| matches!(dim, Dim::PerSample(_))))
            && (x.kind != ValueKind::Constant || a.constants.get(&value) == b.constants.get(&value))
    })
}

/// Whether two operations are the same but for the lengths that they are told.
fn alike(x: &Node, y: &Node) -> bool {
    let told = matches!(x.kind, NodeKind::Op(Op::Reshape | Op::Expand | Op::Full));
    x.kind == y.kind && x.inputs == y.inputs && x.outputs == y.outputs && x.floats == y.floats && (told || x.ints == y.ints)
}
