//! The same call again and again: what differs, and what is left behind.

use super::{Failed, Found, fail, pass, skip, warn};
use std::{fs, thread, time::Duration};

/// Calls between two looks at threads and memory.
const CALLS: usize = 16;
/// Growth over [`CALLS`] calls that an allocator does not have once it is warm.
const GROWTH: u64 = 1 << 20;
/// So often in a row memory must grow to be called a leak: that of a network which keeps nothing has been seen to grow three times in a row on a busy machine.
const LOOKS: usize = 12;

/// A number of `/proc/PID/status` (`self` for this process), sizes in bytes; `None` where there is no such file.
pub(super) fn status(process: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(if line.trim_end().ends_with("kB") { number * 1024 } else { number })
}

/// The results of one question asked twice on all threads, then on one and on four, each with words that say so.
pub(super) fn on_threads<T: Send>(ask: impl Fn() -> Result<T, String> + Sync) -> Result<Vec<(&'static str, T)>, Failed> {
    let mut all = vec![("the first time", ask()?), ("the second time", ask()?)];
    for (threads, which) in [(1, "on one thread"), (4, "on four threads")] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        all.push((which, pool.install(&ask)?));
    }
    Ok(all)
}

/// Whether one question has one answer: twice, and on one thread and four.
pub(super) fn same<T: PartialEq + Send>(ask: impl Fn() -> Result<T, String> + Sync) -> Found {
    let all = on_threads(ask)?;
    match all[1..].iter().find(|(_, other)| *other != all[0].1) {
        Some((which, _)) => fail(format!("equal questions are answered differently {which}")),
        None => pass(""),
    }
}

/// Whether threads stay behind that the host did not start.
pub(super) fn threads(mut call: impl FnMut() -> Result<(), Failed>) -> Found {
    let count = || {
        // a thread that was joined may be on its way out still
        thread::sleep(Duration::from_millis(50));
        status("self", "Threads")
    };
    rayon::broadcast(|_| ()); // the host's own
    let Some(before) = count() else { return skip("this system does not say how many threads a process has") };
    call()?;
    let first = count().unwrap_or(before);
    (0..CALLS).try_for_each(|_| call())?;
    let last = count().unwrap_or(first);
    match (first.saturating_sub(before), last.saturating_sub(first)) {
        (_, more) if more >= CALLS as u64 / 2 => fail(format!("{CALLS} calls left {more} threads running; join what is spawned, or keep one pool")),
        (0, 0) => pass(""),
        (own, more) => warn(format!("{} thread(s) of its own stay; the host's loaders and the device share the cores already", own + more)),
    }
}

/// The peak, and whether memory grows from call to call.
pub(super) fn memory(mut call: impl FnMut() -> Result<(), Failed>) -> Found {
    let Some(start) = status("self", "VmRSS") else { return skip("this system does not say how much memory a process has") };
    (0..CALLS).try_for_each(|_| call())?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let held = || status("self", "VmRSS").unwrap_or(start);
    let (mut before, mut least) = (held(), u64::MAX);
    for _ in 0..LOOKS {
        (0..CALLS).try_for_each(|_| call())?;
        let now = held();
        least = least.min(now.saturating_sub(before));
        if least < GROWTH {
            return pass(format!("peak {:.0} MiB, the host's own {:.0} MiB included", mib(status("self", "VmHWM").unwrap_or(start)), mib(start)));
        }
        before = now;
    }
    fail(format!("memory grows by {:.1} MiB every {CALLS} calls; something is kept from call to call", mib(least)))
}
