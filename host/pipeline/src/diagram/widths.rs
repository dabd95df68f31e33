//! How far to the right everything lies.

use super::{
    heights::Heights,
    layout::{BOX, LENGTHS, MARGIN, TIMES, TRACK},
    routes::tracks,
    sheet::{Sheet, Way},
};

pub(super) struct Widths {
    /// The left edge of each column's boxes.
    pub(super) column: Vec<f64>,
    /// Where each edge runs up or down: one place, or two of one that goes over a row.
    pub(super) upright: Vec<Vec<f64>>,
    pub(super) total: f64,
}

/// A part of an edge that runs up or down between two columns.
struct Upright {
    edge: usize,
    /// The column at its right.
    gap: usize,
    span: (f64, f64),
}

impl Widths {
    pub(super) fn new(sheet: &Sheet<'_>, heights: &Heights) -> Self {
        let beside = sheet.tracks(sheet.columns, |edge| {
            (edge.way == Way::Beside).then(|| (sheet.column(edge.to), heights.of_layer[edge.from], heights.of_layer[edge.to]))
        });
        let lines = uprights(sheet, heights);
        let mut track = vec![0; lines.len()];
        let (mut x, mut column, mut gaps) = (LENGTHS, Vec::new(), Vec::new());
        for gap in 0..=sheet.columns {
            let here: Vec<usize> = (0..lines.len()).filter(|&line| lines[line].gap == gap).collect();
            let found = tracks(&here.iter().map(|&line| lines[line].span).collect::<Vec<_>>());
            let most = found.iter().max().map_or(0, |most| most + 1);
            here.into_iter().zip(found).for_each(|(line, found)| track[line] = found);
            gaps.push(x + 8.0);
            x += most as f64 * TRACK + 16.0 + TIMES;
            column.push(x);
            x += beside.count.get(gap).map_or(0.0, |&lines| BOX[0] + lines as f64 * TRACK + 10.0);
        }
        let mut upright = vec![Vec::new(); sheet.edges.len()];
        lines.iter().zip(track).for_each(|(line, track)| upright[line.edge].push(gaps[line.gap] + track as f64 * TRACK));
        for (number, edge) in sheet.edges.iter().enumerate().filter(|(_, edge)| edge.way == Way::Beside) {
            upright[number].push(column[sheet.column(edge.to)] + BOX[0] + 8.0 + beside.of_edge[number] as f64 * TRACK);
        }
        Self { column, upright, total: x - TIMES + MARGIN }
    }
}

fn uprights(sheet: &Sheet<'_>, heights: &Heights) -> Vec<Upright> {
    let mut lines = Vec::new();
    for (number, edge) in sheet.edges.iter().enumerate() {
        let (start, over, port) = (heights.middle(edge.from), heights.over[number], heights.port[number]);
        let mut line = |gap: usize, span: (f64, f64)| lines.push(Upright { edge: number, gap, span });
        match edge.way {
            Way::Next => line(sheet.column(edge.to), (start, port)),
            Way::Over => {
                line(sheet.column(edge.from) + 1, (start, over));
                line(sheet.column(edge.to), (over, port));
            }
            Way::Down | Way::Beside => {}
        }
    }
    lines
}
