//! Which vector instructions the convolution kernels use.

use super::vector::{Four, Vector};
use crate::device::Precision;

/// The instruction sets that kernels are compiled for, slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Whatever the target always has.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512F, and AVX512-BF16 for the products of direct convolutions. It works on rounded numbers and has to be asked for.
    #[cfg(target_arch = "x86_64")]
    Bf16,
}

impl Level {
    /// The levels that this processor runs, slowest first.
    pub(super) fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let levels = [
            (Self::Portable, true),
            (Self::Avx2, is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")),
            (Self::Avx512, is_x86_feature_detected!("avx512f")),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let levels = [(Self::Portable, true)];
        levels.into_iter().filter_map(|(level, runs)| runs.then_some(level))
    }

    /// The fastest level that this processor runs; in a test of each level the one that it asks for.
    pub(super) fn best() -> Self {
        #[cfg(test)]
        if let Some(level) = super::tests::asked() {
            return level;
        }
        Self::available().last().unwrap_or(Self::Portable)
    }

    /// The fastest level that this processor runs whose products are that precise.
    pub(super) fn of(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::best(),
            Precision::Mixed => Self::rounded().unwrap_or(Self::best()),
        }
    }

    /// The level whose direct convolutions multiply bf16, where this processor runs it.
    pub(super) fn rounded() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16") {
            return Some(Self::Bf16);
        }
        None
    }

    /// This level, or the one that multiplies f32 instead.
    pub(super) fn exact(self) -> Self {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Bf16 => Self::Avx512,
            level => level,
        }
    }

    /// Values of a factor that a value of a vector stands for: two bf16, or one f32.
    pub(super) fn factors(self) -> usize {
        if self == self.exact() { 1 } else { 2 }
    }

    /// Values a vector holds.
    pub(super) fn lanes(self) -> usize {
        match self {
            Self::Portable => 4,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 8,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Bf16 => 16,
        }
    }

    /// Rows of accumulators of `vectors` vectors that fit the registers.
    pub(super) fn rows(self, vectors: usize) -> usize {
        match self {
            Self::Portable => Four::ROWS[vectors - 1],
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::arch::x86_64::__m256::ROWS[vectors - 1],
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Bf16 => std::arch::x86_64::__m512::ROWS[vectors - 1],
        }
    }

    /// How many vectors (1 or 2) a block of output channels takes: two, unless that pads more.
    pub(super) fn vectors(self, channels: usize) -> usize {
        let needed = channels.div_ceil(self.lanes());
        if needed == 1 || needed == 3 { 1 } else { 2 }
    }
}

/// What the kernels run on: the instruction set that this processor has and they are compiled for.
pub fn instructions() -> &'static str {
    match Level::rounded().unwrap_or(Level::best()) {
        Level::Portable => "portable code",
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => "AVX2 and FMA",
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => "AVX-512",
        #[cfg(target_arch = "x86_64")]
        Level::Bf16 => "AVX-512 (with bf16 for mixed precision)",
    }
}

/// Whether this processor has instructions for products in bf16 (AVX512-BF16).
pub fn multiplies_bf16() -> bool {
    Level::rounded().is_some()
}

/// Work that is written over [`Vector`] and compiled for each level. `run` and all that it calls must be `#[inline(always)]`.
pub(super) trait Job {
    /// # Safety
    /// The processor has `V`'s instructions.
    unsafe fn run<V: Vector>(self);
}

impl Level {
    /// Does the work with this level's instructions, in f32.
    pub(super) fn run(self, job: impl Job) {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2(job: impl Job) {
            // SAFETY: the caller's.
            unsafe { job.run::<std::arch::x86_64::__m256>() }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f")]
        unsafe fn avx512(job: impl Job) {
            // SAFETY: the caller's.
            unsafe { job.run::<std::arch::x86_64::__m512>() }
        }
        // SAFETY: a level is made by `available` alone, of what the processor has.
        unsafe {
            match self {
                Self::Portable => job.run::<Four>(),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => avx2(job),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 | Self::Bf16 => avx512(job),
            }
        }
    }
}
