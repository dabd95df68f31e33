//! The vector types that the micro-kernels are written over.

/// A few f32 side by side.
///
/// The functions are unsafe because those of AVX types need a processor that has AVX, and because they read and write
/// through pointers, which must be valid for `LANES` values.
pub(super) trait Vector: Copy {
    /// Values a vector holds.
    const LANES: usize;
    /// Rows of accumulators, one vector wide and two vectors wide, that fit the registers.
    const ROWS: [usize; 2];

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// `a * b + self`.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;

    /// `a * factor + self`.
    #[inline(always)]
    unsafe fn add_scaled(self, a: Self, factor: f32) -> Self {
        // SAFETY: the caller's.
        unsafe { self.add_product(a, Self::splat(factor)) }
    }
    /// `self * factor`.
    #[inline(always)]
    unsafe fn scaled(self, factor: f32) -> Self {
        // SAFETY: the caller's.
        unsafe { Self::splat(0.0).add_product(self, Self::splat(factor)) }
    }
}

/// Four values, which each target's compiler maps on what it has.
#[derive(Clone, Copy)]
pub(super) struct Four([f32; 4]);

impl Vector for Four {
    const LANES: usize = 4;
    const ROWS: [usize; 2] = [12, 6];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's pointer is valid for four values; an array of f32 is aligned as f32 is.
        Self(unsafe { from.cast::<[f32; 4]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as in `load`.
        unsafe { to.cast::<[f32; 4]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        let mut sum = self.0;
        for (sum, (a, b)) in sum.iter_mut().zip(a.0.iter().zip(&b.0)) {
            *sum += a * b;
        }
        Self(sum)
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::Pairs;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Vector;

    /// Sixteen sums in f32 of products of bf16. As a factor, each value is the bits of two bf16, and two products are added at once.
    #[derive(Clone, Copy)]
    pub(in crate::kernels) struct Pairs(__m512);

    impl Vector for Pairs {
        const LANES: usize = 16;
        const ROWS: [usize; 2] = <__m512 as Vector>::ROWS;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the caller knows that the processor has AVX512-BF16, and with it AVX-512F; so for all below.
            unsafe { Self(_mm512_set1_ps(value)) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: see `splat`; the caller's pointer is valid for sixteen values.
            unsafe { Self(_mm512_loadu_ps(from)) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: see `load`.
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: see `splat`; the two types are the same 64 bytes.
            unsafe { Self(_mm512_dpbf16_ps(self.0, std::mem::transmute::<__m512, __m512bh>(a.0), std::mem::transmute::<__m512, __m512bh>(b.0))) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: see `splat`.
            unsafe { Self(_mm512_add_ps(self.0, other.0)) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            // SAFETY: see `splat`.
            unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
        }
    }

    impl Vector for __m256 {
        const LANES: usize = 8;
        const ROWS: [usize; 2] = [12, 6];

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the caller knows that the processor has AVX2 and FMA; so for all below.
            unsafe { _mm256_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: see `splat`; the caller's pointer is valid for eight values.
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: see `load`.
            unsafe { _mm256_storeu_ps(to, self) }
        }
        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: see `splat`.
            unsafe { _mm256_fmadd_ps(a, b, self) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: see `splat`.
            unsafe { _mm256_add_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            // SAFETY: see `splat`.
            unsafe { _mm256_sub_ps(self, other) }
        }
    }

    impl Vector for __m512 {
        const LANES: usize = 16;
        const ROWS: [usize; 2] = [14, 14];

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the caller knows that the processor has AVX-512F; so for all below.
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: see `splat`; the caller's pointer is valid for sixteen values.
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: see `load`.
            unsafe { _mm512_storeu_ps(to, self) }
        }
        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: see `splat`.
            unsafe { _mm512_fmadd_ps(a, b, self) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: see `splat`.
            unsafe { _mm512_add_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            // SAFETY: see `splat`.
            unsafe { _mm512_sub_ps(self, other) }
        }
    }
}
