//! Group normalisation (Wu and He 2018) with the leaky ReLU behind it; with as many groups as channels, instance normalisation
//! (Ulyanov et al. 2016).

mod passes;

use std::ops::Range;

use rayon::prelude::*;

use super::buffer::Buffer;
use super::level::Level;
use passes::{Apply, Back, Moments, Products};

/// Values of a task, about: sums are taken task by task, in order, whatever the number of threads.
const TASK: usize = 1 << 14;

/// A normalisation of (B, voxels, C), each group of C / groups channels of each image for itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// B.
    pub batch: usize,
    /// Voxels of an image.
    pub voxels: usize,
    /// C, a multiple of `groups`.
    pub channels: usize,
    /// Groups.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f32,
    /// What negative results are multiplied with: 1 for no activation.
    pub slope: f32,
}

/// What [`Norm::backward`] needs from the forward pass; one entry a row (batch, group).
#[derive(Clone, Debug, PartialEq)]
pub struct NormStats {
    /// Mean of the row.
    pub mean: Vec<f32>,
    /// One over the row's standard deviation, `1 / sqrt(variance + eps)`, with the biased variance.
    pub rstd: Vec<f32>,
}

/// The gradients for the input (B, voxels, C), the scale (C) and the shift (C).
pub struct NormGradients {
    /// For the input.
    pub x: Buffer,
    /// For the scale.
    pub scale: Vec<f32>,
    /// For the shift.
    pub shift: Vec<f32>,
}

/// `(x - mean) * factor + shift`, one of each a (batch, channel).
struct Affine {
    mean: Vec<f32>,
    factor: Vec<f32>,
    shift: Vec<f32>,
}

impl Norm {
    /// Mean and deviation of each row.
    pub fn statistics(&self, x: &[f32]) -> NormStats {
        self.check(x);
        let sums = self.sums(|_, part, sums| Level::best().run(Moments { x: &x[part], channels: self.channels, sums }));
        let (mean, rstd) = (0..self.batch * self.groups).map(|row| self.moments(&sums, row)).unzip();
        NormStats { mean, rstd }
    }

    /// `(x - mean) * rstd * scale + shift`, then the activation. `scale` and `shift` are (C).
    pub fn forward(&self, x: &[f32], stats: &NormStats, scale: Option<&[f32]>, shift: Option<&[f32]>) -> Buffer {
        self.check(x);
        let affine = self.affine(stats, scale, shift);
        let mut y = Buffer::take(x.len());
        self.each(&mut y, |image, first, y| {
            let x = &x[first..first + y.len()];
            Level::best().run(Apply { x, y, affine: &affine, at: image * self.channels, channels: self.channels, slope: self.slope });
        });
        y
    }

    /// The gradients from that of the activation's output.
    pub fn backward(&self, x: &[f32], stats: &NormStats, dy: &[f32], scale: Option<&[f32]>, shift: Option<&[f32]>) -> NormGradients {
        self.check(x);
        assert_eq!(x.len(), dy.len(), "x and the output's gradient differ in length");
        let affine = self.affine(stats, scale, shift);
        let (channels, slope) = (self.channels, self.slope);
        let sums = self.sums(|image, part, sums| {
            let at = image * channels;
            Level::best().run(Products { x: &x[part.clone()], dy: &dy[part], affine: &affine, at, channels, slope, sums });
        });
        let weight = |channel: usize| f64::from(scale.map_or(1.0, |s| s[channel]));
        let per_group = channels / self.groups;
        let count = (per_group * self.voxels) as f64;
        let (mut dscale, mut dshift) = (vec![0f64; channels], vec![0f64; channels]);
        // dx = rstd (scale dy - plain - (x - mean) rstd product), the means of a row: three factors a (batch, channel)
        let mut factors = [const { Vec::new() }; 3];
        for row in 0..self.batch * self.groups {
            let rstd = f64::from(stats.rstd[row]);
            let (mut plain, mut product) = (0.0, 0.0);
            let planes = row * per_group..(row + 1) * per_group;
            for plane in planes.clone() {
                let [p, q] = sums[plane];
                plain += p * weight(plane % channels);
                product += q * rstd * weight(plane % channels);
                dshift[plane % channels] += p;
                dscale[plane % channels] += q * rstd;
            }
            for plane in planes {
                factors[0].push((rstd * weight(plane % channels)) as f32);
                factors[1].push((rstd * plain / count) as f32);
                factors[2].push((rstd * rstd * product / count) as f32);
            }
        }
        let mut dx = Buffer::take(x.len());
        self.each(&mut dx, |image, first, dx| {
            let (x, dy, at) = (&x[first..first + dx.len()], &dy[first..first + dx.len()], image * channels);
            Level::best().run(Back { x, dy, dx, affine: &affine, factors: &factors, at, channels, slope });
        });
        let narrow = |v: Vec<f64>| v.into_iter().map(|v| v as f32).collect();
        NormGradients { x: dx, scale: narrow(dscale), shift: narrow(dshift) }
    }

    fn check(&self, x: &[f32]) {
        assert_eq!(x.len(), self.batch * self.voxels * self.channels, "x does not fit its shape");
    }

    /// Values of a task: whole voxels.
    fn task(&self) -> usize {
        (TASK / self.channels.max(1)).max(1) * self.channels.max(1)
    }

    /// Calls `f(image, first value, values)` for pieces of `y`.
    fn each(&self, y: &mut [f32], f: impl Fn(usize, usize, &mut [f32]) + Sync) {
        let (image, task) = ((self.voxels * self.channels).max(1), self.task());
        y.par_chunks_mut(image).enumerate().for_each(|(i, y)| {
            y.par_chunks_mut(task).enumerate().for_each(|(j, y)| f(i, i * image + j * task, y));
        });
    }

    /// Two sums a (batch, channel): `f(image, values, sums)` writes those of some values of an image, (C, 2).
    fn sums(&self, f: impl Fn(usize, Range<usize>, &mut [[f64; 2]]) + Sync) -> Vec<[f64; 2]> {
        let (size, task) = (self.voxels * self.channels, self.task());
        let tasks = size.div_ceil(task);
        let mut parts = vec![[0f64; 2]; self.batch * tasks * self.channels];
        parts.par_chunks_mut(self.channels.max(1)).enumerate().for_each(|(i, sums)| {
            let (image, part) = (i / tasks, i % tasks);
            f(image, image * size + part * task..image * size + ((part + 1) * task).min(size), sums);
        });
        let sum = |plane: usize| {
            let (image, channel) = (plane / self.channels, plane % self.channels);
            let place = |part: usize| (image * tasks + part) * self.channels + channel;
            (0..tasks).map(|part| parts[place(part)]).fold([0.0; 2], |sum, part| [sum[0] + part[0], sum[1] + part[1]])
        };
        (0..self.batch * self.channels).map(sum).collect()
    }

    /// Mean and 1 / deviation of a row, from the sums of x and of its squares.
    fn moments(&self, sums: &[[f64; 2]], row: usize) -> (f32, f32) {
        let per_group = self.channels / self.groups;
        let count = (per_group * self.voxels).max(1) as f64;
        let (sum, squares) = sums[row * per_group..(row + 1) * per_group].iter().fold((0.0, 0.0), |t, s| (t.0 + s[0], t.1 + s[1]));
        let mean = sum / count;
        let variance = (squares / count - mean * mean).max(0.0);
        (mean as f32, (1.0 / (variance + f64::from(self.eps)).sqrt()) as f32)
    }

    fn affine(&self, stats: &NormStats, scale: Option<&[f32]>, shift: Option<&[f32]>) -> Affine {
        let per_group = self.channels / self.groups;
        let planes = 0..self.batch * self.channels;
        Affine {
            mean: planes.clone().map(|plane| stats.mean[plane / per_group]).collect(),
            factor: planes.clone().map(|plane| stats.rstd[plane / per_group] * scale.map_or(1.0, |s| s[plane % self.channels])).collect(),
            shift: planes.map(|plane| shift.map_or(0.0, |s| s[plane % self.channels])).collect(),
        }
    }
}
