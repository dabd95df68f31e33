//! The gradient for a convolution's weights.

use std::ops::Range;

use rayon::prelude::*;

use super::axis::{Axis, Meeting};
use super::blocked::{Blocked, Form, block_channels, even_width};
use super::buffer::Buffer;
use super::level::Level;
use super::micro::{self, Correlate};
use super::shape::{ConvShape, volume};

/// Most input channels of a block.
const BLOCK: usize = 16;
/// Positions gone through at a time, about: their values stay in the first cache.
const POSITIONS: usize = 128;
/// Tasks, at least, where the output has as many rows: partial sums depend on it, so it is no function of the threads.
const TASKS: usize = 64;

/// Weights that a task sums together, about: they stay in the second cache.
const WEIGHTS: usize = 1 << 16;

/// What the tasks share.
struct Run<'a> {
    level: Level,
    x: Blocked<'a>,
    dy: Blocked<'a>,
    vectors: usize,
    axes: [Axis; 3],
    planes: Vec<Vec<(usize, usize)>>,
    rows: Vec<Vec<(usize, usize)>>,
    /// Neighbouring taps along W whose input values are neighbours: the first one, and how many.
    runs: Vec<(Meeting, usize)>,
    /// Input voxels between neighbouring outputs of a line, or pairs of them.
    advance: usize,
    /// Outputs of a line, or pairs of them.
    count: usize,
}

/// (O, I / groups, kernel) from `x` (B, input, I) and `dy` (B, output, O).
pub(super) fn weight_grad(level: Level, s: &ConvShape, x: &[f32], dy: &[f32]) -> Buffer {
    let output = s.output();
    if s.weight_len() == 0 || dy.is_empty() {
        return Buffer::zeros(s.weight_len());
    }
    let mut dw = Buffer::take(s.weight_len());
    let axes = Axis::forward(s);
    let vectors = level.vectors(s.group_outputs());
    let (block, width) = (even_width(s.group_inputs(), BLOCK), vectors * level.lanes());
    let (stride, factors) = (s.stride[2], level.factors());
    // bf16: a pair is two neighbouring outputs, and the inputs that they meet
    let form = |apart, every| if factors == 2 { Form::Columns { apart, every } } else { Form::Single };
    let x = Blocked::pack(x, s.groups, s.group_inputs(), block, s.input, axes[2].halo(), form(stride, 1));
    let run = Run {
        level,
        runs: runs(&axes[2], x.step == x.width),
        x,
        dy: Blocked::pack(dy, s.groups, s.group_outputs(), width, output, [0, 0], form(1, 2)),
        vectors,
        axes,
        planes: axes[0].inside(),
        rows: axes[1].inside(),
        advance: factors * stride,
        count: output[2].div_ceil(factors),
    };
    let part_len = volume(s.kernel) * block * width;
    let lines = s.batch * output[0] * output[1];
    let pairs = s.groups * run.dy.blocks * run.x.blocks;
    // few pairs go through the positions together and share what they read
    let together = if pairs < TASKS { (WEIGHTS / part_len).clamp(1, pairs) } else { 1 };
    let bundles = pairs.div_ceil(together);
    let splits = TASKS.div_ceil(bundles).min(lines);
    let parts: Vec<Buffer> = (0..bundles * splits)
        .into_par_iter()
        .map(|task| {
            let (bundle, split) = (task / splits, task % splits);
            let pairs = bundle * together..((bundle + 1) * together).min(pairs);
            run.sums(pairs, split * lines / splits..(split + 1) * lines / splits)
        })
        .collect();
    let weights = s.group_inputs() * volume(s.kernel);
    let blocks: Vec<&mut [f32]> = dw.chunks_mut(s.group_outputs() * weights).flat_map(|dw| dw.chunks_mut(width * weights)).collect();
    blocks.into_par_iter().enumerate().for_each(|(output_block, dw)| {
        let mut sums = vec![0.0; part_len];
        for input_block in 0..run.x.blocks {
            let pair = output_block * run.x.blocks + input_block;
            sums.fill(0.0);
            for part in &parts[pair / together * splits..][..splits] {
                let part = &part[pair % together * part_len..][..part_len];
                sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
            for (lane, dw) in dw.chunks_exact_mut(weights).enumerate() {
                for (i, input) in block_channels(s.group_inputs(), block, input_block).enumerate() {
                    for (tap, dw) in dw[input * volume(s.kernel)..][..volume(s.kernel)].iter_mut().enumerate() {
                        *dw = sums[(tap * block + i) * width + lane];
                    }
                }
            }
        }
    });
    dw
}

/// Taps along W, those that meet neighbouring voxels together where the voxels of a block lie side by side.
fn runs(axis: &Axis, together: bool) -> Vec<(Meeting, usize)> {
    let mut runs: Vec<(Meeting, usize)> = Vec::new();
    for meeting in axis.phases().into_iter().flat_map(|phase| phase.meetings) {
        match runs.last_mut() {
            Some((first, count)) if together && first.place + *count as isize == meeting.place => *count += 1,
            _ => runs.push((meeting, 1)),
        }
    }
    runs
}

impl Run<'_> {
    /// For each pair of an output block and an input block the sums (tap, input, output) over some lines (batch, z, y) of the output.
    fn sums(&self, pairs: Range<usize>, lines: Range<usize>) -> Buffer {
        let part_len = volume(self.axes.map(|axis| axis.kernel)) * self.x.width * self.dy.width;
        let mut sums = Buffer::zeros(pairs.len() * part_len);
        let together = (POSITIONS / self.axes[2].to).max(1);
        for first in lines.clone().step_by(together) {
            for (pair, sums) in pairs.clone().zip(sums.chunks_exact_mut(part_len)) {
                self.add(pair, first..(first + together).min(lines.end), sums);
            }
        }
        sums
    }

    /// Adds the products of some lines to the sums of a pair.
    fn add(&self, pair: usize, lines: Range<usize>, sums: &mut [f32]) {
        let (output_block, input_block) = (pair / self.x.blocks, pair % self.x.blocks);
        let (group, output_block) = (output_block / self.dy.blocks, output_block % self.dy.blocks);
        let [depth, height, _] = self.axes.map(|axis| axis.to);
        let count = self.count;
        let [taps_z, taps_y, taps_x] = self.axes.map(|axis| axis.kernel);
        let tap_len = self.x.width * self.dy.width;
        let mut rows = Vec::with_capacity(lines.len());
        for (tap_z, tap_y) in (0..taps_z).flat_map(|z| (0..taps_y).map(move |y| (z, y))) {
            for &(meeting, taps) in &self.runs {
                rows.clear();
                for line in lines.clone() {
                    let (batch, oz, oy) = (line / (depth * height), line / height % depth, line % height);
                    if let (Some(z), Some(y)) = (place(&self.planes[oz], tap_z), place(&self.rows[oy], tap_y)) {
                        let x = self.x.at(batch, group, input_block, z, y, meeting.place);
                        rows.push((x, self.dy.at(batch, group, output_block, oz, oy, 0)));
                    }
                }
                let (x, dy, vectors) = (&self.x.values, &self.dy.values, self.vectors);
                let sum = Correlate { x, step: self.advance * self.x.step, dy, dy_step: self.dy.step, rows: &rows, count, vectors };
                let tap = (tap_z * taps_y + tap_y) * taps_x + meeting.tap;
                micro::correlate(self.level, &sum, taps * self.x.width, &mut sums[tap * tap_len..][..taps * tap_len]);
            }
        }
    }
}

/// The voxel that a tap meets, where it is inside.
fn place(meetings: &[(usize, usize)], tap: usize) -> Option<usize> {
    meetings.iter().find(|meeting| meeting.0 == tap).map(|meeting| meeting.1)
}
