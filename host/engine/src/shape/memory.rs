//! How much memory a record needs, by simple rules (see [`super::Trace`]).

use super::trace::{Node, NodeKind, Value, ValueKind};
use plugin_api::{DType, Op};

/// The values and nodes of a trace, seen as storage.
pub(super) struct Storage<'a> {
    values: &'a [Value],
    nodes: &'a [Node],
    trainable: &'a [bool],
    outputs: &'a [usize],
    /// Which value holds the memory of each value: itself, or what it is another view of.
    root: Vec<usize>,
}

impl<'a> Storage<'a> {
    /// `trainable` tells it of each parameter.
    pub(super) fn new(values: &'a [Value], nodes: &'a [Node], trainable: &'a [bool], outputs: &'a [usize]) -> Self {
        let mut root: Vec<usize> = (0..values.len()).collect();
        for node in nodes {
            if let (NodeKind::Op(Op::Reshape | Op::Detach), [from], [to]) = (&node.kind, &node.inputs[..], &node.outputs[..]) {
                root[*to] = root[*from];
            }
        }
        Storage { values, nodes, trainable, outputs, root }
    }

    /// Bytes of a value's own storage; parameters and views have none here.
    fn bytes(&self, i: usize) -> u128 {
        let own = self.root[i] == i && !matches!(self.values[i].kind, ValueKind::Parameter(_));
        if own { self.values[i].info.bytes().into() } else { 0 }
    }

    /// Most bytes alive while a node runs; what is `kept` stays to the end, and nodes add what only their backward uses.
    fn forward_peak(&self, kept: &[bool], extra: &[u128]) -> u128 {
        let end = self.nodes.len().max(1);
        let mut freed = vec![0; self.values.len()];
        for (i, value) in self.values.iter().enumerate() {
            let root = self.root[i];
            let last = if kept[root] { end } else { value.freed.unwrap_or(end) };
            freed[root] = last.max(freed[root]);
        }
        let (mut born_at, mut freed_at) = (vec![0u128; end + 1], vec![0u128; end + 1]);
        for (i, value) in self.values.iter().enumerate() {
            born_at[value.born.min(end)] += self.bytes(i);
            freed_at[freed[i].max(value.born).min(end)] += self.bytes(i);
        }
        let (mut live, mut peak) = (0u128, 0u128);
        for node in 0..end {
            live = (live + born_at[node] + extra.get(node).copied().unwrap_or(0)).saturating_sub(freed_at[node]);
            peak = peak.max(live);
        }
        peak
    }

    /// Peak of a forward without gradients.
    pub(super) fn inference_bytes(&self) -> u64 {
        clamp(self.forward_peak(&vec![false; self.values.len()], &[]))
    }

    /// Values that a gradient flows to.
    pub(super) fn gradients(&self) -> Vec<bool> {
        let leaf = |v: &Value| match v.kind {
            ValueKind::Parameter(p) => self.trainable[p],
            ValueKind::Input { gradient } => gradient,
            _ => false,
        };
        let mut needs: Vec<bool> = self.values.iter().map(leaf).collect();
        for node in self.nodes.iter().filter(|n| has_gradient(n)) {
            let any = node.inputs.iter().any(|&i| needs[i]);
            for &o in &node.outputs {
                needs[o] = any && self.values[o].info.dtype == DType::Float;
            }
        }
        needs
    }

    /// The values that a device which recomputes has once more on the way back: an activation right behind a norm, and what joins one with others; the second
    /// are the parts of each of these joins.
    fn come_again(&self) -> (Vec<bool>, Vec<Vec<usize>>) {
        let count = self.values.len();
        let (mut normal, mut again, mut joined) = (vec![false; count], vec![false; count], vec![vec![]; count]);
        for node in self.nodes {
            let NodeKind::Op(op) = node.kind else { continue };
            let (Some(&from), Some(&to)) = (node.inputs.first(), node.outputs.first()) else { continue };
            match op {
                Op::InstanceNorm | Op::GroupNorm => normal[to] = true,
                Op::Relu | Op::LeakyRelu => again[to] = normal[from],
                Op::Concat if node.ints.first() == Some(&1) && node.inputs.iter().any(|&i| again[i]) => {
                    again[to] = true;
                    joined[to] = node.inputs.iter().map(|&i| self.root[i]).collect();
                }
                _ => {}
            }
        }
        (again, joined)
    }

    /// Peak of a forward with its backward; `recomputes` as a device that keeps no activation that comes again.
    pub(super) fn training_bytes(&self, recomputes: bool) -> u64 {
        let needs = self.gradients();
        let taped = |n: &Node| n.outputs.iter().any(|&o| needs[o]);
        let (again, joined) = if recomputes { self.come_again() } else { (vec![false; self.values.len()], vec![vec![]; self.values.len()]) };
        // the first node that keeps a storage is the last to need it on the way back
        let mut first: Vec<Option<usize>> = vec![None; self.values.len()];
        let mut extra = vec![0; self.nodes.len()];
        for (n, node) in self.nodes.iter().enumerate().filter(|(_, node)| taped(node)) {
            let parts = node.outputs.first().map_or(&[][..], |&o| &joined[o]);
            for i in self.saved(node).into_iter().chain(parts.iter().copied()) {
                first[self.root[i]].get_or_insert(n);
            }
            extra[n] = self.mask(node);
        }
        let kept: Vec<bool> = first.iter().zip(&again).map(|(first, again)| first.is_some() && !again).collect();

        let stays =
            |(i, value): (usize, &Value)| kept[i] || self.outputs.iter().any(|&o| self.root[o] == i) || matches!(value.kind, ValueKind::Input { .. });
        let mut there: Vec<bool> = self.values.iter().enumerate().map(stays).collect();
        let mut live = extra.iter().sum::<u128>() + (0..there.len()).filter(|&i| there[i]).map(|i| self.bytes(i)).sum::<u128>();
        let mut has = vec![false; self.values.len()];
        for &o in self.outputs.iter().filter(|&&o| needs[o]) {
            live += if std::mem::replace(&mut has[self.root[o]], true) { 0 } else { self.bytes(self.root[o]) };
        }
        let mut peak = self.forward_peak(&kept, &extra).max(live);
        for (n, node) in self.nodes.iter().enumerate().rev().filter(|(_, node)| taped(node)) {
            let mut fleeting = 0;
            for i in self.saved(node).into_iter().map(|i| self.root[i]) {
                if !std::mem::replace(&mut there[i], true) {
                    live += self.bytes(i);
                    fleeting += joined[i].iter().filter(|&&part| !there[part]).map(|&part| self.bytes(part)).sum::<u128>();
                }
            }
            peak = peak.max(live + fleeting);
            let done = (0..first.len()).filter(|&i| first[i] == Some(n) && there[i]).map(|i| self.bytes(i));
            let freed = done.sum::<u128>() + extra[n];
            // what a convolution's weights alone need goes before the input's gradient comes
            let early = recomputes && matches!(node.kind, NodeKind::Op(Op::Conv | Op::ConvTranspose));
            live = live.saturating_sub(if early { freed } else { 0 });
            for root in node.inputs.iter().filter(|&&i| needs[i]).map(|&i| self.root[i]) {
                live += if std::mem::replace(&mut has[root], true) { 0 } else { self.bytes(root) };
            }
            peak = peak.max(live);
            for &o in &node.outputs {
                live = live.saturating_sub(if std::mem::replace(&mut has[o], false) { self.bytes(o) } else { 0 });
            }
            live = live.saturating_sub(if early { 0 } else { freed });
        }
        clamp(peak)
    }

    /// What a node's backward reads.
    fn saved(&self, node: &Node) -> Vec<usize> {
        let of = |list: &[usize], dtype: DType| list.iter().copied().filter(|&i| self.values[i].info.dtype == dtype).collect();
        let NodeKind::Op(op) = node.kind else { return [&node.inputs[..], &node.outputs[..]].concat() };
        match op {
            Op::Exp | Op::Sqrt | Op::Recip | Op::Tanh | Op::Sigmoid | Op::Relu | Op::LeakyRelu | Op::Softmax | Op::LogSoftmax => node.outputs.clone(),
            Op::Neg | Op::Affine | Op::Add | Op::Sub | Op::Cast | Op::Sum | Op::Mean | Op::CumSum | Op::Dropout => vec![],
            Op::Reshape | Op::Permute | Op::Slice | Op::Concat | Op::Pad | Op::Expand | Op::Flip => vec![],
            Op::MaxPool | Op::AvgPool | Op::AdaptiveAvgPool | Op::AdaptiveMaxPool | Op::Resize => vec![],
            Op::Gather | Op::ScatterAdd | Op::IndexSelect | Op::SegmentSum => of(&node.inputs, DType::Int),
            Op::TopK => of(&node.outputs, DType::Int),
            Op::Where => of(&node.inputs, DType::Bool),
            Op::Max | Op::Min => [&node.inputs[..], &node.outputs[..]].concat(),
            _ => node.inputs.clone(),
        }
    }

    /// Bytes that a node keeps beside its inputs and outputs: where the largest was, what was dropped.
    fn mask(&self, node: &Node) -> u128 {
        match node.kind {
            NodeKind::Op(Op::MaxPool | Op::AdaptiveMaxPool | Op::Dropout) => {
                node.outputs.iter().map(|&o| u128::from(self.values[o].info.bytes())).sum()
            }
            _ => 0,
        }
    }
}

fn clamp(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn has_gradient(node: &Node) -> bool {
    !matches!(node.kind, NodeKind::Op(Op::Floor | Op::Round | Op::Sign | Op::Detach))
}
