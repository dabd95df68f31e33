//! Between planes of channels (B, C, voxels) and channels last (B, voxels, C); four channels at a time, which a vector register moves at once.

use rayon::prelude::*;

use super::buffer::Buffer;
use super::shared::Shared;

/// Values of a task, about.
const TASK: usize = 1 << 14;

/// `x` (B, C, voxels) as (B, voxels, C).
pub fn channels_last(x: &[f32], batch: usize, channels: usize, voxels: usize) -> Buffer {
    assert_eq!(x.len(), batch * channels * voxels, "x does not fit its shape");
    let mut y = Buffer::take(x.len());
    if x.is_empty() {
        return y;
    }
    let together = (TASK / channels).max(1);
    y.par_chunks_mut(voxels * channels).zip(x.par_chunks(voxels * channels)).for_each(|(y, x)| {
        y.par_chunks_mut(together * channels).enumerate().for_each(|(chunk, cells)| {
            let count = cells.len() / channels;
            let planes: Vec<&[f32]> = x.chunks_exact(voxels).map(|plane| &plane[chunk * together..][..count]).collect();
            interleave(&planes, cells, channels);
        });
    });
    y
}

/// `x` (B, voxels, C) as (B, C, voxels).
pub fn channels_first(x: &[f32], batch: usize, channels: usize, voxels: usize) -> Buffer {
    assert_eq!(x.len(), batch * channels * voxels, "x does not fit its shape");
    let mut y = Buffer::take(x.len());
    if x.is_empty() {
        return y;
    }
    let together = (TASK / channels).max(1);
    let to = Shared::new(&mut y);
    x.par_chunks(voxels * channels).enumerate().for_each(|(image, x)| {
        x.par_chunks(together * channels).enumerate().for_each(|(chunk, cells)| {
            let plane = |channel: usize| {
                // SAFETY: these voxels of this plane are this task's alone.
                unsafe { to.part((image * channels + channel) * voxels + chunk * together, cells.len() / channels) }
            };
            let mut planes: Vec<&mut [f32]> = (0..channels).map(plane).collect();
            separate(cells, channels, &mut planes);
        });
    });
    y
}

/// Writes `planes` (channel, column) to `cells` (column, width).
fn interleave(planes: &[&[f32]], cells: &mut [f32], width: usize) {
    let (fours, rest) = planes.as_chunks::<4>();
    for (i, [a, b, c, d]) in fours.iter().enumerate() {
        let values = a.iter().zip(*b).zip(c.iter().zip(*d));
        for (cell, ((&a, &b), (&c, &d))) in cells.chunks_exact_mut(width).zip(values) {
            cell[4 * i..4 * i + 4].copy_from_slice(&[a, b, c, d]);
        }
    }
    for (i, plane) in rest.iter().enumerate() {
        for (cell, &value) in cells.chunks_exact_mut(width).zip(*plane) {
            cell[4 * fours.len() + i] = value;
        }
    }
}

/// Writes `cells` (column, width) to `planes` (channel, column).
fn separate(cells: &[f32], width: usize, planes: &mut [&mut [f32]]) {
    let (fours, rest) = planes.as_chunks_mut::<4>();
    for (i, [a, b, c, d]) in fours.iter_mut().enumerate() {
        let values = a.iter_mut().zip(b.iter_mut()).zip(c.iter_mut().zip(d.iter_mut()));
        for (cell, ((a, b), (c, d))) in cells.chunks_exact(width).zip(values) {
            let cell = &cell[4 * i..4 * i + 4];
            (*a, *b, *c, *d) = (cell[0], cell[1], cell[2], cell[3]);
        }
    }
    let first = 4 * fours.len();
    for (i, plane) in rest.iter_mut().enumerate() {
        for (value, cell) in plane.iter_mut().zip(cells.chunks_exact(width)) {
            *value = cell[first + i];
        }
    }
}
