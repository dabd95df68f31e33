//! How high everything lies.

use super::{
    layout::{BELOW, BETWEEN, BOX, MARGIN, TITLE, TRACK},
    sheet::{Sheet, Tracks, Way},
};
use std::collections::BTreeMap;

pub(super) struct Heights {
    /// The upper edge of each row's boxes.
    pub(super) row: Vec<f64>,
    /// The upper edge of each layer's box.
    pub(super) of_layer: Vec<f64>,
    /// Where each edge that goes over a row does so.
    pub(super) over: Vec<f64>,
    /// Where each edge that comes from the left reaches its box.
    pub(super) port: Vec<f64>,
    pub(super) total: f64,
}

impl Heights {
    pub(super) fn new(sheet: &Sheet<'_>) -> Self {
        let over = sheet.tracks(sheet.rows.len(), |edge| {
            (edge.way == Way::Over).then(|| (sheet.row_of(edge.to), sheet.column(edge.from) as f64 + 1.0, sheet.column(edge.to) as f64))
        });
        let (in_row, filled) = piled(sheet);
        let mut y = TITLE + MARGIN;
        let mut row = Vec::new();
        for number in 0..sheet.rows.len() {
            y += over.count[number] as f64 * TRACK + 14.0;
            row.push(y);
            y += filled.iter().filter(|((r, _), _)| *r == number).map(|(_, used)| *used - BETWEEN).fold(0.0, f64::max) + 14.0;
        }
        let of_layer: Vec<f64> = (0..sheet.graph.layers.len())
            .map(|layer| {
                let (stack, place) = sheet.at(layer);
                row[sheet.row(stack)] + in_row[stack] + place as f64 * (BOX[1] + BELOW)
            })
            .collect();
        let over = over_rows(sheet, &row, &over);
        Self { port: ports(sheet, &of_layer), row, of_layer, over, total: y + MARGIN }
    }

    /// The middle of a layer's box.
    pub(super) fn middle(&self, layer: usize) -> f64 {
        self.of_layer[layer] + BOX[1] / 2.0
    }
}

/// How far below its row's edge each pile begins, and how much of each (row, column) is filled.
fn piled(sheet: &Sheet<'_>) -> (Vec<f64>, BTreeMap<(usize, usize), f64>) {
    let mut filled: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    let mut top = Vec::new();
    for (number, stack) in sheet.graph.stacks.iter().enumerate() {
        let used = filled.entry((sheet.row(number), stack.column)).or_insert(0.0);
        top.push(*used);
        *used += stack.layers.len() as f64 * (BOX[1] + BELOW) - BELOW + BETWEEN;
    }
    (top, filled)
}

fn over_rows(sheet: &Sheet<'_>, row: &[f64], tracks: &Tracks) -> Vec<f64> {
    sheet.edges.iter().zip(&tracks.of_edge).map(|(edge, &track)| row[sheet.row_of(edge.to)] - 10.0 - track as f64 * TRACK).collect()
}

/// The lines that come from the left share the height of their box.
fn ports(sheet: &Sheet<'_>, of_layer: &[f64]) -> Vec<f64> {
    let comes = |edge: &&super::sheet::Edge| matches!(edge.way, Way::Next | Way::Over);
    let mut all = vec![0usize; of_layer.len()];
    sheet.edges.iter().filter(comes).for_each(|edge| all[edge.to] += 1);
    let mut so_far = vec![0usize; of_layer.len()];
    let port = |edge: &super::sheet::Edge| {
        so_far[edge.to] += usize::from(comes(&edge));
        of_layer[edge.to] + BOX[1] * so_far[edge.to] as f64 / (all[edge.to] + 1) as f64
    };
    sheet.edges.iter().map(port).collect()
}
