//! Sums over the voxels of each class, which the soft Dice and the cross entropy are made of, and their gradient: each one pass over the logits, the
//! softmax of a block of voxels at a time.

use rayon::prelude::*;
use std::ops::Range;

use super::buffer::Buffer;
use super::cells::Cells;
use super::level::{Job, Level};
use super::softmax::exp;
use super::vector::Vector;

/// Voxels of a block at most.
const MOST: usize = 512;
/// Logits of a block, about: they stay in the nearest cache.
const BLOCK: usize = 1 << 12;
/// Parts that the voxels of a sample are shared out in at most.
const PARTS: usize = 64;
const SUMS: usize = ClassSums::SUMS;
/// Voxels whose sums a task takes side by side.
const LANES: usize = 16;

/// What is summed: logits (B, voxels, C), the label of each voxel, below C, and what it counts, 1 without weights.
#[derive(Clone, Copy)]
pub struct ClassSums<'a> {
    /// Samples.
    pub batch: usize,
    /// (B, voxels, C)
    pub logits: Cells<'a>,
    /// (B, voxels)
    pub labels: &'a [i32],
    /// (B, voxels)
    pub weights: Option<&'a [f32]>,
}

impl ClassSums<'_> {
    /// Sums of a class.
    pub const SUMS: usize = 4;

    fn voxels(&self) -> usize {
        self.labels.len() / self.batch.max(1)
    }

    /// Voxels of a block, and of a part, which is some whole blocks.
    fn lengths(&self) -> (usize, usize) {
        let block = (BLOCK / self.logits.channels.max(1)).clamp(LANES, MOST) / LANES * LANES;
        (block, self.voxels().div_ceil(block).div_ceil(PARTS).max(1) * block)
    }

    /// With p the softmax and y the labels in one-hot, the sums of `y p`, `p`, `y` and `-y log p`, each voxel times its weight: (B, C, 4).
    pub fn sums(&self) -> Vec<f32> {
        let (voxels, row) = (self.voxels(), self.logits.channels * SUMS);
        let (block, part) = self.lengths();
        let parts = voxels.div_ceil(part);
        let of_parts: Vec<Vec<f64>> = (0..self.batch * parts)
            .into_par_iter()
            .map(|i| {
                let (first, mut sums) = (i % parts * part, vec![0.0; row]);
                let voxels = i / parts * voxels + first..i / parts * voxels + (first + part).min(voxels);
                Level::best().run(Forward { of: self, voxels, block, sums: &mut sums });
                sums
            })
            .collect();
        let mut all = vec![0.0; self.batch * row];
        for (i, part) in of_parts.iter().enumerate() {
            all[i / parts * row..][..row].iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        all.into_iter().map(|sum| sum as f32).collect()
    }

    /// The gradient for the logits, (B, voxels, C), from that of [`ClassSums::sums`].
    pub fn grad(&self, g: &[f32]) -> Buffer {
        let (voxels, classes) = (self.voxels(), self.logits.channels);
        let (block, part) = self.lengths();
        let mut dx = Buffer::take(self.labels.len() * classes);
        dx.par_chunks_mut((voxels * classes).max(1)).enumerate().for_each(|(sample, dx)| {
            let g = &g[sample * classes * SUMS..][..classes * SUMS];
            dx.par_chunks_mut(part * classes).enumerate().for_each(|(i, dx)| {
                Level::best().run(Back { of: self, first: sample * voxels + i * part, block, g, dx });
            });
        });
        dx
    }

    /// What the voxels count, in front.
    #[inline(always)]
    fn count(&self, voxels: &Range<usize>, to: &mut [f32; MOST]) {
        match self.weights {
            Some(weights) => to[..voxels.len()].copy_from_slice(&weights[voxels.clone()]),
            None => to.fill(1.0),
        }
    }

    /// The softmax of some voxels as (C, voxels); of each voxel the largest logit, and the sum of the exponentials of what the logits are below it.
    #[inline(always)]
    fn soften(&self, voxels: &Range<usize>, p: &mut [f32]) -> ([f32; MOST], [f32; MOST]) {
        let Cells { values, step, channels } = self.logits;
        let count = voxels.len();
        let (mut top, mut sum) = ([f32::NEG_INFINITY; MOST], [0f32; MOST]);
        for (v, voxel) in voxels.clone().enumerate() {
            for (c, &x) in values[voxel * step..][..channels].iter().enumerate() {
                p[c * count + v] = x;
            }
        }
        for row in p.chunks_exact(count) {
            top.iter_mut().zip(row).for_each(|(top, &x)| *top = if x > *top { x } else { *top });
        }
        for row in p.chunks_exact_mut(count) {
            for ((x, &top), sum) in row.iter_mut().zip(&top).zip(&mut sum) {
                *x = exp(*x - top);
                *sum += *x;
            }
        }
        for row in p.chunks_exact_mut(count) {
            row.iter_mut().zip(&sum).for_each(|(p, sum)| *p /= sum);
        }
        (top, sum)
    }

    #[inline(always)]
    fn label(&self, voxel: usize) -> usize {
        self.labels[voxel] as usize
    }
}

/// The sum of products, in lanes.
#[inline(always)]
fn product(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0f32; LANES];
    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
        lanes.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
    }
    lanes.iter().map(|&lane| f64::from(lane)).sum()
}

struct Forward<'a> {
    of: &'a ClassSums<'a>,
    voxels: Range<usize>,
    block: usize,
    /// (C, 4)
    sums: &'a mut [f64],
}

impl Job for Forward<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { of, voxels, block, sums } = self;
        let classes = of.logits.channels;
        let mut p = Buffer::take(classes * block);
        let mut weights = [0f32; MOST];
        for first in voxels.clone().step_by(block) {
            let voxels = first..(first + block).min(voxels.end);
            let (count, p) = (voxels.len(), &mut p[..classes * voxels.len()]);
            let (top, sum) = of.soften(&voxels, p);
            of.count(&voxels, &mut weights);
            for (row, sums) in p.chunks_exact(count).zip(sums.chunks_exact_mut(SUMS)) {
                sums[1] += product(row, &weights[..count]);
            }
            for (v, voxel) in voxels.enumerate() {
                let label = of.label(voxel);
                let weight = f64::from(weights[v]);
                let own = &mut sums[label * SUMS..][..SUMS];
                own[0] += weight * f64::from(p[label * count + v]);
                own[2] += weight;
                own[3] += weight * f64::from(top[v] - of.logits.values[voxel * of.logits.step + label] + sum[v].ln());
            }
        }
    }
}

/// With a, b and e the gradients of the sums of `y p`, `p` and `-y log p`, for class c of a voxel labelled l:
/// `w (p_c (b_c + e_l - s) + [c = l] (p_l a_l - e_l))`, s the sum of `p_k b_k` over all classes and `p_l a_l`.
struct Back<'a> {
    of: &'a ClassSums<'a>,
    first: usize,
    block: usize,
    /// (C, 4)
    g: &'a [f32],
    /// (voxels, C)
    dx: &'a mut [f32],
}

impl Job for Back<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { of, first, block, g, dx } = self;
        let classes = of.logits.channels;
        let mut p = Buffer::take(classes * block);
        let (mut shares, mut weights) = ([0f32; MOST], [0f32; MOST]);
        for (i, dx) in dx.chunks_mut(block * classes).enumerate() {
            let count = dx.len() / classes;
            let voxels = first + i * block..first + i * block + count;
            let p = &mut p[..classes * count];
            of.soften(&voxels, p);
            of.count(&voxels, &mut weights);
            shares.fill(0.0);
            for (row, g) in p.chunks_exact(count).zip(g.chunks_exact(SUMS)) {
                shares.iter_mut().zip(row).for_each(|(share, p)| *share -= p * g[1]);
            }
            for (v, voxel) in voxels.clone().enumerate() {
                let label = of.label(voxel);
                shares[v] += g[label * SUMS + 3] - p[label * count + v] * g[label * SUMS];
            }
            for (c, (row, g)) in p.chunks_exact_mut(count).zip(g.chunks_exact(SUMS)).enumerate() {
                for (v, p) in row.iter_mut().enumerate() {
                    dx[v * classes + c] = weights[v] * *p * (g[1] + shares[v]);
                }
            }
            for (v, voxel) in voxels.enumerate() {
                let label = of.label(voxel);
                let g = &g[label * SUMS..][..SUMS];
                dx[v * classes + label] += weights[v] * (p[label * count + v] * g[0] - g[3]);
            }
        }
    }
}
