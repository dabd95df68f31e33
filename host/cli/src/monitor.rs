//! A training as text: a block that is drawn again and again, or a line an epoch.

use crate::failure::Failure;
use pipeline::{
    claim::Holder,
    status::{Epoch, FoldStatus, ModelStatus, State, epochs, usual_seconds},
};
use std::time::{Duration, SystemTime};

/// Columns of a curve.
const WIDTH: usize = 48;

/// A fold, and what it tells of its epochs.
pub(crate) struct Seen<'a> {
    model: &'a ModelStatus,
    fold: &'a FoldStatus,
    /// Those that it has behind it.
    pub(crate) epochs: Vec<Epoch>,
    /// Since the last of them.
    since: Duration,
}

impl<'a> Seen<'a> {
    pub(crate) fn of(model: &'a ModelStatus, fold: &'a FoldStatus) -> Result<Self, Failure> {
        let folder = model.fold_folder(&fold.fold);
        let changed = std::fs::metadata(folder.join("metrics.csv")).and_then(|about| about.modified());
        let since = changed.ok().and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default();
        Ok(Seen { model, fold, epochs: epochs(&folder)?, since })
    }

    /// What is left once `done` epochs are; none where nobody knows.
    fn left(&self, done: usize) -> Option<String> {
        let todo = self.fold.epochs?.checked_sub(done).filter(|&todo| todo > 0)?;
        let behind = if done == self.epochs.len() { self.since.as_secs_f64() } else { 0.0 };
        let seconds = (usual_seconds(self.epochs.get(..done)?)? * todo as f64 - behind).max(0.0);
        Some(pipeline::progress::duration(Duration::from_secs_f64(seconds)))
    }
}

/// One epoch, counted from 0.
pub(crate) fn line(seen: &Seen<'_>, epoch: usize) -> String {
    let Some(at) = seen.epochs.get(epoch) else { return String::new() };
    let of = seen.fold.epochs.map_or(String::new(), |all| format!("/{all}"));
    let left = seen.left(epoch + 1).map_or(String::new(), |left| format!(", {left} left"));
    format!(
        "fold {} epoch {}{of}: train_loss {}, val_loss {}, pseudo Dice {} (EMA {}), learning rate {}, {} s{left}",
        seen.fold.fold,
        epoch + 1,
        number(at.train_loss, 4),
        number(at.val_loss, 4),
        number(at.mean_fg_dice, 4),
        number(at.ema_fg_dice, 4),
        number(at.learning_rate, 5),
        number(at.seconds, 1)
    )
}

/// All of it, a curve a line.
pub(crate) fn block(seen: &Seen<'_>) -> String {
    let (fold, model) = (seen.fold, seen.model);
    let who = fold.process.as_ref().map_or(String::new(), |process| format!(": {}", worker(process)));
    let head = format!("{} {} {} fold {}  {}{who}", model.dataset, model.trainer, model.configuration, fold.fold, fold.state.name());
    let left = if fold.state == State::Running { seen.left(seen.epochs.len()) } else { None };
    let left = left.map_or(String::new(), |left| format!("{left} left"));
    let last = seen.epochs.last().copied().unwrap_or_default();
    let curve = |of: fn(&Epoch) -> Option<f64>| sparkline(&seen.epochs.iter().map(of).collect::<Vec<_>>(), WIDTH);
    let mut rows = vec![
        ["epoch", &epoch(fold), &left].map(str::to_owned),
        ["train loss".into(), number(last.train_loss, 4), curve(|e| e.train_loss)],
        ["validation loss".into(), number(last.val_loss, 4), curve(|e| e.val_loss)],
        ["pseudo Dice".into(), number(last.mean_fg_dice, 4), curve(|e| e.mean_fg_dice)],
        ["its EMA".into(), number(last.ema_fg_dice, 4), curve(|e| e.ema_fg_dice)],
        ["learning rate".into(), number(last.learning_rate, 5), curve(|e| e.learning_rate)],
        ["epoch time, s".into(), number(last.seconds, 1), curve(|e| e.seconds)],
    ];
    if let Some(dice) = fold.validation_dice {
        rows.push(["validation Dice".into(), number(Some(dice), 4), String::new()]);
    }
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (wide(0), wide(1));
    let text: Vec<String> = rows.iter().map(|[a, b, c]| format!("  {a:first$}  {b:>second$}  {c}").trim_end().to_owned()).collect();
    let command = fold.command.as_ref().map_or(String::new(), |command| format!("\n  to go on: {command}"));
    format!("{head}\n{}{command}", text.join("\n"))
}

/// `12/1000`
pub(crate) fn epoch(fold: &FoldStatus) -> String {
    match fold.epochs {
        Some(epochs) => format!("{}/{epochs}", fold.epoch),
        None => fold.epoch.to_string(),
    }
}

/// Process, machine and time.
pub(crate) fn worker(process: &Holder) -> String {
    match process.pid {
        0 => "a process that has just begun".into(),
        pid => format!("process {pid} on {} since {}", process.machine, minute(&process.since)),
    }
}

/// `2026-11-26 12:49` of the time of a file.
pub(crate) fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// The values from the lowest to the highest as blocks of eight heights, `width` of them at most: each is the mean of its stretch. A stretch without
/// a value is a gap.
fn sparkline(values: &[Option<f64>], width: usize) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let columns = values.len().min(width);
    let mean = |column: usize| {
        let stretch = values.get(column * values.len() / columns..(column + 1) * values.len() / columns).unwrap_or_default();
        let known: Vec<f64> = stretch.iter().flatten().copied().filter(|value| value.is_finite()).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    let means: Vec<Option<f64>> = (0..columns).map(mean).collect();
    let lowest = means.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let range = means.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max) - lowest;
    let height = |value: f64| if range > 0.0 { ((value - lowest) / range * 7.0).round() as usize } else { 0 };
    means.iter().map(|mean| mean.map_or(' ', |value| HEIGHTS[height(value).min(7)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_go_from_the_lowest_to_the_highest() {
        let some = |values: &[f64]| values.iter().map(|&v| Some(v)).collect::<Vec<_>>();
        assert_eq!(sparkline(&some(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), 8), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&some(&[0.0, 2.0, 6.0, 8.0]), 2), "▁█");
        assert_eq!(sparkline(&[Some(-1.0), None, Some(f64::NAN), Some(-3.0)], 9), "█  ▁");
        assert_eq!(sparkline(&some(&[5.0, 5.0]), 9), "▁▁");
        assert_eq!(sparkline(&[], 9), "");
    }
}
