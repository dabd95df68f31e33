//! Reverse-mode differentiation: what was computed, and how to go back.

use crate::value::Value;
use plugin_api::Result;

/// Gradients of an operation's inputs from its output's gradient; `needs` says which are wanted.
pub(crate) type Back = Box<dyn FnOnce(&Value, &[bool]) -> Result<Vec<Option<Value>>>>;

struct Node {
    /// The node of each input, where it is tracked.
    inputs: Vec<Option<usize>>,
    /// `None` for leaves (parameters).
    back: Option<Back>,
}

/// The record of one forward pass. Node i was computed before node i + 1.
#[derive(Default)]
pub(crate) struct Tape {
    nodes: Vec<Node>,
}

impl Tape {
    /// A value whose gradient is wanted.
    pub(crate) fn leaf(&mut self) -> usize {
        self.nodes.push(Node { inputs: vec![], back: None });
        self.nodes.len() - 1
    }

    pub(crate) fn record(&mut self, inputs: Vec<Option<usize>>, back: Back) -> usize {
        self.nodes.push(Node { inputs, back: Some(back) });
        self.nodes.len() - 1
    }

    /// Gradients of all leaves that the `roots` depend on, by node, from the roots' own. What a step kept is freed as soon as it has been used.
    pub(crate) fn backward(self, roots: Vec<(usize, Value)>) -> Result<Vec<Option<Value>>> {
        let mut grads: Vec<Option<Value>> = vec![None; self.nodes.len()];
        let add = |sum: &mut Option<Value>, part: Value| {
            *sum = Some(match sum.take() {
                Some(sum) => sum.add(&part),
                None => part,
            });
        };
        roots.into_iter().for_each(|(root, grad)| add(&mut grads[root], grad));
        for (i, node) in self.nodes.into_iter().enumerate().rev() {
            let Some(back) = node.back else { continue };
            let Some(grad) = grads[i].take() else { continue };
            let needs: Vec<bool> = node.inputs.iter().map(Option::is_some).collect();
            for (input, part) in node.inputs.iter().zip(back(&grad, &needs)?) {
                if let (Some(j), Some(part)) = (*input, part) {
                    add(&mut grads[j], part);
                }
            }
        }
        Ok(grads)
    }
}
