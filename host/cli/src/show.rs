//! What a user sees: results on stdout; bars on a terminal and plain lines elsewhere on stderr.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use pipeline::{
    progress::{Progress, duration},
    train::{Iteration, Observer},
};
use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc, LazyLock, Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// All bars, so that a line is never written through one.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
/// Where there is no terminal, a step of many cases says this often how far it is.
const LINES: usize = 20;

/// A line of a result. A reader that has seen enough (`| head`) is no failure.
pub(crate) fn line(text: &str) {
    BARS.suspend(|| drop(writeln!(io::stdout(), "{text}")));
}

/// A line that is no result.
pub(crate) fn note(text: &str) {
    BARS.suspend(|| drop(writeln!(io::stderr(), "{text}")));
}

/// Where a column's cells stand.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Rows as columns two blanks apart, each as wide as its widest cell; columns beyond those of `sides` stand as its last one does.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]], sides: &[Side]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let cell = |column: usize, text: &str| match sides.get(column).or(sides.last()) {
        Some(Side::Right) => format!("{text:>width$}", width = widths[column]),
        _ => format!("{text:width$}", width = widths[column]),
    };
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().enumerate().map(|(column, text)| cell(column, text)).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The log of the libraries; `nnUNet_verbose` and `--verbose` ask for all of it.
pub(crate) fn log(verbose: bool) {
    let filter = if verbose { "warn,host=debug,pipeline=debug,registry=debug,engine=debug,volume=debug" } else { "warn" };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).without_time().with_target(false).with_ansi(false).with_writer(|| Log);
    // a second one would be refused, and there is none
    let _ = subscriber.try_init();
}

/// Stderr above the bars.
struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write_all(bytes)).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A bar beside those that are there.
pub(crate) fn bar(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    BARS.add(ProgressBar::no_length().with_style(style))
}

/// Steps of many cases.
#[derive(Default)]
pub(crate) struct Cases {
    /// The step that is under way, with its bar.
    now: Mutex<Option<(String, ProgressBar)>>,
}

impl Cases {
    /// Told by a pipeline, from any thread.
    pub(crate) fn report(&self, at: Progress<'_>) {
        if !io::stderr().is_terminal() {
            if worth_a_line(at.done, at.total) {
                note(&format!("{}: {}/{} {}", at.step, at.done, at.total, at.case));
            }
            return;
        }
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.as_ref().is_none_or(|(step, _)| step != at.step) {
            *now = Some((at.step.to_owned(), bar("{prefix} {wide_bar} {pos}/{len} {msg} {eta}").with_prefix(at.step.to_owned())));
        }
        if let Some((_, bar)) = &*now {
            bar.set_length(at.total as u64);
            bar.set_position(bar.position().max(at.done as u64));
            bar.set_message(at.case.to_owned());
            if at.done == at.total {
                bar.finish();
            }
        }
    }
}

/// Whether another of [`LINES`] parts of `total` is done with `done`.
fn worth_a_line(done: usize, total: usize) -> bool {
    total <= LINES || done * LINES / total != done.saturating_sub(1) * LINES / total
}

/// A training: its log on stdout, and on a terminal a bar with loss, Dice and the time left.
pub(crate) struct Training {
    pace: Mutex<Option<Pace>>,
    validation: Cases,
    /// Set by a signal.
    stop: Arc<AtomicBool>,
    patience: Once,
}

impl Training {
    pub(crate) fn new(stop: Arc<AtomicBool>) -> Self {
        Training { pace: Mutex::default(), validation: Cases::default(), stop, patience: Once::new() }
    }
}

/// Where a training was when it was first seen.
struct Pace {
    bar: ProgressBar,
    since: Instant,
    first: usize,
}

impl Observer for Training {
    fn line(&self, text: &str) {
        line(text);
    }

    fn iteration(&self, at: Iteration) {
        if !io::stderr().is_terminal() {
            return;
        }
        let done = at.epoch * at.total + at.done;
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = pace.get_or_insert_with(|| Pace { bar: bar("{prefix} {wide_bar} {pos}/{len} {msg}"), since: Instant::now(), first: done });
        let left = time_left(pace.since.elapsed(), done - pace.first.min(done), at.epochs * at.total - done.min(at.epochs * at.total));
        pace.bar.set_prefix(format!("epoch {}/{}", at.epoch + 1, at.epochs));
        pace.bar.set_length(at.total as u64);
        pace.bar.set_position(at.done as u64);
        let dice = at.dice.map_or(String::new(), |dice| format!(" dice {dice:.3}"));
        pace.bar.set_message(format!("loss {:.4}{dice}{left}", at.loss));
    }

    fn validated(&self, done: usize, total: usize) {
        if let Some(pace) = self.pace.lock().unwrap_or_else(PoisonError::into_inner).take() {
            pace.bar.finish_and_clear();
        }
        if self.stop.load(Ordering::Relaxed) && done < total {
            self.patience.call_once(|| note("the final validation goes on to its end; Ctrl-C stops it, and --val does it again"));
        }
        self.validation.report(Progress { step: "validation", done, total, case: "" });
    }
}

/// ` 3h12 left`, once `done` iterations took `elapsed` and `todo` remain.
fn time_left(elapsed: Duration, done: usize, todo: usize) -> String {
    if done == 0 {
        return String::new();
    }
    format!(" {} left", duration(elapsed.mul_f64(todo as f64 / done as f64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_few_and_the_last_case_has_one() {
        for total in [1, 19, 20, 21, 100, 1001] {
            let lines: Vec<usize> = (1..=total).filter(|&done| worth_a_line(done, total)).collect();
            assert_eq!(lines.len(), total.min(LINES), "{total}");
            assert_eq!(lines.last(), Some(&total));
        }
    }

    #[test]
    fn time_left_is_in_two_units() {
        let left = |seconds, todo| time_left(Duration::from_secs(seconds), 10, todo);
        assert_eq!(left(10, 59), " 59s left");
        assert_eq!(left(10, 61), " 1m01 left");
        assert_eq!(left(100, 1152), " 3h12 left");
        assert_eq!(left(10, 2 * 86400 + 3 * 3600), " 2d 3h left");
        assert_eq!(time_left(Duration::from_secs(1), 0, 5), "");
    }
}
