//! A slice that tasks write to in parts that do not overlap, where the parts are no ranges: rows of a box, blocks of channels.

use std::marker::PhantomData;

/// A mutable slice in the hands of several tasks.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    start: *mut f32,
    len: usize,
    values: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is a `&mut [f32]`; whoever writes through it promises not to write where another task reads or writes.
unsafe impl Send for Shared<'_> {}
// SAFETY: see above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(super) fn new(values: &'a mut [f32]) -> Self {
        Self { start: values.as_mut_ptr(), len: values.len(), values: PhantomData }
    }

    /// `len` values from `first` on.
    ///
    /// # Safety
    /// No other task may touch them while the slice lives.
    #[inline(always)]
    pub(super) unsafe fn part(self, first: usize, len: usize) -> &'a mut [f32] {
        assert!(first + len <= self.len, "a part beyond the slice");
        // SAFETY: within the slice, and the caller's alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(first), len) }
    }

    /// The place of a value. The caller keeps within the slice, and tasks apart.
    #[inline(always)]
    pub(super) fn at(&self, place: usize) -> *mut f32 {
        self.start.wrapping_add(place)
    }
}
