//! Memory for f32 values that is kept for the next use: fresh pages cost as much as filling them.

use memmap2::MmapMut;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Values of a line.
const LINE: usize = 16;
/// Buffers of fewer lines are left to the allocator.
const SMALL: usize = 256;
/// Lines beyond the most that was ever in use, at most: 256 MiB.
const SLACK: usize = 1 << 22;
/// Buffers of so many lines (4 MiB) get pages of their own.
const LARGE: usize = 1 << 16;

/// As many values as a cache line holds, where a cache line begins.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Lines of zeros at first.
enum Memory {
    /// From the allocator.
    Few(Vec<Line>),
    /// Pages of the system's, huge ones where it has them, of which a few stand for a thousand faults.
    Many(MmapMut),
}

impl Memory {
    fn fresh(lines: usize) -> Self {
        let pages = if lines < LARGE { None } else { MmapMut::map_anon(lines * size_of::<Line>()).ok() };
        pages.map_or_else(|| Self::Few(bytemuck::zeroed_vec(lines)), Self::huge)
    }

    fn huge(pages: MmapMut) -> Self {
        // a system without huge pages has small ones
        #[cfg(target_os = "linux")]
        let _ = pages.advise(memmap2::Advice::HugePage);
        Self::Many(pages)
    }

    fn lines(&self) -> usize {
        match self {
            Self::Few(lines) => lines.len(),
            Self::Many(pages) => pages.len() / size_of::<Line>(),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Few(lines) => bytemuck::cast_slice(lines),
            Self::Many(pages) => pages,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Few(lines) => bytemuck::cast_slice_mut(lines),
            Self::Many(pages) => pages,
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

/// f32 values on a boundary of 64 bytes. Dropped, its memory goes to a pool that the whole process shares.
pub struct Buffer {
    memory: Memory,
    len: usize,
}

/// Memory without a user, by its size in lines. In use and idle together it is never more than [`Pool::bound`].
struct Pool {
    idle: BTreeMap<usize, Vec<Memory>>,
    idle_lines: usize,
    used_lines: usize,
    most_used: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool::new());

impl Pool {
    const fn new() -> Self {
        Self { idle: BTreeMap::new(), idle_lines: 0, used_lines: 0, most_used: 0 }
    }

    /// Memory of `lines` lines or up to half more.
    fn take(&mut self, lines: usize) -> Option<Memory> {
        let size = self.idle.range(lines..=lines + lines / 2).next().map(|(&size, _)| size);
        let found = size.and_then(|size| self.pop(size));
        self.used_lines += found.as_ref().map_or(lines, Memory::lines);
        self.most_used = self.most_used.max(self.used_lines);
        self.shrink();
        found
    }

    fn give(&mut self, memory: Memory) {
        let lines = memory.lines();
        self.used_lines -= lines;
        self.idle_lines += lines;
        self.idle.entry(lines).or_default().push(memory);
        self.shrink();
    }

    /// Lines that there may be: half more than were ever in use, but not by more than [`SLACK`].
    fn bound(&self) -> usize {
        self.most_used + (self.most_used / 2).min(SLACK)
    }

    /// Frees idle memory while there is too much: the smallest that is enough, so that what the next iteration asks for stays, or the largest.
    fn shrink(&mut self) {
        while let beyond @ 1.. = (self.used_lines + self.idle_lines).saturating_sub(self.bound()) {
            let Some((&lines, _)) = self.idle.range(beyond..).next().or_else(|| self.idle.last_key_value()) else { return };
            drop(self.pop(lines));
        }
    }

    /// Idle memory of this size.
    fn pop(&mut self, lines: usize) -> Option<Memory> {
        let kept = self.idle.get_mut(&lines)?;
        let memory = kept.pop();
        if kept.is_empty() {
            self.idle.remove(&lines);
        }
        self.idle_lines -= memory.as_ref().map_or(0, Memory::lines);
        memory
    }
}

/// The most memory that values had in use at a time since the process began, in bytes; small values and those of Burn's own operations are not counted.
pub fn peak_bytes() -> usize {
    POOL.lock().unwrap_or_else(PoisonError::into_inner).most_used * size_of::<Line>()
}

impl Buffer {
    /// `len` values, whatever they are.
    pub(crate) fn take(len: usize) -> Self {
        let count = len.div_ceil(LINE);
        let kept = if count < SMALL { None } else { POOL.lock().unwrap_or_else(PoisonError::into_inner).take(count) };
        Self { memory: kept.unwrap_or_else(|| Memory::fresh(count)), len }
    }

    /// `len` zeros.
    pub(super) fn zeros(len: usize) -> Self {
        let mut buffer = Self::take(len);
        buffer.fill(0.0);
        buffer
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.memory.lines() >= SMALL {
            POOL.lock().unwrap_or_else(PoisonError::into_inner).give(std::mem::take(&mut self.memory));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(self.memory.bytes())[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(self.memory.bytes_mut())[..self.len]
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
    fn what_was_given_is_taken_again() {
        let mut pool = Pool::new();
        assert!(pool.take(1000).is_none() && pool.take(50_000).is_none());
        let memory = Memory::fresh(1000);
        let place = memory.bytes().as_ptr();
        pool.give(memory);
        assert!(pool.take(1001).is_none(), "it is too small");
        assert!(pool.take(600).is_none(), "it is far too large");
        let again = pool.take(700).unwrap_or_default();
        assert_eq!((again.bytes().as_ptr(), again.lines()), (place, 1000));
    }

    #[test]
    fn idle_memory_is_bounded() {
        let mut pool = Pool::new();
        let mut held = Vec::new();
        for i in 0..1000usize {
            let lines = 256 + i * 7919 % 5000;
            held.push(pool.take(lines).unwrap_or_else(|| Memory::fresh(lines)));
            if held.len() > i * 31 % 17 {
                pool.give(held.swap_remove(i % held.len()));
            }
            let used: usize = held.iter().map(Memory::lines).sum();
            let idle: usize = pool.idle.iter().map(|(lines, kept)| lines * kept.len()).sum();
            assert_eq!((used, idle), (pool.used_lines, pool.idle_lines));
            assert!(used + idle <= pool.bound() && used <= pool.most_used);
        }
    }

    #[test]
    fn values_lie_on_cache_lines() {
        for len in [0, 1, 17, 100_000, 3_000_001] {
            let buffer = Buffer::zeros(len);
            assert_eq!((buffer.len(), buffer.as_ptr() as usize % 64), (len, 0));
            assert!(buffer.iter().all(|&v| v == 0.0));
        }
    }
}
