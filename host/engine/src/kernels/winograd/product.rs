//! The products at the points of a block of tiles: a small matrix product each.

use std::ops::Range;

use super::weights::Channels;
use crate::kernels::level::Job;
use crate::kernels::shared::Shared;
use crate::kernels::vector::Vector;

/// `to[point][tile][output] = sum over inputs of x[point][input block][tile][input] * weights[point][block][input][output]`.
pub(super) struct Forward<'a> {
    pub(super) channels: Channels,
    pub(super) tiles: usize,
    pub(super) x: &'a [f32],
    pub(super) weights: &'a [f32],
    /// The block of outputs.
    pub(super) block: usize,
    pub(super) points: Range<usize>,
    pub(super) to: Shared<'a>,
}

impl Job for Forward<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (c, tiles) = (self.channels, self.tiles);
        let x_point = c.input_blocks() * tiles * V::LANES;
        let to_point = tiles * c.width();
        assert!(self.points.end * x_point <= self.x.len() && self.points.end * c.weights() <= self.weights.len());
        for point in self.points {
            let mut done = 0;
            let most = V::ROWS[c.vectors - 1];
            let parts = tiles.div_ceil(most);
            for part in 0..parts {
                let rows = (tiles + part) / parts;
                // SAFETY: the places of this point, found to be inside; this task alone writes them.
                unsafe {
                    let x = self.x.as_ptr().add(point * x_point + done * V::LANES);
                    let weights = self.weights.as_ptr().add(point * c.weights() + self.block * c.output_block());
                    let to = self.to.at(point * to_point + done * c.width());
                    macro_rules! rows {
                        ($($m:literal)*) => {
                            match (c.vectors, rows) {
                                $((1, $m) if $m <= V::ROWS[0] => forward_rows::<V, 1, $m>(x, tiles * V::LANES, c.input_blocks(), weights, to),
                                (_, $m) if $m <= V::ROWS[1] => forward_rows::<V, 2, $m>(x, tiles * V::LANES, c.input_blocks(), weights, to),)*
                                rows => unreachable!("{rows:?} rows"),
                            }
                        };
                    }
                    rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
                }
                done += rows;
            }
        }
    }
}

/// `M` tiles of `N` vectors. Tiles lie a vector apart, a number known to the compiler: it needs no registers for their places.
#[inline(always)]
unsafe fn forward_rows<V: Vector, const N: usize, const M: usize>(x: *const f32, x_block: usize, blocks: usize, weights: *const f32, to: *mut f32) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[V::splat(0.0); N]; M];
        let mut w = weights;
        for block in 0..blocks {
            let mut x = x.add(block * x_block);
            for _ in 0..V::LANES {
                let mut columns = [V::splat(0.0); N];
                for (n, column) in columns.iter_mut().enumerate() {
                    *column = V::load(w.add(n * V::LANES));
                }
                for (m, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(*x.add(m * V::LANES));
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = sum.add_product(value, column);
                    }
                }
                x = x.add(1);
                w = w.add(N * V::LANES);
            }
        }
        for (m, sums) in sums.iter().enumerate() {
            for (n, sum) in sums.iter().enumerate() {
                sum.store(to.add((m * N + n) * V::LANES));
            }
        }
    }
}

/// Adds `sum over tiles of x[point][input block][tile][input] * dy[point][block][tile][output]` to `to[point][block][input][output]`.
pub(super) struct Gradient<'a> {
    pub(super) channels: Channels,
    pub(super) tiles: usize,
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) points: Range<usize>,
    pub(super) to: Shared<'a>,
}

impl Job for Gradient<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (c, tiles) = (self.channels, self.tiles);
        let x_point = c.input_blocks() * tiles * V::LANES;
        let dy_point = c.output_blocks() * tiles * c.width();
        assert!(self.points.end * x_point <= self.x.len() && self.points.end * dy_point <= self.dy.len());
        for point in self.points {
            for output in 0..c.output_blocks() {
                for input in 0..c.input_blocks() {
                    // SAFETY: the places of this point, found to be inside; this task alone writes them.
                    unsafe {
                        let x = self.x.as_ptr().add(point * x_point + input * tiles * V::LANES);
                        let dy = self.dy.as_ptr().add(point * dy_point + output * tiles * c.width());
                        let to = self.to.at(point * c.weights() + output * c.output_block() + input * V::LANES * c.width());
                        match (c.vectors, V::LANES) {
                            (1, 16) => gradient_rows::<V, 1, 8>(x, dy, tiles, to),
                            (1, _) => gradient_rows::<V, 1, 4>(x, dy, tiles, to),
                            (_, 16) => gradient_rows::<V, 2, 8>(x, dy, tiles, to),
                            (_, _) => gradient_rows::<V, 2, 4>(x, dy, tiles, to),
                        }
                    }
                }
            }
        }
    }
}

/// A vector of inputs, `M` at a time, by `N` vectors of outputs.
#[inline(always)]
unsafe fn gradient_rows<V: Vector, const N: usize, const M: usize>(x: *const f32, dy: *const f32, tiles: usize, to: *mut f32) {
    // SAFETY: the caller's.
    unsafe {
        for part in 0..V::LANES / M {
            let to = to.add(part * M * N * V::LANES);
            let (mut x, mut dy) = (x.add(part * M), dy);
            let mut sums = [[V::splat(0.0); N]; M];
            for _ in 0..tiles {
                let mut columns = [V::splat(0.0); N];
                for (n, column) in columns.iter_mut().enumerate() {
                    *column = V::load(dy.add(n * V::LANES));
                }
                for (m, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(*x.add(m));
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = sum.add_product(value, column);
                    }
                }
                x = x.add(V::LANES);
                dy = dy.add(N * V::LANES);
            }
            for (m, sums) in sums.iter().enumerate() {
                for (n, sum) in sums.iter().enumerate() {
                    let to = to.add((m * N + n) * V::LANES);
                    V::load(to).add(*sum).store(to);
                }
            }
        }
    }
}
