//! From operations to layers.

use super::words::word;
use engine::shape::{Node, NodeKind, Trace, ValueKind};
use plugin_api::Op;
use std::collections::BTreeSet;

/// What colour a layer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Input,
    Conv,
    Up,
    Pool,
    Join,
    Other,
}

/// A layer: an operation with the norms, activations and moves that follow it.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) kind: Kind,
    /// Its operations, in order.
    pub(super) words: Vec<String>,
    /// The layers' names of its parameters.
    pub(super) names: BTreeSet<String>,
    /// What comes out: (B, C, spatial...) mostly.
    pub(super) shape: Vec<usize>,
    /// Numbers in its trainable parameters.
    pub(super) parameters: u64,
    /// The layers that it takes, by place.
    pub(super) from: Vec<usize>,
    /// The head of this number.
    pub(super) head: Option<usize>,
    /// Spatial lengths; of tokens those of the image that they come from.
    pub(super) spatial: Vec<usize>,
}

/// Where a value comes from: a layer; or parameters and constants alone, whose places these are.
#[derive(Clone)]
enum Source {
    Layer(usize),
    Parameters(Vec<usize>),
}

/// The layers of a trace, each behind those that it takes.
pub(super) fn layers(trace: &Trace) -> Vec<Layer> {
    let mut consumers = vec![0usize; trace.values.len()];
    trace.nodes.iter().flat_map(|node| &node.inputs).chain(&trace.output_values).for_each(|&value| consumers[value] += 1);
    let mut layers: Vec<Layer> = Vec::new();
    let mut sources: Vec<Source> = Vec::with_capacity(trace.values.len());
    let mut counted = vec![false; trace.parameters.len()];
    let dims = trace.inputs.first().map_or(0, Vec::len);
    for value in &trace.values {
        sources.push(match value.kind {
            ValueKind::Parameter(place) => Source::Parameters(vec![place]),
            ValueKind::Input { .. } => {
                let (shape, spatial) = (value.info.shape.clone(), value.info.shape.get(2..).unwrap_or_default().to_vec());
                layers.push(Layer {
                    kind: Kind::Input,
                    words: vec!["input".into()],
                    names: BTreeSet::new(),
                    shape,
                    parameters: 0,
                    from: Vec::new(),
                    head: None,
                    spatial,
                });
                Source::Layer(layers.len() - 1)
            }
            _ => Source::Parameters(Vec::new()),
        });
    }
    for node in &trace.nodes {
        let mut parameters = Vec::new();
        let mut from: Vec<usize> = Vec::new();
        for &input in &node.inputs {
            match &sources[input] {
                Source::Layer(layer) if !from.contains(layer) => from.push(*layer),
                Source::Layer(_) => {}
                Source::Parameters(places) => parameters.extend(places),
            }
        }
        let source = if from.is_empty() {
            // a table that the network makes for itself
            Source::Parameters(parameters)
        } else {
            let follows = match (from.as_slice(), node.inputs.first()) {
                (&[only], Some(&input)) => consumers[input] == 1 && layers[only].kind != Kind::Input && follows(node, trace),
                _ => false,
            };
            let place = if follows { from[0] } else { layers.len() };
            if !follows {
                let spatial = from.iter().map(|&layer| layers[layer].spatial.clone()).next_back().unwrap_or_default();
                layers.push(Layer {
                    kind: kind(node),
                    words: Vec::new(),
                    names: BTreeSet::new(),
                    shape: Vec::new(),
                    parameters: 0,
                    from,
                    head: None,
                    spatial,
                });
            }
            let layer = &mut layers[place];
            layer.words.push(word(node, trace));
            for parameter in parameters {
                let info = &trace.parameters[parameter];
                layer.names.insert(info.name.rsplit_once('.').map_or(info.name.as_str(), |(layer, _)| layer).to_owned());
                if info.trainable && !std::mem::replace(&mut counted[parameter], true) {
                    layer.parameters += info.shape.iter().map(|&n| n as u64).product::<u64>();
                }
            }
            if let Some(&output) = node.outputs.first() {
                layer.shape.clone_from(&trace.values[output].info.shape);
                if layer.shape.len() == dims {
                    layer.spatial = layer.shape.get(2..).unwrap_or_default().to_vec();
                }
            }
            Source::Layer(place)
        };
        node.outputs.iter().for_each(|&output| sources[output] = source.clone());
    }
    for (head, &output) in trace.output_values.iter().enumerate() {
        if let Source::Layer(layer) = sources[output] {
            layers[layer].head.get_or_insert(head);
        }
    }
    layers
}

fn kind(node: &Node) -> Kind {
    match node.kind {
        NodeKind::Op(Op::Conv | Op::MatMul) => Kind::Conv,
        NodeKind::Op(Op::ConvTranspose | Op::Resize) => Kind::Up,
        NodeKind::Op(Op::MaxPool | Op::AvgPool | Op::AdaptiveAvgPool | Op::AdaptiveMaxPool) => Kind::Pool,
        NodeKind::Op(Op::Concat | Op::Add | Op::Sub | Op::Mul | Op::Maximum) => Kind::Join,
        _ => Kind::Other,
    }
}

/// Whether an operation is told with the layer before it: it changes values or moves them, and takes no other tensor but parameters.
fn follows(node: &Node, trace: &Trace) -> bool {
    let NodeKind::Op(op) = node.kind else { return false };
    let parts = matches!(kind(node), Kind::Conv | Kind::Up | Kind::Pool) || matches!(op, Op::Concat);
    let changes_size = |&output: &usize| {
        let before = node.inputs.first().map_or(&[][..], |&input| &trace.values[input].info.shape);
        let after = &trace.values[output].info.shape;
        before.len() == after.len() && before != after && !matches!(op, Op::Permute | Op::Reshape)
    };
    !parts && !node.outputs.iter().any(changes_size)
}
