//! How much memory there is, and how many cases fit into it.

use crate::error::{Error, Result};
use std::sync::OnceLock;
use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

/// Bytes of a GiB.
pub const GIB: f64 = 1_073_741_824.0;

/// Bytes as GiB.
pub fn gib(bytes: u64) -> f64 {
    bytes as f64 / GIB
}

/// What this process may take, bytes, where the user said so.
static BUDGET: OnceLock<u64> = OnceLock::new();

/// Lets this process take no more than so many bytes. The first call holds for the life of the process.
pub fn set_budget(bytes: u64) {
    let _ = BUDGET.set(bytes);
}

/// What [`set_budget`] said.
pub fn budget() -> Option<u64> {
    BUDGET.get().copied()
}

/// Bytes that can still be had: what the system has free, or less where a control group or [`set_budget`] limits it. `u64::MAX` where nobody
/// can say.
pub fn available() -> u64 {
    budget().map_or(u64::MAX, |bytes| bytes.saturating_sub(taken())).min(free())
}

/// Bytes that this process holds now.
pub(crate) fn taken() -> u64 {
    let Ok(own) = sysinfo::get_current_pid() else { return 0 };
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, ProcessRefreshKind::nothing().with_memory());
    system.process(own).map_or(0, |process| process.memory())
}

fn free() -> u64 {
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()));
    let free = match system.available_memory() {
        0 => u64::MAX,
        bytes => bytes,
    };
    system.cgroup_limits().map_or(free, |limits| free.min(limits.total_memory.saturating_sub(limits.rss)))
}

/// Bytes that reading and preprocessing an image of so many channels and voxels takes at most; `network` are the voxels that come out.
pub(crate) fn preparing(channels: usize, image: u64, network: u64) -> u64 {
    let channels = channels as u64;
    // a copy in new axes, the mask, labels; what comes out; a channel before and after a pass of resampling
    let parts = [image.saturating_mul(8 * channels + 1 + 2), network.saturating_mul(2 + 4 * channels), image.max(network).saturating_mul(8)];
    parts.into_iter().fold(0, u64::saturating_add)
}

/// Of `wanted` cases at a time, as many as fit where each takes as much as the largest of them: the names and bytes in `cases`.
///
/// # Errors
/// Not even that one fits; it and both sizes are named.
pub(crate) fn workers<'a>(wanted: usize, cases: impl IntoIterator<Item = (&'a str, u64)>) -> Result<usize> {
    fitting(wanted, cases, available())
}

fn fitting<'a>(wanted: usize, cases: impl IntoIterator<Item = (&'a str, u64)>, room: u64) -> Result<usize> {
    let Some((largest, bytes)) = cases.into_iter().max_by_key(|(_, bytes)| *bytes).filter(|(_, bytes)| *bytes > 0) else {
        return Ok(wanted.max(1));
    };
    match usize::try_from(room / bytes).unwrap_or(usize::MAX) {
        0 => {
            let text = format!("needs {:.2} GiB of memory and {:.2} GiB can be had", gib(bytes), gib(room));
            Err(Error::invalid(format!("{text}; free some, give --max-ram more, or use a machine with more")).in_case(largest))
        }
        fit => {
            if fit < wanted {
                tracing::debug!(
                    "{fit} cases at a time instead of {wanted}: {largest} may take {:.2} GiB, {:.2} GiB can be had",
                    gib(bytes),
                    gib(room)
                );
            }
            Ok(wanted.min(fit).max(1))
        }
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
    fn no_image_is_too_large_to_be_foretold() {
        assert_eq!(preparing(2, 10, 20), 10 * 19 + 2 * 20 + 8 * 20 + 8 * 20);
        assert_eq!((preparing(2, u64::MAX, 1), preparing(1, 1, u64::MAX / 2)), (u64::MAX, u64::MAX));
    }

    #[test]
    fn as_many_as_fit() {
        assert_eq!(fitting(8, [("a", 10), ("b", 2)], 35).unwrap(), 3);
        assert_eq!(fitting(2, [("a", 10)], 35).unwrap(), 2);
        assert_eq!(fitting(0, [("a", 10)], 35).unwrap(), 1);
        assert_eq!(fitting(0, [], 35).unwrap(), 1);
        assert_eq!(fitting(4, [("done", 0)], 0).unwrap(), 4);
        let error = fitting(8, [("a", 1), ("b", 5 << 30), ("c", 2)], 1 << 30).unwrap_err().to_string();
        assert!(error.starts_with("case b: needs 5.00 GiB of memory and 1.00 GiB can be had"), "{error}");
        assert_eq!(workers(1, [("a", 0)]).unwrap(), 1);
    }

    #[test]
    fn this_process_holds_something() {
        let block = vec![1u8; 64 << 20];
        assert!(taken() > block.iter().map(|&byte| u64::from(byte)).sum());
    }
}
