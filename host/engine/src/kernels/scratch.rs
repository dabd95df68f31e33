//! Buffers kept from one call to the next: fresh pages cost as much as filling them.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Buffers a thread keeps, at most: as many as both gradients of a convolution take.
const KEPT: usize = 3;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer whose values are left over from an earlier use; its thread keeps it for the next.
pub(super) struct Scratch(Vec<f32>);

impl Scratch {
    /// `len` values, whatever they are.
    pub(super) fn take(len: usize) -> Self {
        let mut values = BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default();
        if values.capacity() < len {
            values = vec![0.0; len];
        }
        values.resize(len, 0.0);
        Self(values)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        // a thread that ends has no buffers any more
        let _ = BUFFERS.try_with(|buffers| {
            let mut buffers = buffers.borrow_mut();
            if buffers.len() < KEPT {
                buffers.push(values);
            }
            buffers.sort_by_key(Vec::capacity);
        });
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}
