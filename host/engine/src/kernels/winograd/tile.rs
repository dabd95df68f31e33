//! The transforms of one tile in three axes, for as many channels as a vector holds.
#![expect(clippy::needless_range_loop, reason = "the loops are unrolled, and what they index stays in registers")]

use std::mem::MaybeUninit;
use std::ops::Range;

use super::points::{Axis, MOST};
use crate::kernels::vector::Vector;

/// Most points of a tile.
pub(super) const POINTS: usize = MOST * MOST * MOST;

/// Points of a tile.
pub(super) const fn points<D: Axis, H: Axis, W: Axis>() -> usize {
    D::POINTS * H::POINTS * W::POINTS
}

/// Takes the outputs of a tile, voxel by voxel. A trait, as a closure would not have the vector's instructions.
pub(super) trait Sink<V> {
    /// # Safety
    /// The processor has `V`'s instructions.
    unsafe fn put(&mut self, voxel: [usize; 3], value: V);
}

/// Inputs at `x` (voxels apart by `step`) to points at `to`, `to_step` apart. All inputs are there if `WHOLE`, those `inside` if not,
/// and the others zero.
///
/// # Safety
/// The processor has `V`'s instructions; the inputs may be read, all points written.
#[inline(always)]
pub(super) unsafe fn input<V: Vector, D: Axis, H: Axis, W: Axis, const WHOLE: bool>(
    x: *const f32,
    step: [usize; 3],
    inside: &[Range<usize>; 3],
    to: *mut f32,
    to_step: usize,
) {
    let mut between = [MaybeUninit::<V>::uninit(); POINTS];
    let between = between.as_mut_ptr().cast::<V>();
    // SAFETY: the caller's; `between` is written before it is read.
    unsafe {
        for w in 0..W::POINTS {
            let mut rows = [[V::splat(0.0); MOST]; MOST];
            for h in 0..H::POINTS {
                let row = WHOLE || inside[1].contains(&h) && inside[2].contains(&w);
                if !row {
                    continue;
                }
                for d in 0..D::POINTS {
                    if WHOLE || inside[0].contains(&d) {
                        rows[h][d] = V::load(x.wrapping_add(d * step[0] + h * step[1] + w * step[2]));
                    }
                }
                D::input(&mut rows[h]);
            }
            for d in 0..D::POINTS {
                let mut column = [rows[0][d], rows[1][d], rows[2][d], rows[3][d], rows[4][d], rows[5][d]];
                H::input(&mut column);
                for h in 0..H::POINTS {
                    *between.add((d * H::POINTS + h) * W::POINTS + w) = column[h];
                }
            }
        }
        let mut to = to;
        for row in 0..D::POINTS * H::POINTS {
            let mut values = [V::splat(0.0); MOST];
            for w in 0..W::POINTS {
                values[w] = *between.add(row * W::POINTS + w);
            }
            W::input(&mut values);
            for w in 0..W::POINTS {
                values[w].store(to);
                to = to.wrapping_add(to_step);
            }
        }
    }
}

/// Outputs' gradients at `dy` to points, as [`input`].
///
/// # Safety
/// As [`input`].
#[inline(always)]
pub(super) unsafe fn gradient<V: Vector, D: Axis, H: Axis, W: Axis>(dy: *const f32, step: [usize; 3], to: *mut f32, to_step: usize) {
    let mut between = [MaybeUninit::<V>::uninit(); POINTS];
    let between = between.as_mut_ptr().cast::<V>();
    // SAFETY: see `input`.
    unsafe {
        for w in 0..W::OUTPUTS {
            let mut rows = [[V::splat(0.0); MOST]; MOST];
            for h in 0..H::OUTPUTS {
                for d in 0..D::OUTPUTS {
                    rows[h][d] = V::load(dy.add(d * step[0] + h * step[1] + w * step[2]));
                }
                D::gradient(&mut rows[h]);
            }
            for d in 0..D::POINTS {
                let mut column = [rows[0][d], rows[1][d], rows[2][d], rows[3][d], V::splat(0.0), V::splat(0.0)];
                H::gradient(&mut column);
                for h in 0..H::POINTS {
                    *between.add((d * H::POINTS + h) * W::OUTPUTS + w) = column[h];
                }
            }
        }
        let mut to = to;
        for row in 0..D::POINTS * H::POINTS {
            let mut values = [V::splat(0.0); MOST];
            for w in 0..W::OUTPUTS {
                values[w] = *between.add(row * W::OUTPUTS + w);
            }
            W::gradient(&mut values);
            for w in 0..W::POINTS {
                values[w].store(to);
                to = to.wrapping_add(to_step);
            }
        }
    }
}

/// Points at `from`, `from_step` apart, to outputs.
///
/// # Safety
/// The processor has `V`'s instructions; all points may be read.
#[inline(always)]
pub(super) unsafe fn output<V: Vector, D: Axis, H: Axis, W: Axis>(from: *const f32, from_step: usize, sink: &mut impl Sink<V>) {
    let mut between = [MaybeUninit::<V>::uninit(); POINTS];
    let between = between.as_mut_ptr().cast::<V>();
    let plane = D::POINTS * H::POINTS;
    // SAFETY: see `input`.
    unsafe {
        let mut from = from;
        for row in 0..plane {
            let mut values = [V::splat(0.0); MOST];
            for w in 0..W::POINTS {
                values[w] = V::load(from);
                from = from.wrapping_add(from_step);
            }
            W::output(&mut values);
            for w in 0..W::OUTPUTS {
                *between.add(w * plane + row) = values[w];
            }
        }
        for w in 0..W::OUTPUTS {
            let mut rows = [[V::splat(0.0); MOST]; MOST];
            for h in 0..H::POINTS {
                for d in 0..D::POINTS {
                    rows[h][d] = *between.add(w * plane + d * H::POINTS + h);
                }
                D::output(&mut rows[h]);
            }
            for d in 0..D::OUTPUTS {
                let mut column = [rows[0][d], rows[1][d], rows[2][d], rows[3][d], rows[4][d], rows[5][d]];
                H::output(&mut column);
                for h in 0..H::OUTPUTS {
                    sink.put([d, h, w], column[h]);
                }
            }
        }
    }
}
