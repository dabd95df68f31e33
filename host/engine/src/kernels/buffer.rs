//! Memory for f32 values that is kept for the next use: fresh pages cost as much as filling them.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Values of a line.
const LINE: usize = 16;
/// Buffers of fewer lines are left to the allocator.
const SMALL: usize = 256;

/// As many values as a cache line holds, where a cache line begins.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// f32 values on a boundary of 64 bytes. Dropped, its memory goes to a pool that the whole process shares.
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

/// Memory without a user, by its size in lines. In use and idle together it is never more than one and a half times of
/// the most that was ever in use.
struct Pool {
    idle: BTreeMap<usize, Vec<Vec<Line>>>,
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
    fn take(&mut self, lines: usize) -> Option<Vec<Line>> {
        let found = self.idle.range_mut(lines..=lines + lines / 2).find_map(|(_, kept)| kept.pop());
        self.used_lines += found.as_ref().map_or(lines, Vec::len);
        self.idle_lines -= found.as_ref().map_or(0, Vec::len);
        self.most_used = self.most_used.max(self.used_lines);
        self.shrink();
        found
    }

    fn give(&mut self, memory: Vec<Line>) {
        self.used_lines -= memory.len();
        self.idle_lines += memory.len();
        self.idle.entry(memory.len()).or_default().push(memory);
        self.shrink();
    }

    /// Frees the largest idle memory while there is too much.
    fn shrink(&mut self) {
        while self.used_lines + self.idle_lines > self.most_used / 2 * 3 {
            let Some(mut largest) = self.idle.last_entry() else { return };
            self.idle_lines -= largest.get_mut().pop().map_or(0, |memory| memory.len());
            if largest.get().is_empty() {
                largest.remove();
            }
        }
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
        Self { lines: kept.unwrap_or_else(|| bytemuck::zeroed_vec(count)), len }
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
        if self.lines.len() >= SMALL {
            POOL.lock().unwrap_or_else(PoisonError::into_inner).give(std::mem::take(&mut self.lines));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
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

    fn fresh(lines: usize) -> Vec<Line> {
        vec![Line([0.0; LINE]); lines]
    }

    #[test]
    fn what_was_given_is_taken_again() {
        let mut pool = Pool::new();
        assert!(pool.take(1000).is_none() && pool.take(50_000).is_none());
        let memory = fresh(1000);
        let place = memory.as_ptr();
        pool.give(memory);
        assert!(pool.take(1001).is_none(), "it is too small");
        assert!(pool.take(600).is_none(), "it is far too large");
        let again = pool.take(700).unwrap_or_default();
        assert_eq!((again.as_ptr(), again.len()), (place, 1000));
    }

    #[test]
    fn idle_memory_is_bounded() {
        let mut pool = Pool::new();
        let mut held = Vec::new();
        for i in 0..1000usize {
            let lines = 256 + i * 7919 % 5000;
            held.push(pool.take(lines).unwrap_or_else(|| fresh(lines)));
            if held.len() > i * 31 % 17 {
                pool.give(held.swap_remove(i % held.len()));
            }
            let used: usize = held.iter().map(Vec::len).sum();
            let idle: usize = pool.idle.iter().map(|(lines, kept)| lines * kept.len()).sum();
            assert_eq!((used, idle), (pool.used_lines, pool.idle_lines));
            assert!(used + idle <= pool.most_used / 2 * 3 && used <= pool.most_used);
        }
    }

    #[test]
    fn values_lie_on_cache_lines() {
        for len in [0, 1, 17, 100_000] {
            let buffer = Buffer::zeros(len);
            assert_eq!((buffer.len(), buffer.as_ptr() as usize % 64), (len, 0));
            assert!(buffer.iter().all(|&v| v == 0.0));
        }
    }
}
