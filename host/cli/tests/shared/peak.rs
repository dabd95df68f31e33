//! The memory of a process.

use std::{
    fs,
    process::{Child, ExitStatus},
    thread::sleep,
    time::Duration,
};

/// Waits for a process to end; its peak of the resident set, bytes. 0 where the system does not tell.
pub(crate) fn wait(mut child: Child) -> (ExitStatus, u64) {
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(1024 * kilobytes.unwrap_or(0));
        match child.try_wait().unwrap() {
            Some(status) => return (status, peak),
            None => sleep(Duration::from_millis(5)),
        }
    }
}
