//! Layers that run one after the other at one resolution, as piles.

use super::layers::Layer;

/// A pile of layers.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    /// Places of its layers, from the top.
    pub(super) layers: Vec<usize>,
    /// How far from the input it is, in piles.
    pub(super) column: usize,
}

/// The piles, in the order of a forward. A layer lies on the pile of a layer that it takes if that is the last one there, has the
/// same spatial lengths, and nothing that the layer takes runs later than the pile begins.
pub(super) fn stacks(layers: &[Layer]) -> Vec<Stack> {
    let mut stacks: Vec<Stack> = Vec::new();
    let mut of: Vec<usize> = Vec::with_capacity(layers.len());
    for (place, layer) in layers.iter().enumerate() {
        let last = layer.from.iter().map(|&from| stacks[of[from]].column).max();
        let own = layer.from.iter().rev().copied().filter(|&from| {
            let stack = &stacks[of[from]];
            stack.layers.last() == Some(&from) && layers[from].spatial == layer.spatial && Some(stack.column) == last
        });
        match own.max() {
            Some(from) => {
                let stack = of[from];
                stacks[stack].layers.push(place);
                of.push(stack);
            }
            None => {
                stacks.push(Stack { layers: vec![place], column: last.map_or(0, |column| column + 1) });
                of.push(stacks.len() - 1);
            }
        }
    }
    stacks
}
