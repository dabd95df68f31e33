//! Memory for f32 values that is kept for the next use: fresh pages cost as much as filling them.

use super::arena::{LINE, Line, Loan, most_lent};
use std::ops::{Deref, DerefMut};

/// Buffers of fewer lines are left to the allocator.
const SMALL: usize = 256;

enum Memory {
    /// From the allocator.
    Own(Vec<Line>),
    /// Kept by the process.
    Lent(Loan),
}

/// f32 values on a boundary of 64 bytes.
pub struct Buffer {
    memory: Memory,
    len: usize,
}

/// The most memory that values had in use at a time since the process began, in bytes; small values and those of Burn's own operations are not counted.
pub fn peak_bytes() -> usize {
    most_lent() * size_of::<Line>()
}

impl Buffer {
    /// `len` values, whatever they are.
    pub(crate) fn take(len: usize) -> Self {
        let lines = len.div_ceil(LINE);
        let lent = if lines < SMALL { None } else { Loan::of(lines) };
        Self { memory: lent.map_or_else(|| Memory::Own(bytemuck::zeroed_vec(lines)), Memory::Lent), len }
    }

    /// `len` zeros.
    pub(super) fn zeros(len: usize) -> Self {
        let mut buffer = Self::take(len);
        buffer.fill(0.0);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let lines: &[Line] = match &self.memory {
            Memory::Own(lines) => lines,
            Memory::Lent(lines) => lines,
        };
        &bytemuck::cast_slice(lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        let lines: &mut [Line] = match &mut self.memory {
            Memory::Own(lines) => lines,
            Memory::Lent(lines) => lines,
        };
        &mut bytemuck::cast_slice_mut(lines)[..self.len]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_on_cache_lines() {
        for len in [0, 1, 17, 100_000, 3_000_001] {
            let buffer = Buffer::zeros(len);
            assert_eq!((buffer.len(), buffer.as_ptr() as usize % 64), (len, 0));
            assert!(buffer.iter().all(|&v| v == 0.0));
        }
    }
}
