//! How far one fold is, from the files in its folder.

use super::{
    command::{self, Way},
    epochs::epochs,
};
use crate::{
    claim::{self, Holder},
    error::Result,
    evaluate::Summary,
    json,
};
use jiff::ZonedDateTime;
use serde::Serialize;
use serde_json::Value;
use std::{fs, path::Path};

/// Files whose age is the fold's.
const SIGNS: [&str; 6] =
    ["training_log.txt", "metrics.csv", "checkpoint_best.pth", "checkpoint_latest.pth", "checkpoint_final.pth", "validation/summary.json"];

/// What is to be done with a fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing of it is there.
    NotBegun,
    /// A process trains or validates it.
    Running,
    /// No process does, and its training is not at its end.
    Stopped,
    /// Trained, and not validated.
    Finished,
    /// Trained and validated.
    Validated,
}

impl State {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            State::NotBegun => "not begun",
            State::Running => "running",
            State::Stopped => "stopped",
            State::Finished => "finished",
            State::Validated => "validated",
        }
    }
}

/// A fold as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoldStatus {
    /// A number, or `all`.
    pub fold: String,
    /// What is to be done with it.
    pub state: State,
    /// Who works on it.
    pub process: Option<Holder>,
    /// Epochs done.
    pub epoch: usize,
    /// Epochs in all, if it is known.
    pub epochs: Option<usize>,
    /// Mean pseudo Dice of the last epoch.
    pub pseudo_dice: Option<f64>,
    /// Its moving average.
    pub ema_pseudo_dice: Option<f64>,
    /// Mean foreground Dice of the final validation.
    pub validation_dice: Option<f64>,
    /// The checkpoint that `--c` goes on from.
    pub checkpoint: Option<String>,
    /// When a file of it last changed, with the offset from UTC.
    pub last_change: Option<String>,
    /// What to type to take it further.
    pub command: Option<String>,
    /// A file that cannot be understood.
    pub problem: Option<String>,
}

/// The fold called `fold` in `folder`, which need not be there. `words` are the arguments of a training where the fold keeps none of its own.
///
/// # Errors
/// The folder has no name.
pub(super) fn look(folder: &Path, fold: &str, words: &[String]) -> Result<FoldStatus> {
    let process = claim::holder(folder)?;
    let has = |name: &str| folder.join(name).is_file();
    let mut problem = None;
    let mut ask = |error: crate::error::Error| problem = Some(error.to_string());
    let rows = epochs(folder).unwrap_or_else(|error| {
        ask(error);
        vec![]
    });
    let debug: Value = if has("debug.json") { json::read(&folder.join("debug.json")).unwrap_or_default() } else { Value::Null };
    let validation_dice = if has("validation/summary.json") {
        Summary::read(&folder.join("validation/summary.json")).map(|summary| summary.foreground_mean.dice).map_err(ask).ok()
    } else {
        None
    };
    let checkpoint = ["checkpoint_latest.pth", "checkpoint_best.pth"].into_iter().find(|name| has(name)).map(str::to_owned);
    // both are there while a training that had ended is made longer, or made anew
    let trained = has("checkpoint_final.pth") && !has("checkpoint_latest.pth");
    let (state, way) = match &process {
        Some(_) => (State::Running, None),
        None if trained && has("validation/summary.json") => (State::Validated, None),
        None if trained => (State::Finished, Some(Way::Validate)),
        None if checkpoint.is_some() => (State::Stopped, Some(Way::GoOn)),
        None if has("training_log.txt") => (State::Stopped, Some(Way::Begin)),
        None => (State::NotBegun, Some(Way::Begin)),
    };
    let last = rows.last().copied().unwrap_or_default();
    let own = command::kept(&debug);
    Ok(FoldStatus {
        fold: fold.to_owned(),
        epoch: rows.len(),
        // nnU-Net's file holds texts
        epochs: debug.get("num_epochs").and_then(|n| n.as_u64().or_else(|| n.as_str()?.parse().ok())).and_then(|n| usize::try_from(n).ok()),
        pseudo_dice: last.mean_fg_dice,
        ema_pseudo_dice: last.ema_fg_dice,
        validation_dice,
        checkpoint: checkpoint.filter(|_| !trained),
        last_change: SIGNS
            .iter()
            .filter_map(|name| fs::metadata(folder.join(name)).ok()?.modified().ok())
            .max()
            .and_then(|time| Some(ZonedDateTime::try_from(time).ok()?.strftime("%FT%T%:z").to_string())),
        command: way.map(|way| command::line(own.as_deref().unwrap_or(words), fold, way)),
        state,
        process,
        problem,
    })
}
