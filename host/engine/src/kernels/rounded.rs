//! f32 rounded to bf16, two in the place of one f32: what products in bf16 take. Sums of such products are f32.

use rayon::prelude::*;

use super::buffer::Buffer;
use super::level::{Job, Level};
use super::vector::Vector;

/// The nearest bf16, ties to even, in the upper half of the bits; a NaN stays one.
#[inline(always)]
fn nearest(value: f32) -> u32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    if value.is_nan() { bits | 0x0040_0000 } else { rounded }
}

/// Two values as one.
#[inline(always)]
fn pair(first: f32, second: f32) -> f32 {
    f32::from_bits(nearest(first) >> 16 | nearest(second) & 0xffff_0000)
}

/// Neighbours in pairs: `to` has half as many values as `from`.
pub(super) fn neighbours(from: &[f32], to: &mut [f32]) {
    assert_eq!(from.len(), 2 * to.len(), "pairs of what is not even");
    Level::best().run(Neighbours { from, to });
}

/// Cells of `width` values: every `every`-th with the one `apart` cells behind it; zeros stand for cells beyond the end.
pub(super) fn cells(from: &[f32], width: usize, apart: usize, every: usize, to: &mut [f32]) {
    Level::best().run(Cells { from, width, apart, every, to });
}

/// Cells of `width` values two by two: half as many.
pub(super) fn halved(from: &[f32], width: usize) -> Buffer {
    const CELLS: usize = 64;
    let mut to = Buffer::take(from.len() / 2);
    to.par_chunks_mut(CELLS * width).zip(from.par_chunks(2 * CELLS * width)).for_each(|(to, from)| cells(from, width, 1, 2, to));
    to
}

struct Neighbours<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Job for Neighbours<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let halves: &mut [u16] = bytemuck::cast_slice_mut(self.to);
        for (half, &value) in halves.iter_mut().zip(self.from) {
            *half = (nearest(value) >> 16) as u16;
        }
    }
}

struct Cells<'a> {
    from: &'a [f32],
    width: usize,
    apart: usize,
    every: usize,
    to: &'a mut [f32],
}

impl Job for Cells<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { from, width, apart, every, to } = self;
        for (cell, to) in to.chunks_exact_mut(width).enumerate() {
            let first = &from[cell * every * width..][..width];
            match from.get((cell * every + apart) * width..) {
                Some(second) if second.len() >= width => {
                    for ((to, &first), &second) in to.iter_mut().zip(first).zip(second) {
                        *to = pair(first, second);
                    }
                }
                _ => to.iter_mut().zip(first).for_each(|(to, &first)| *to = pair(first, 0.0)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: f32) -> f32 {
        f32::from_bits(nearest(value) & 0xffff_0000)
    }

    #[test]
    fn rounds_to_the_nearest_and_ties_to_even() {
        let eps = 2f32.powi(-7);
        assert_eq!(of(1.0 + eps / 2.0), 1.0);
        assert_eq!(of(1.0 + eps / 2.0 * 1.01), 1.0 + eps);
        assert_eq!(of(1.0 + 1.5 * eps), 1.0 + 2.0 * eps);
        assert_eq!((of(-0.0).to_bits(), of(f32::INFINITY), of(f32::MAX)), ((-0.0f32).to_bits(), f32::INFINITY, f32::INFINITY));
        assert!(of(f32::NAN).is_nan() && of(f32::from_bits(0x7fff_ffff)).is_nan() && of(f32::from_bits(0x7f80_0001)).is_nan());
    }

    #[test]
    fn cells_beyond_the_end_are_zero() {
        let from = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut to = [0.0; 4];
        cells(&from, 2, 1, 2, &mut to);
        let expected = [pair(1.0, 3.0), pair(2.0, 4.0), pair(5.0, 0.0), pair(6.0, 0.0)];
        assert_eq!(to.map(f32::to_bits), expected.map(f32::to_bits));
        let mut to = [0.0; 3];
        neighbours(&from, &mut to);
        assert_eq!(to.map(f32::to_bits), [pair(1.0, 2.0), pair(3.0, 4.0), pair(5.0, 6.0)].map(f32::to_bits));
    }
}
