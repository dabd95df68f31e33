//! Which pile, column and row each layer belongs to, and how the lines between them run.

use super::{layers::Layer, repeats::Graph, routes::tracks};
use std::collections::BTreeSet;

/// How an edge runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the box below.
    Down,
    /// Within a column, past some boxes.
    Beside,
    /// To the next column.
    Next,
    /// Over the row of its target.
    Over,
}

/// A line from layer to layer.
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) way: Way,
}

/// A graph in columns (when a pile runs) and rows (its resolution).
pub(super) struct Sheet<'a> {
    pub(super) graph: &'a Graph,
    /// The pile of each layer, and the layer's place there.
    at: Vec<(usize, usize)>,
    /// The row of each pile.
    row: Vec<usize>,
    /// Spatial lengths of each row, the most voxels first.
    pub(super) rows: Vec<Vec<usize>>,
    pub(super) columns: usize,
    pub(super) edges: Vec<Edge>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let mut at = vec![(0, 0); graph.layers.len()];
        for (number, stack) in graph.stacks.iter().enumerate() {
            stack.layers.iter().enumerate().for_each(|(place, &layer)| at[layer] = (number, place));
        }
        let rows = rows(&graph.layers);
        let row_of = |layer: &usize| rows.iter().position(|lengths| *lengths == graph.layers[*layer].spatial);
        let row = graph.stacks.iter().map(|stack| stack.layers.first().and_then(row_of).unwrap_or(0)).collect();
        let columns = graph.stacks.iter().map(|stack| stack.column + 1).max().unwrap_or(0);
        let mut sheet = Self { graph, at, row, rows, columns, edges: Vec::new() };
        let pairs = graph.layers.iter().enumerate().flat_map(|(to, layer)| layer.from.iter().map(move |&from| (from, to)));
        sheet.edges = pairs.map(|(from, to)| Edge { from, to, way: sheet.way(from, to) }).collect();
        sheet
    }

    fn way(&self, from: usize, to: usize) -> Way {
        let (a, b) = (self.at[from], self.at[to]);
        match (self.column(from), self.column(to)) {
            (left, right) if left == right => {
                if a.0 == b.0 && a.1 + 1 == b.1 {
                    Way::Down
                } else {
                    Way::Beside
                }
            }
            (left, right) if left + 1 == right => Way::Next,
            _ => Way::Over,
        }
    }

    /// The pile of a layer, and its place there.
    pub(super) fn at(&self, layer: usize) -> (usize, usize) {
        self.at[layer]
    }

    pub(super) fn column(&self, layer: usize) -> usize {
        self.graph.stacks[self.at[layer].0].column
    }

    /// The row of a pile.
    pub(super) fn row(&self, stack: usize) -> usize {
        self.row[stack]
    }

    /// The row of a layer.
    pub(super) fn row_of(&self, layer: usize) -> usize {
        self.row[self.at[layer].0]
    }

    /// Tracks for the edges that run in each of `rooms`, from somewhere to somewhere.
    pub(super) fn tracks(&self, rooms: usize, room: impl Fn(&Edge) -> Option<(usize, f64, f64)>) -> Tracks {
        let mut all = Tracks { of_edge: vec![0; self.edges.len()], count: vec![0; rooms] };
        for (number, count) in all.count.iter_mut().enumerate() {
            let here: Vec<(usize, (f64, f64))> = (self.edges.iter().enumerate())
                .filter_map(|(edge, e)| room(e).filter(|(found, ..)| *found == number).map(|(_, from, to)| (edge, (from, to))))
                .collect();
            let found = tracks(&here.iter().map(|(_, span)| *span).collect::<Vec<_>>());
            for ((edge, _), track) in here.into_iter().zip(found) {
                all.of_edge[edge] = track;
                *count = (*count).max(track + 1);
            }
        }
        all
    }
}

/// The track of each edge, and how many each room has.
pub(super) struct Tracks {
    pub(super) of_edge: Vec<usize>,
    pub(super) count: Vec<usize>,
}

/// The spatial lengths that there are, the most voxels first.
fn rows(layers: &[Layer]) -> Vec<Vec<usize>> {
    let found: BTreeSet<&Vec<usize>> = layers.iter().map(|layer| &layer.spatial).collect();
    let mut rows: Vec<Vec<usize>> = found.into_iter().cloned().collect();
    rows.sort_by_key(|lengths| std::cmp::Reverse(lengths.iter().product::<usize>()));
    rows
}
