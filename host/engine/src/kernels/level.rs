//! Which vector instructions the convolution kernels use.

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

    /// The fastest level that this processor runs.
    pub(super) fn best() -> Self {
        Self::available().last().unwrap_or(Self::Portable)
    }

    /// Values a vector holds.
    pub(super) fn lanes(self) -> usize {
        match self {
            Self::Portable => 4,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 8,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 16,
        }
    }

    /// How many vectors (1 or 2) a block of output channels takes: two, unless that pads more.
    pub(super) fn vectors(self, channels: usize) -> usize {
        let needed = channels.div_ceil(self.lanes());
        if needed == 1 || needed == 3 { 1 } else { 2 }
    }
}
