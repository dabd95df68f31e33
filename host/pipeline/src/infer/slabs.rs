//! Segmentations without the logits of the whole image: what is finished is decoded at once, and its sums are used again.
//!
//! Tiles come in layers, by the slices that they begin in. After a layer, the slices that no later one touches are finished, and with
//! them the slices of each target grid that come from finished ones alone; the sums keep what later layers or the next
//! slices of a target still need. Sums that are too large even so are made a strip of rows at a time, and tiles that touch two strips are
//! predicted for both. Neither changes a bit of the result.

use std::ops::Range;

use ndarray::{ArrayViewMut3, s};
use volume::resample::Regrid;

use super::decode::decode;
use super::layout::Layout;
use super::window::Tiles;
use crate::dataset::LabelManager;
use crate::error::Result;

/// A grid that a segmentation is wanted on.
pub(super) struct Target<'a> {
    /// From the logits' grid.
    pub(super) regrid: Regrid,
    /// The labels there, (z, y, x).
    pub(super) segmentation: ArrayViewMut3<'a, i16>,
}

/// What happens after a layer of tiles.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// Slices that are finished, from the first on.
    known: usize,
    /// Of each target, slices that come from those.
    complete: Vec<usize>,
    /// The first slice that is still needed.
    keep_from: usize,
}

/// The order of work: the rows of each strip, and the steps that all strips share.
pub(super) struct Schedule {
    strips: usize,
    steps: Vec<Step>,
    /// Slices of the sums.
    slices: usize,
    /// Rows of each strip's sums.
    rows: Vec<Range<usize>>,
}

impl Schedule {
    /// The schedule of all tiles in so many strips.
    pub(super) fn new(layout: &Layout, targets: &[&Regrid], strips: usize) -> Self {
        let (depth, starts) = (layout.shape[0], &layout.places[0]);
        let mut steps: Vec<Step> = Vec::with_capacity(layout.layers.len());
        let (mut base, mut slices) = (0, 0);
        for layer in &layout.layers {
            slices = slices.max(layout.extent(0, starts[layer.end - 1]).end - base);
            let known = starts.get(layer.end).map_or(depth, |&next| layout.extent(0, next).start);
            let complete: Vec<usize> = targets.iter().map(|target| target.complete(0, known)).collect();
            let needed = targets.iter().zip(&complete).map(|(target, &next)| first_needed(target, next));
            base = needed.fold(known, usize::min);
            steps.push(Step { known, complete, keep_from: base });
        }
        let rows = (0..strips).map(|strip| source_rows(targets, strip, strips)).collect();
        Self { strips, steps, slices, rows }
    }

    pub(super) fn strips(&self) -> usize {
        self.strips
    }

    /// Bytes of the largest sums.
    pub(super) fn bytes(&self, layout: &Layout) -> u64 {
        let rows = self.rows.iter().map(Range::len).max().unwrap_or(0);
        4 * [layout.classes, self.slices, rows, layout.shape[2]].iter().map(|&n| n as u64).product::<u64>()
    }
}

/// The first slice of the logits that the slices of `target` from `next` on come from.
fn first_needed(target: &Regrid, next: usize) -> usize {
    let [depth, height, width] = target.new_shape();
    if next < depth { target.source(&[next..next + 1, 0..height, 0..width])[0].start } else { usize::MAX }
}

/// The rows of a grid that a strip has.
fn share(rows: usize, strip: usize, strips: usize) -> Range<usize> {
    rows * strip / strips..rows * (strip + 1) / strips
}

/// The rows of the logits that a strip of all targets comes from.
fn source_rows(targets: &[&Regrid], strip: usize, strips: usize) -> Range<usize> {
    let sources = targets.iter().map(|target| {
        let [depth, height, width] = target.new_shape();
        target.source(&[0..depth, share(height, strip, strips), 0..width])[1].clone()
    });
    sources.filter(|rows| !rows.is_empty()).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
}

/// Fills the segmentations of all targets.
///
/// # Errors
/// As [`super::sliding_window`].
pub(super) fn segment(tiles: &Tiles<'_>, schedule: &Schedule, labels: &LabelManager, targets: &mut [Target<'_>]) -> Result<()> {
    for (strip, rows) in schedule.rows.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
        let mut sums = tiles.sums(schedule.slices, rows.clone());
        let mut done = vec![0; targets.len()];
        for (layer, step) in tiles.layout.layers.iter().zip(&schedule.steps) {
            tiles.add_layer(layer, &mut sums)?;
            tiles.finish(step.known, &mut sums)?;
            for ((target, done), &complete) in targets.iter_mut().zip(&mut done).zip(&step.complete) {
                let [_, height, width] = target.regrid.new_shape();
                let block = [*done..complete, share(height, strip, schedule.strips), 0..width];
                let [z, y, x] = block.clone();
                decode(labels, &target.regrid, sums.logits(), &block, target.segmentation.slice_mut(s![z, y, x]));
                *done = complete;
            }
            sums.move_to(step.keep_from);
        }
    }
    Ok(())
}
