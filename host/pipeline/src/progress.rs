//! How long work tells how far it is, and how it spreads over cases.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};

/// A step of `done` out of `total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What is done: `fingerprint`, `preprocess 3d_fullres`, ...
    pub step: &'a str,
    /// Cases finished.
    pub done: usize,
    /// Cases in all.
    pub total: usize,
    /// The case that was just finished.
    pub case: &'a str,
}

/// Who is told. It is called from the threads that do the work.
pub type Report<'a> = &'a (dyn Fn(Progress<'_>) + Sync);

/// Tells nobody.
pub fn silent(_: Progress<'_>) {}

/// A time in its two largest units: `45s`, `3m07`, `3h12`, `2d 3h`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m{s:02}"),
        (0, h, m, _) => format!("{h}h{m:02}"),
        (d, h, ..) => format!("{d}d {h}h"),
    }
}

/// Does `work` for each of `items` with at most `workers` at a time, and gives the results in the order of the items.
///
/// `workers` is cut to the number of cores: more would only take memory. After the first failure no further item is begun.
///
/// # Errors
/// The first failure in the order of the items, with the item's name.
pub fn for_each_case<I: Sync, T: Send>(
    step: &str,
    items: &[I],
    name: impl Fn(&I) -> &str + Sync,
    workers: usize,
    report: Report<'_>,
    work: impl Fn(&I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = workers.min(cores).min(items.len()).max(1);
    let (next, done, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let results = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = work(item).map_err(|error| error.in_case(name(item)));
                    match &result {
                        Ok(_) => {
                            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                            report(Progress { step, done, total: items.len(), case: name(item) });
                        }
                        Err(_) => failed.store(true, Ordering::Relaxed),
                    }
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect::<Result<Vec<T>, Error>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_failures_name_the_case() {
        let items: Vec<String> = (0..50).map(|i| format!("case_{i:02}")).collect();
        let double = |item: &String| Ok(item.repeat(2));
        let done = for_each_case("test", &items, |i| i, 8, &silent, double).unwrap();
        assert_eq!(done, items.iter().map(|i| i.repeat(2)).collect::<Vec<_>>());
        let fail = |item: &String| if item == "case_07" { Err(Error::invalid("odd")) } else { Ok(()) };
        let error = for_each_case("test", &items, |i| i, 8, &silent, fail).unwrap_err();
        assert_eq!(error.to_string(), "case case_07: odd");
    }

    #[test]
    fn no_more_than_the_workers_are_in_flight() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items: Vec<String> = (0..20).map(|i| i.to_string()).collect();
        for_each_case(
            "test",
            &items,
            |i| i,
            1,
            &silent,
            |_| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(1));
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(most.into_inner(), 1);
    }
}
