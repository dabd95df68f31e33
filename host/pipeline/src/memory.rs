//! How much memory there is, and how many cases fit into it.

use crate::error::{Error, Result};

/// Bytes that the system can give without swapping; none where it does not say.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib: u64 = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Of `wanted` cases at a time, as many as fit where each takes `bytes` at most.
///
/// # Errors
/// Not even one fits; both sizes are named.
pub(crate) fn workers(wanted: usize, bytes: u64) -> Result<usize> {
    available().map_or(Ok(wanted), |room| fitting(wanted, bytes, room))
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
    fn as_many_as_fit() {
        assert_eq!(fitting(8, 10, 35).unwrap(), 3);
        assert_eq!(fitting(2, 10, 35).unwrap(), 2);
        assert_eq!(fitting(0, 10, 35).unwrap(), 1);
        let error = fitting(8, 5 << 30, 1 << 30).unwrap_err().to_string();
        assert_eq!(error, "the largest case needs 5.00 GiB of memory and 1.00 GiB are free");
        assert_eq!(workers(1, 0).unwrap(), 1);
    }
}
