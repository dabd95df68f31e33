//! One reservation of address space for the whole process, whose pages the system gives when they are first written. Lines of it are lent; what comes back
//! joins its neighbours, so that what a way forward left free serves a way back, which asks for other sizes, and no page is returned to be asked for again.

use super::places::Places;
use memmap2::{MmapMut, MmapOptions};
use std::ops::{Deref, DerefMut};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// Values of a line.
pub(super) const LINE: usize = 16;
/// Lines of address space: 1 TiB, which costs nothing until it is written.
const RESERVED: usize = 1 << 34;
/// Where the system does not allow 1 GiB, the allocator serves.
const LEAST: usize = 1 << 24;

/// As many values as a cache line holds, where a cache line begins.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([f32; LINE]);

struct Arena {
    first: *mut Line,
    lent: Mutex<Lent>,
    /// What holds the lines.
    _reserved: MmapMut,
}

/// What is lent of it, and what was.
struct Lent {
    places: Places,
    lines: usize,
    most: usize,
}

// SAFETY: the lines are the process's own and stay where they are, and each is in the hands of one loan at most.
unsafe impl Send for Arena {}
// SAFETY: see above.
unsafe impl Sync for Arena {}

static ARENA: LazyLock<Option<Arena>> = LazyLock::new(Arena::reserve);

impl Arena {
    fn reserve() -> Option<Self> {
        let mut sizes = std::iter::successors(Some(RESERVED), |lines| Some(lines / 2)).take_while(|&lines| lines >= LEAST);
        let possible = sizes.find(|&lines| Self::of(lines).is_some())?;
        // of a process that may not have it all (`ulimit -v`), half is for what else it needs
        Self::of(if possible == RESERVED { possible } else { possible / 2 })
    }

    fn of(lines: usize) -> Option<Self> {
        let mut reserved = MmapOptions::new().len(lines * size_of::<Line>()).no_reserve_swap().map_anon().ok()?;
        // a system without huge pages has small ones
        #[cfg(target_os = "linux")]
        let _ = reserved.advise(memmap2::Advice::HugePage);
        let lent = Mutex::new(Lent { places: Places::new(lines), lines: 0, most: 0 });
        Some(Self { first: reserved.as_mut_ptr().cast(), lent, _reserved: reserved })
    }

    fn lent(&self) -> MutexGuard<'_, Lent> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most lines that were ever lent at a time.
pub(super) fn most_lent() -> usize {
    ARENA.as_ref().map_or(0, |arena| arena.lent().most)
}

/// Lines of the reservation, until it is dropped.
pub(super) struct Loan {
    arena: &'static Arena,
    first: usize,
    lines: usize,
}

impl Loan {
    /// Lines with any values, if there is a reservation with so many left.
    pub(super) fn of(lines: usize) -> Option<Self> {
        let arena = ARENA.as_ref()?;
        let mut lent = arena.lent();
        let first = lent.places.take(lines)?;
        lent.lines += lines;
        lent.most = lent.most.max(lent.lines);
        Some(Self { arena, first, lines })
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut lent = self.arena.lent();
        lent.lines -= self.lines;
        lent.places.give(self.first, self.lines);
    }
}

impl Deref for Loan {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        // SAFETY: within the reservation, whose bytes are 0 or were written as lines; `Places` lends them to nobody else.
        unsafe { std::slice::from_raw_parts(self.arena.first.add(self.first), self.lines) }
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut [Line] {
        // SAFETY: as above, and the loan is the caller's alone.
        unsafe { std::slice::from_raw_parts_mut(self.arena.first.add(self.first), self.lines) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_to_a_loan_stays_there() {
        let loans: Vec<Loan> = (0..8u8)
            .map(|i| {
                let mut loan = Loan::of(300 + usize::from(i)).unwrap();
                loan.fill(Line([f32::from(i); LINE]));
                loan
            })
            .collect();
        for (i, loan) in loans.iter().enumerate() {
            assert!(loan.iter().all(|line| line.0 == [i as f32; LINE]));
        }
        assert!(most_lent() >= 2400);
    }
}
