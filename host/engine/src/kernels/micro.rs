//! The two inner loops of every convolution, register-blocked, written once over [`Vector`] and compiled for each [`Level`].
//! At a level that multiplies bf16 a value of `x`, `w` or `dy` is two of them (see `rounded`).

use super::level::Level;
use super::vector::{Four, Vector};

/// `len` neighbouring values of the input, and the weights that meet them: `len` blocks of output channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    /// First value, for the first output position.
    pub(super) x: usize,
    /// First weight.
    pub(super) w: usize,
    /// Values.
    pub(super) len: usize,
}

/// A row of outputs, as sums over taps.
pub(super) struct Gather<'a> {
    /// The input, channels last.
    pub(super) x: &'a [f32],
    /// Input values between neighbouring outputs.
    pub(super) step: usize,
    /// The weights, a block of output channels last.
    pub(super) w: &'a [f32],
    /// What to sum.
    pub(super) taps: &'a [Tap],
    /// Vectors of a block of output channels, 1 or 2.
    pub(super) vectors: usize,
    /// Outputs.
    pub(super) count: usize,
    /// Values between neighbouring outputs.
    pub(super) out_step: usize,
}

/// Adds the sums of `row` to `out`: `out[p][o] += sum over taps and i of x[tap.x + p step + i] * w[tap.w][i][o]`.
pub(super) fn gather(level: Level, row: &Gather, out: &mut [f32]) {
    let width = row.vectors * level.lanes();
    let Some(last) = row.count.checked_sub(1) else { return };
    assert!(matches!(row.vectors, 1 | 2) && last * row.out_step + width <= out.len(), "outputs beyond their buffer");
    for tap in row.taps {
        assert!(tap.x + last * row.step + tap.len <= row.x.len(), "an input beyond its buffer");
        assert!(tap.w + tap.len * width <= row.w.len(), "a weight beyond its buffer");
    }
    // SAFETY: the level is one that the processor has, and all reads and writes were found within their buffers.
    unsafe {
        match level {
            Level::Portable => gather_any::<Four>(row, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => gather_avx2(row, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => gather_avx512(row, out),
            #[cfg(target_arch = "x86_64")]
            Level::Bf16 => gather_bf16(row, out),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn gather_avx2(row: &Gather, out: &mut [f32]) {
    // SAFETY: the caller's.
    unsafe { gather_any::<std::arch::x86_64::__m256>(row, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn gather_avx512(row: &Gather, out: &mut [f32]) {
    // SAFETY: the caller's.
    unsafe { gather_any::<std::arch::x86_64::__m512>(row, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn gather_bf16(row: &Gather, out: &mut [f32]) {
    // SAFETY: the caller's.
    unsafe { gather_any::<super::vector::Pairs>(row, out) }
}

/// Calls a tile function for a number of rows known at run time.
macro_rules! with_rows {
    ($rows:expr, $most:expr, $tile:ident::<$v:ty, $n:literal>, $arguments:tt) => {
        with_rows!($rows, $most, $tile::<$v, $n>, $arguments, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    };
    ($rows:expr, $most:expr, $tile:ident::<$v:ty, $n:literal>, $arguments:tt, $($m:literal)*) => {
        match $rows {
            $($m if $m <= $most => $tile::<$v, $n, $m> $arguments,)*
            rows => unreachable!("a tile of {rows} rows"),
        }
    };
}

#[inline(always)]
unsafe fn gather_any<V: Vector>(row: &Gather, out: &mut [f32]) {
    let mut done = 0;
    for rows in tiles(row.count, V::ROWS[row.vectors - 1]) {
        // SAFETY: `gather` checked the reads and writes of all `count` outputs.
        unsafe {
            let (x, out) = (row.x.as_ptr().add(done * row.step), out.as_mut_ptr().add(done * row.out_step));
            if row.vectors == 1 {
                with_rows!(rows, V::ROWS[0], gather_tile::<V, 1>, (row, x, out));
            } else {
                with_rows!(rows, V::ROWS[1], gather_tile::<V, 2>, (row, x, out));
            }
        }
        done += rows;
    }
}

/// `M` outputs of `N` vectors, held in registers over all taps.
#[inline(always)]
unsafe fn gather_tile<V: Vector, const N: usize, const M: usize>(row: &Gather, x: *const f32, out: *mut f32) {
    // SAFETY: `gather` checked the reads and writes.
    unsafe {
        let mut sums = [[V::splat(0.0); N]; M];
        for tap in row.taps {
            let (mut x, mut w) = (x.add(tap.x), row.w.as_ptr().add(tap.w));
            for _ in 0..tap.len {
                let mut weights = [V::splat(0.0); N];
                for (n, weights) in weights.iter_mut().enumerate() {
                    *weights = V::load(w.add(n * V::LANES));
                }
                for (m, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(*x.add(m * row.step));
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = sum.add_product(value, weights);
                    }
                }
                x = x.add(1);
                w = w.add(N * V::LANES);
            }
        }
        add(&sums, out, row.out_step);
    }
}

/// A sum over output positions of the products of neighbouring input values (`columns`) and a block of output channels.
pub(super) struct Correlate<'a> {
    /// The input, channels last.
    pub(super) x: &'a [f32],
    /// Input values between neighbouring outputs.
    pub(super) step: usize,
    /// The output's gradient, a block of channels last.
    pub(super) dy: &'a [f32],
    /// Gradients between neighbouring outputs.
    pub(super) dy_step: usize,
    /// Where a row begins in `x` and in `dy`.
    pub(super) rows: &'a [(usize, usize)],
    /// Outputs of a row.
    pub(super) count: usize,
    /// Vectors of a block of output channels, 1 or 2.
    pub(super) vectors: usize,
}

/// Adds `sum over rows and p of x[row.0 + p step + column] * dy[row.1][p][o]` to `out[column][o]`.
pub(super) fn correlate(level: Level, sum: &Correlate, columns: usize, out: &mut [f32]) {
    let width = sum.vectors * level.lanes();
    let Some(last) = sum.count.checked_sub(1) else { return };
    assert!(matches!(sum.vectors, 1 | 2) && columns * width <= out.len(), "sums beyond their buffer");
    for &(x, dy) in sum.rows {
        assert!(x + last * sum.step + columns <= sum.x.len(), "an input beyond its buffer");
        assert!(dy + last * sum.dy_step + width <= sum.dy.len(), "a gradient beyond its buffer");
    }
    // SAFETY: the level is one that the processor has, and all reads and writes were found within their buffers.
    unsafe {
        match level {
            Level::Portable => correlate_any::<Four>(sum, columns, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => correlate_avx2(sum, columns, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => correlate_avx512(sum, columns, out),
            #[cfg(target_arch = "x86_64")]
            Level::Bf16 => correlate_bf16(sum, columns, out),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn correlate_avx2(sum: &Correlate, columns: usize, out: &mut [f32]) {
    // SAFETY: the caller's.
    unsafe { correlate_any::<std::arch::x86_64::__m256>(sum, columns, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn correlate_avx512(sum: &Correlate, columns: usize, out: &mut [f32]) {
    // SAFETY: the caller's.
    unsafe { correlate_any::<std::arch::x86_64::__m512>(sum, columns, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn correlate_bf16(sum: &Correlate, columns: usize, out: &mut [f32]) {
    // SAFETY: the caller's.
    unsafe { correlate_any::<super::vector::Pairs>(sum, columns, out) }
}

#[inline(always)]
unsafe fn correlate_any<V: Vector>(sum: &Correlate, columns: usize, out: &mut [f32]) {
    let mut done = 0;
    for rows in tiles(columns, V::ROWS[sum.vectors - 1]) {
        // SAFETY: `correlate` checked the reads and writes of all columns.
        unsafe {
            let out = out.as_mut_ptr().add(done * sum.vectors * V::LANES);
            if sum.vectors == 1 {
                with_rows!(rows, V::ROWS[0], correlate_tile::<V, 1>, (sum, done, out));
            } else {
                with_rows!(rows, V::ROWS[1], correlate_tile::<V, 2>, (sum, done, out));
            }
        }
        done += rows;
    }
}

/// `M` columns of `N` vectors, held in registers over all positions.
#[inline(always)]
unsafe fn correlate_tile<V: Vector, const N: usize, const M: usize>(sum: &Correlate, column: usize, out: *mut f32) {
    // SAFETY: `correlate` checked the reads and writes.
    unsafe {
        let mut sums = [[V::splat(0.0); N]; M];
        for &(x, dy) in sum.rows {
            let (mut x, mut dy) = (sum.x.as_ptr().add(x + column), sum.dy.as_ptr().add(dy));
            for _ in 0..sum.count {
                let mut gradients = [V::splat(0.0); N];
                for (n, gradients) in gradients.iter_mut().enumerate() {
                    *gradients = V::load(dy.add(n * V::LANES));
                }
                for (m, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(*x.add(m));
                    for (sum, gradients) in sums.iter_mut().zip(gradients) {
                        *sum = sum.add_product(value, gradients);
                    }
                }
                x = x.wrapping_add(sum.step);
                dy = dy.wrapping_add(sum.dy_step);
            }
        }
        add(&sums, out, N * V::LANES);
    }
}

/// Splits `count` into as few parts of at most `most` as it takes, as even as can be.
fn tiles(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let parts = count.div_ceil(most);
    (0..parts).map(move |i| (count + i) / parts)
}

/// Adds the sums of one call, which begin at zero: many short sums round less than a long one.
#[inline(always)]
unsafe fn add<V: Vector, const N: usize, const M: usize>(sums: &[[V; N]; M], to: *mut f32, step: usize) {
    for (m, sums) in sums.iter().enumerate() {
        for (n, sum) in sums.iter().enumerate() {
            // SAFETY: the caller's.
            unsafe {
                let to = to.add(m * step + n * V::LANES);
                V::load(to).add(*sum).store(to);
            }
        }
    }
}
