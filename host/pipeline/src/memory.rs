//! How much memory there is, and how many cases fit into it.

use crate::error::{Error, Result};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Bytes that can still be had: what the system has free, or less where a control group limits it. `u64::MAX` where nobody can say.
pub fn available() -> u64 {
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()));
    let free = match system.available_memory() {
        0 => u64::MAX,
        bytes => bytes,
    };
    system.cgroup_limits().map_or(free, |limits| free.min(limits.total_memory.saturating_sub(limits.rss)))
}

/// Of `wanted` cases at a time, as many as fit where each takes `bytes` at most.
///
/// # Errors
/// Not even one fits; both sizes are named.
pub(crate) fn workers(wanted: usize, bytes: u64) -> Result<usize> {
    fitting(wanted, bytes, available())
}

fn fitting(wanted: usize, bytes: u64, room: u64) -> Result<usize> {
    let gib = |bytes: u64| bytes as f64 / f64::from(1u32 << 30);
    match usize::try_from(room / bytes.max(1)).unwrap_or(usize::MAX) {
        0 => Err(Error::invalid(format!("the largest case needs {:.2} GiB of memory and {:.2} GiB are free", gib(bytes), gib(room)))),
        fit => Ok(wanted.min(fit).max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_memory_is_free() {
        assert!(available() > 1 << 20);
    }

    #[test]
    fn as_many_as_fit() {
        assert_eq!(fitting(8, 10, 35).unwrap(), 3);
        assert_eq!(fitting(2, 10, 35).unwrap(), 2);
        assert_eq!(fitting(0, 10, 35).unwrap(), 1);
        let error = fitting(8, 5 << 30, 1 << 30).unwrap_err().to_string();
        assert_eq!(error, "the largest case needs 5.00 GiB of memory and 1.00 GiB are free");
        assert_eq!(workers(1, 0).unwrap(), 1);
    }
}
