//! Blocks that come several times in a row are drawn once.

use super::{layers::Layer, stacks::Stack};
use std::collections::BTreeSet;

/// Layers that a repeated block may have.
const LONGEST: usize = 64;

/// What is drawn.
pub(super) struct Graph {
    /// The layers; of a repeated block, those of one time.
    pub(super) layers: Vec<Layer>,
    /// The piles.
    pub(super) stacks: Vec<Stack>,
    /// Where a block is repeated: the stack, the first of its layers there, their number, and how often they run.
    pub(super) repeats: Vec<Repeat>,
}

/// A block that runs several times.
pub(super) struct Repeat {
    pub(super) stack: usize,
    pub(super) first: usize,
    pub(super) layers: usize,
    pub(super) times: usize,
}

/// Where in a block, or in the one before, a layer takes its input from.
#[derive(PartialEq, Eq)]
enum From {
    Inside(usize),
    Before(usize),
    Outside,
}

/// Folds what is repeated in each pile.
pub(super) fn fold(layers: Vec<Layer>, stacks: Vec<Stack>) -> Graph {
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); layers.len()];
    layers.iter().enumerate().for_each(|(place, layer)| layer.from.iter().for_each(|&from| users[from].push(place)));
    let mut graph = Graph { layers: Vec::new(), stacks: Vec::new(), repeats: Vec::new() };
    // of each layer the one that is drawn for it, and whether it belongs to a second or later time
    let mut drawn: Vec<(usize, bool)> = vec![(0, false); layers.len()];
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (number, stack) in stacks.iter().enumerate() {
        let pile = &stack.layers;
        let mut kept = Vec::new();
        let mut at = 0;
        while at < pile.len() {
            let (length, times) = longest(pile, at, &layers, &users).unwrap_or((1, 1));
            if times > 1 {
                graph.repeats.push(Repeat { stack: number, first: kept.len(), layers: length, times });
            }
            for place in 0..length {
                let mut layer = layers[pile[at + place]].clone();
                for time in 1..times {
                    let again = &layers[pile[at + time * length + place]];
                    layer.parameters += again.parameters;
                    layer.names.extend(again.names.iter().cloned());
                    layer.head = layer.head.or(again.head);
                }
                kept.push(graph.layers.len());
                for time in 0..times {
                    drawn[pile[at + time * length + place]] = (graph.layers.len(), time > 0);
                }
                order.push((pile[at + place], graph.layers.len()));
                graph.layers.push(layer);
            }
            at += length * times;
        }
        graph.stacks.push(Stack { layers: kept, column: stack.column });
    }
    for (original, place) in order {
        let from: BTreeSet<usize> = layers[original].from.iter().map(|&from| drawn[from].0).collect();
        graph.layers[place].from = from.into_iter().collect();
    }
    graph
}

/// The block at `at` that saves most when it is folded: its number of layers, and how often it runs.
fn longest(pile: &[usize], at: usize, layers: &[Layer], users: &[Vec<usize>]) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize)> = None;
    for length in 1..=LONGEST.min((pile.len() - at) / 2) {
        let mut times = 1;
        while at + (times + 1) * length <= pile.len() && repeats(pile, at, length, times, layers, users) {
            times += 1;
        }
        let saved = |(length, times): (usize, usize)| length * (times - 1);
        // a block has one way in: it begins behind an addition, not with it
        let begins = layers[pile[at]].from.len() == 1;
        if begins && times > 1 && best.is_none_or(|best| saved((length, times)) > saved(best)) {
            best = Some((length, times));
        }
    }
    best
}

/// Whether the block that starts `time` lengths behind `at` is the first one again, and nothing else looks into the one before it.
fn repeats(pile: &[usize], at: usize, length: usize, time: usize, layers: &[Layer], users: &[Vec<usize>]) -> bool {
    let start = at + time * length;
    let from = |start: usize, layer: usize| -> Vec<From> {
        let place = |&from: &usize| match pile.iter().position(|&in_pile| in_pile == from) {
            Some(position) if position >= start => From::Inside(position - start),
            Some(position) if position + length >= start => From::Before(position + length - start),
            _ => From::Outside,
        };
        layers[layer].from.iter().map(place).collect()
    };
    (0..length).all(|place| {
        let (first, again) = (pile[at + place], pile[start + place]);
        let now = from(start, again);
        let alike = if time > 1 {
            now == from(at + length, pile[at + length + place])
        } else {
            let first = from(at, first);
            first.len() == now.len()
                && first.iter().zip(&now).all(|(first, now)| match now {
                    From::Outside => false,
                    From::Inside(_) => first == now,
                    // the first time takes it from whatever comes before
                    From::Before(_) => !matches!(first, From::Inside(_)),
                })
        };
        // all that takes what the time before made lies there or in this time
        let closed = users[pile[start - length + place]].iter().all(|user| pile[start - length..start + length].contains(user));
        let head = layers[pile[start - length + place]].head.is_some();
        alike && closed && !head && layers[first].words == layers[again].words && layers[first].shape == layers[again].shape
    })
}
