//! Values picked along the middle axis of (outer, n, inner) by whole numbers, and what is put back there.

use rayon::prelude::*;

use super::buffer::Buffer;
use super::softmax::Middle;

/// Positions of a task.
const TASK: usize = 4096;

impl Middle {
    /// The values of `x` at the places that `index` (outer, any number, inner) names; each is below n.
    pub fn pick(&self, x: &[f32], index: &[i32]) -> Buffer {
        let Self { outer, n, inner } = *self;
        assert_eq!(x.len(), outer * n * inner, "x does not fit its shape");
        let mut y = Buffer::take(index.len());
        if index.is_empty() {
            return y;
        }
        let rows = index.len() / (outer * inner);
        y.par_chunks_mut(inner).zip(index.par_chunks(inner)).enumerate().for_each(|(row, (y, index))| {
            let x = &x[row / rows * n * inner..][..n * inner];
            y.par_chunks_mut(TASK).zip(index.par_chunks(TASK)).enumerate().for_each(|(task, (y, index))| {
                for (i, (y, &at)) in y.iter_mut().zip(index).enumerate() {
                    *y = x[at as usize * inner + task * TASK + i];
                }
            });
        });
        y
    }

    /// `to` (outer, n, inner), or zeros, and added to it in order the values of `from` at the places that `index`, of its shape, names.
    pub fn put(&self, to: Option<&[f32]>, from: &[f32], index: &[i32]) -> Buffer {
        let Self { outer, n, inner } = *self;
        assert_eq!(from.len(), index.len(), "each value needs its place");
        let mut y = Buffer::take(outer * n * inner);
        if y.is_empty() {
            return y;
        }
        let each = index.len() / outer;
        y.par_chunks_mut(n * inner).enumerate().for_each(|(o, y)| {
            match to {
                Some(to) => y.copy_from_slice(&to[o * n * inner..][..n * inner]),
                None => y.fill(0.0),
            }
            let own = o * each..(o + 1) * each;
            for (from, index) in from[own.clone()].chunks_exact(inner).zip(index[own].chunks_exact(inner)) {
                for (i, (&value, &at)) in from.iter().zip(index).enumerate() {
                    y[at as usize * inner + i] += value;
                }
            }
        });
        y
    }
}
