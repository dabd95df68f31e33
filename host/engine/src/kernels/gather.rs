//! Convolutions that gather: the forward pass, and the input's gradient as the adjoint's forward pass.

use std::ops::Range;

use rayon::prelude::*;

use super::axis::{Axis, Phase};
use super::blocked::{Blocked, Form, block_channels, even_width};
use super::buffer::Buffer;
use super::level::Level;
use super::micro::{self, Tap};
use super::rounded;
use super::shape::volume;
use super::shared::Shared;

/// Most values of a block of input channels.
const BLOCK: usize = 16;
/// Outputs of a task, about: their sums stay in the first cache.
const POSITIONS: usize = 256;
/// Weights that are gone through before the sums are laid down, about: they stay in the first two caches, and the sums short.
const WEIGHTS: usize = 1 << 14;

/// (B, from, groups * inputs) -> (B, to, groups * outputs).
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
    x: Blocked<'a>,
    weights: Buffer,
    bias: Option<&'a [f32]>,
    vectors: usize,
    /// Output channels of a block.
    width: usize,
    /// Weights of a block of outputs and a block of inputs.
    weight_block: usize,
    planes: Vec<Vec<(usize, usize)>>,
    rows: Vec<Vec<(usize, usize)>>,
    phases: Vec<Phase>,
    y: Shared<'a>,
}

/// Some rows (z, y) of a block of output channels.
struct Task {
    batch: usize,
    group: usize,
    block: usize,
    rows: Range<usize>,
}

impl Gather {
    /// `x` is (B, from, groups * inputs), `w` the convolution's weights, `bias` (groups * outputs).
    pub(super) fn run(&self, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Buffer {
        let voxels = volume(self.axes.map(|axis| axis.to));
        let mut y = Buffer::take(self.batch * self.groups * self.outputs * voxels);
        if y.is_empty() {
            return y;
        }
        let vectors = self.level.vectors(self.outputs);
        let width = vectors * self.level.lanes();
        let (factors, form) = (self.level.factors(), if self.level.factors() == 2 { Form::Channels } else { Form::Single });
        let block = even_width(self.inputs.div_ceil(factors), BLOCK);
        let taps = volume(self.axes.map(|axis| axis.kernel));
        let run = Run {
            gather: self,
            x: Blocked::pack(x, self.groups, self.inputs, block, self.axes.map(|axis| axis.from), self.axes[2].halo(), form),
            weights: if factors == 2 { rounded::halved(&self.pack_weights(w, width, 2 * block), width) } else { self.pack_weights(w, width, block) },
            bias,
            vectors,
            width,
            weight_block: taps * block * width,
            planes: self.axes[0].inside(),
            rows: self.axes[1].inside(),
            phases: self.axes[2].phases(),
            y: Shared::new(&mut y),
        };
        let mut tasks = self.tasks(width);
        // what is larger is gone through once
        if run.weights.len() > run.x.values.len() {
            tasks.sort_by_key(|task| (task.group, task.block));
        }
        tasks.into_par_iter().for_each(|task| run.compute(task));
        y
    }

    /// Weights as (group, output block, input block, tap, input, output), zeros where a block is not full.
    fn pack_weights(&self, w: &[f32], width: usize, block: usize) -> Buffer {
        let taps = volume(self.axes.map(|axis| axis.kernel));
        let (output_blocks, input_blocks) = (self.outputs.div_ceil(width), self.inputs.div_ceil(block));
        let mut packed = Buffer::zeros(self.groups * output_blocks * input_blocks * taps * block * width);
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
    fn tasks(&self, width: usize) -> Vec<Task> {
        let [depth, height, columns] = self.axes.map(|axis| axis.to);
        let rows = (POSITIONS / columns).max(1);
        let mut tasks = Vec::new();
        for batch in 0..self.batch {
            for first in (0..depth * height).step_by(rows) {
                for (group, block) in (0..self.groups).flat_map(|g| (0..self.outputs.div_ceil(width)).map(move |b| (g, b))) {
                    tasks.push(Task { batch, group, block, rows: first..(first + rows).min(depth * height) });
                }
            }
        }
        tasks
    }
}

impl Run<'_> {
    fn compute(&self, task: Task) {
        let [depth, height, columns] = self.gather.axes.map(|axis| axis.to);
        let first_channel = task.group * self.gather.outputs + task.block * self.width;
        let live = block_channels(self.gather.outputs, self.width, task.block).len();
        let mut sums = Buffer::zeros(task.rows.len() * columns * self.width);
        if let Some(bias) = self.bias {
            for sums in sums.chunks_exact_mut(self.width) {
                sums[..live].copy_from_slice(&bias[first_channel..][..live]);
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
                        step: phase.advance * self.x.step,
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
        let all = self.gather.groups * self.gather.outputs;
        let first_voxel = (task.batch * depth * height + task.rows.start) * columns;
        for (voxel, sums) in sums.chunks_exact(self.width).enumerate() {
            // SAFETY: these channels of this voxel are this task's alone.
            let y = unsafe { self.y.part((first_voxel + voxel) * all + first_channel, live) };
            y.copy_from_slice(&sums[..live]);
        }
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
