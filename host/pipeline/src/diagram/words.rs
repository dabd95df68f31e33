//! What a layer is called.

use engine::shape::{Node, NodeKind, Trace};
use plugin_api::Op;

/// `3×3×3`
pub(super) fn size(lengths: &[usize]) -> String {
    lengths.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
}

/// `31.2 M`
pub(super) fn count(number: u64) -> String {
    match number as f64 {
        n if n < 1e3 => format!("{number}"),
        n if n < 1e6 => format!("{:.1} k", n / 1e3),
        n => format!("{:.1} M", n / 1e6),
    }
}

/// `n` integers of an operation that starts with their number: the list of this place.
fn list(node: &Node, place: usize) -> Vec<usize> {
    let n = node.ints.first().map_or(0, |&n| usize::try_from(n).unwrap_or(0));
    node.ints.iter().skip(1 + place * n).take(n).map(|&v| usize::try_from(v).unwrap_or(0)).collect()
}

/// `, stride 2`; nothing where it is 1.
fn stride(lengths: &[usize]) -> String {
    match lengths.split_first() {
        Some((first, rest)) if rest.iter().all(|length| length == first) && *first == 1 => String::new(),
        Some((first, rest)) if rest.iter().all(|length| length == first) => format!(", stride {first}"),
        _ => format!(", stride {}", size(lengths)),
    }
}

fn groups(groups: Option<&i64>, channels: usize) -> String {
    match groups {
        Some(&groups) if groups > 1 && usize::try_from(groups) == Ok(channels) => ", depthwise".into(),
        Some(&groups) if groups > 1 => format!(", {groups} groups"),
        _ => String::new(),
    }
}

/// An operation as a reader knows it.
pub(super) fn word(node: &Node, trace: &Trace) -> String {
    let op = match &node.kind {
        NodeKind::Op(op) => *op,
        NodeKind::Custom(name) => return name.clone(),
    };
    let shape = |place: usize| node.inputs.get(place).map_or(&[][..], |&value| &trace.values[value].info.shape);
    let kernel = || shape(1).get(2..).map(size).unwrap_or_default();
    let channels = shape(0).get(1).copied().unwrap_or(0);
    match op {
        Op::Conv => format!("conv {}{}{}", kernel(), stride(&list(node, 0)), groups(node.ints.last(), channels)),
        Op::ConvTranspose => format!("transposed conv {}{}{}", kernel(), stride(&list(node, 0)), groups(node.ints.last(), channels)),
        Op::MaxPool | Op::AvgPool => {
            format!("{} pool {}{}", if op == Op::MaxPool { "max" } else { "mean" }, size(&list(node, 0)), stride(&list(node, 1)))
        }
        Op::AdaptiveAvgPool => "mean pool".into(),
        Op::AdaptiveMaxPool => "max pool".into(),
        Op::Resize => match node.ints.get(node.ints.len().wrapping_sub(2)) {
            Some(2) => "linear resize".into(),
            _ => "nearest resize".into(),
        },
        Op::InstanceNorm => "instance norm".into(),
        Op::BatchNorm => "batch norm".into(),
        Op::GroupNorm => format!("group norm {}", node.ints.first().unwrap_or(&0)),
        Op::LayerNorm => "layer norm".into(),
        Op::LeakyRelu => "leaky ReLU".into(),
        Op::Relu => "ReLU".into(),
        Op::Gelu => "GELU".into(),
        Op::Silu => "SiLU".into(),
        Op::Elu => "ELU".into(),
        Op::MatMul => "matrix product".into(),
        Op::LogSoftmax => "log softmax".into(),
        Op::ClassSums => "class sums".into(),
        Op::Mul => "multiply".into(),
        other => other.name().to_lowercase(),
    }
}
