//! Convolutions that gather: the forward pass, and the input's gradient as the adjoint's forward pass.

use std::ops::Range;

use rayon::prelude::*;

use super::axis::{Axis, Phase};
use super::blocked::{Blocked, block_channels, even_width};
use super::level::Level;
use super::micro::{self, Tap};
use super::shape::volume;
use super::transpose::separate;

/// Most input channels of a block.
const BLOCK: usize = 16;
/// Outputs of a task, about: their sums stay in the first cache.
const POSITIONS: usize = 256;
/// Weights that are gone through before the sums are laid down, about: they stay in the second cache.
const WEIGHTS: usize = 1 << 15;

/// (B, groups * inputs, from) -> (B, groups * outputs, to).
pub(super) struct Gather {
    /// Of a convolution's adjoint: its weights are (groups * inputs, outputs, kernel), otherwise (groups * outputs, inputs, kernel).
    pub(super) adjoint: bool,
    pub(super) level: Level,
    pub(super) batch: usize,
    pub(super) groups: usize,
    /// Input channels of a group.
    pub(super) inputs: usize,
    /// Output channels of a group.
    pub(super) outputs: usize,
    pub(super) axes: [Axis; 3],
}

/// What the tasks of one run share.
struct Run<'a> {
    gather: &'a Gather,
    x: Blocked,
    weights: Vec<f32>,
    bias: Option<&'a [f32]>,
    vectors: usize,
    /// Output channels of a block.
    width: usize,
    /// Weights of a block of outputs and a block of inputs.
    weight_block: usize,
    planes: Vec<Vec<(usize, usize)>>,
    rows: Vec<Vec<(usize, usize)>>,
    phases: Vec<Phase>,
}

/// Some rows (z, y) of a block of output channels.
struct Task<'a> {
    batch: usize,
    group: usize,
    block: usize,
    rows: Range<usize>,
    /// One slice a channel.
    out: Vec<&'a mut [f32]>,
}

impl Gather {
    /// `x` is (B, groups * inputs, from), `w` the convolution's weights, `bias` (groups * outputs).
    pub(super) fn run(&self, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let voxels = volume(self.axes.map(|axis| axis.to));
        let mut y = vec![0.0; self.batch * self.groups * self.outputs * voxels];
        if y.is_empty() {
            return y;
        }
        let vectors = self.level.vectors(self.outputs);
        let width = vectors * self.level.lanes();
        let block = even_width(self.inputs, BLOCK);
        let taps = volume(self.axes.map(|axis| axis.kernel));
        let run = Run {
            gather: self,
            x: Blocked::pack(x, self.groups, self.inputs, block, self.axes.map(|axis| axis.from), self.axes[2].halo()),
            weights: self.pack_weights(w, width, block),
            bias,
            vectors,
            width,
            weight_block: taps * block * width,
            planes: self.axes[0].inside(),
            rows: self.axes[1].inside(),
            phases: self.axes[2].phases(),
        };
        let mut tasks = self.tasks(&mut y, width);
        // what is larger is gone through once
        if run.weights.len() > run.x.values.len() {
            tasks.sort_by_key(|task| (task.group, task.block));
        }
        tasks.into_par_iter().for_each(|task| run.compute(task));
        y
    }

    /// Weights as (group, output block, input block, tap, input, output), zeros where a block is not full.
    fn pack_weights(&self, w: &[f32], width: usize, block: usize) -> Vec<f32> {
        let taps = volume(self.axes.map(|axis| axis.kernel));
        let (output_blocks, input_blocks) = (self.outputs.div_ceil(width), self.inputs.div_ceil(block));
        let mut packed = vec![0.0; self.groups * output_blocks * input_blocks * taps * block * width];
        packed.par_chunks_mut(taps * block * width).enumerate().for_each(|(index, packed)| {
            let (group, output_block) = (index / input_blocks / output_blocks, index / input_blocks % output_blocks);
            let w = &w[group * self.outputs * self.inputs * taps..][..self.outputs * self.inputs * taps];
            let outputs = block_channels(self.outputs, width, output_block);
            let inputs = block_channels(self.inputs, block, index % input_blocks);
            if self.adjoint {
                for (i, input) in inputs.enumerate() {
                    for (lane, output) in outputs.clone().enumerate() {
                        let w = &w[(input * self.outputs + output) * taps..][..taps];
                        w.iter().rev().enumerate().for_each(|(tap, w)| packed[(tap * block + i) * width + lane] = *w);
                    }
                }
            } else {
                for (lane, output) in outputs.enumerate() {
                    for (i, input) in inputs.clone().enumerate() {
                        let w = &w[(output * self.inputs + input) * taps..][..taps];
                        w.iter().enumerate().for_each(|(tap, w)| packed[(tap * block + i) * width + lane] = *w);
                    }
                }
            }
        });
        packed
    }

    /// Cuts the output into tasks, neighbours in space together.
    fn tasks<'a>(&self, y: &'a mut [f32], width: usize) -> Vec<Task<'a>> {
        let [depth, height, columns] = self.axes.map(|axis| axis.to);
        let rows = (POSITIONS / columns).max(1);
        let mut tasks: Vec<Task> = Vec::new();
        for (batch, y) in y.chunks_mut(self.groups * self.outputs * depth * height * columns).enumerate() {
            let mut channels: Vec<_> = y.chunks_mut(depth * height * columns).map(|y| y.chunks_mut(rows * columns)).collect();
            for first in (0..depth * height).step_by(rows) {
                for (group, channels) in channels.chunks_mut(self.outputs).enumerate() {
                    for (block, channels) in channels.chunks_mut(width).enumerate() {
                        let out = channels.iter_mut().filter_map(Iterator::next).collect();
                        tasks.push(Task { batch, group, block, rows: first..(first + rows).min(depth * height), out });
                    }
                }
            }
        }
        tasks
    }
}

impl Run<'_> {
    fn compute(&self, mut task: Task) {
        let columns = self.gather.axes[2].to;
        let first_channel = task.group * self.gather.outputs + task.block * self.width;
        let mut sums = vec![0.0; task.rows.len() * columns * self.width];
        if let Some(bias) = self.bias {
            for sums in sums.chunks_exact_mut(self.width) {
                sums[..task.out.len()].copy_from_slice(&bias[first_channel..][..task.out.len()]);
            }
        }
        let mut taps = Vec::new();
        let together = (WEIGHTS / self.weight_block).max(1);
        for first in (0..self.x.blocks).step_by(together) {
            let blocks = first..(first + together).min(self.x.blocks);
            for (row, sums) in task.rows.clone().zip(sums.chunks_exact_mut(columns * self.width)) {
                for phase in &self.phases {
                    self.taps(&task, row, phase, blocks.clone(), &mut taps);
                    let row = micro::Gather {
                        x: &self.x.values,
                        step: phase.advance * self.x.width,
                        w: &self.weights,
                        taps: &taps,
                        vectors: self.vectors,
                        count: phase.count,
                        out_step: phase.step * self.width,
                    };
                    micro::gather(self.gather.level, &row, &mut sums[phase.first * self.width..]);
                }
            }
        }
        separate(&sums, self.width, &mut task.out);
    }

    /// The taps of a row's phase, neighbours joined.
    fn taps(&self, task: &Task, row: usize, phase: &Phase, blocks: Range<usize>, taps: &mut Vec<Tap>) {
        let (height, kernel) = (self.gather.axes[1].to, self.gather.axes.map(|axis| axis.kernel));
        let output_block = task.group * self.gather.outputs.div_ceil(self.width) + task.block;
        taps.clear();
        for block in blocks {
            let weights = (output_block * self.x.blocks + block) * self.weight_block;
            for &(tap_z, z) in &self.planes[row / height] {
                for &(tap_y, y) in &self.rows[row % height] {
                    for meeting in &phase.meetings {
                        let x = self.x.at(task.batch, task.group, block, z, y, meeting.place);
                        let tap = (tap_z * kernel[1] + tap_y) * kernel[2] + meeting.tap;
                        let w = weights + tap * self.x.width * self.width;
                        match taps.last_mut() {
                            Some(last) if last.x + last.len == x && last.w + last.len * self.width == w => last.len += self.x.width,
                            _ => taps.push(Tap { x, w, len: self.x.width }),
                        }
                    }
                }
            }
        }
    }
}
