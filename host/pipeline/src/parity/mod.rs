//! A folder of nnU-Net's own numbers against ours: one row a comparison.
//!
//! The folder has some or all of `fingerprint`, `plans`, `planner`, `preproc`, `network`, `metrics`, `training` and `predict`
//! (`docs/parity.md` says what lies in each). A section takes the inputs that it finds there, runs the code that the commands run, and
//! compares. A file that no section understands is a row that fell short, and what cannot be compared for want of something outside the
//! folder is said in [`Parity::not_compared`].

mod arrays;
mod desk;
mod files;
mod fingerprint;
mod metrics;
mod models;
mod network;
mod planning;
mod predict;
mod preproc;
mod row;
mod summaries;
mod tolerance;
mod training;
mod tree;
mod write;

pub use row::{Parity, Row, Verdict};
pub use write::{nearest, number, side};

use std::path::{Path, PathBuf};

use engine::Device;
use registry::Registry;

use crate::error::{Error, Result};
use crate::progress::Report;
use desk::Desk;
use files::{Files, Use};

/// A part of the folder, in the order in which they are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Fingerprints of raw datasets and of single cases.
    Fingerprint,
    /// Fingerprints, splits and plans of real datasets.
    Plans,
    /// Plans of synthetic fingerprints.
    Planner,
    /// Preprocessed cases, exported logits, resampling.
    Preproc,
    /// Networks: outputs, losses, gradients, steps.
    Network,
    /// Losses, rules, windows, components, scores.
    Metrics,
    /// Checkpoints and validation.
    Training,
    /// Predictions, ensembles, postprocessing.
    Predict,
}

impl Section {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Fingerprint, Self::Plans, Self::Planner, Self::Preproc, Self::Network, Self::Metrics, Self::Training, Self::Predict];

    /// The name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fingerprint => "fingerprint",
            Self::Plans => "plans",
            Self::Planner => "planner",
            Self::Preproc => "preproc",
            Self::Network => "network",
            Self::Metrics => "metrics",
            Self::Training => "training",
            Self::Predict => "predict",
        }
    }

    /// The section of that name.
    ///
    /// # Errors
    /// There is none; the error lists them all.
    pub fn named(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|section| section.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::invalid(format!("there is no section {name}; there are {names}"))
        })
    }

    fn run(self, desk: &mut Desk<'_>) -> Result<()> {
        match self {
            Self::Fingerprint => fingerprint::run(desk),
            Self::Plans => planning::run(desk, "plans"),
            Self::Planner => planning::run(desk, "planner"),
            Self::Preproc => preproc::run(desk),
            Self::Network => network::run(desk),
            Self::Metrics => metrics::run(desk),
            Self::Training => training::run(desk),
            Self::Predict => predict::run(desk),
        }
    }
}

/// What a walk needs beside the folder.
pub struct Options<'a> {
    /// The sections to walk.
    pub sections: Vec<Section>,
    /// Folders with raw datasets, for those whose images are not in the folder itself.
    pub data: Vec<PathBuf>,
    /// Networks and losses.
    pub registry: &'a Registry,
    /// Where tensors live.
    pub device: Device,
    /// Cases at a time, at most.
    pub num_processes: usize,
}

/// Files that tell how the folder was made, by their names wherever they lie.
const INFORMATION: [&str; 6] = ["README.md", "pip_freeze.txt", "timings.txt", "bench.json", "scan.json", "parity.json"];
/// The folder of what nnU-Net's commands say to `-h`.
const HELP: &str = "cli_help";

/// Walks `folder`.
///
/// # Errors
/// The folder cannot be listed, or has none of the sections. What goes wrong later is a row.
pub fn run(folder: &Path, options: &Options<'_>, report: Report<'_>) -> Result<Parity> {
    let files = Files::list(folder)?;
    let there = files.folders_in("");
    if !options.sections.iter().any(|section| there.contains(section.name())) {
        let names = options.sections.iter().map(|section| section.name()).collect::<Vec<_>>().join(", ");
        return Err(Error::content(folder, format!("has none of the folders {names}; docs/parity.md says what a folder to compare with looks like")));
    }
    let mut desk = Desk::new(files, options, report);
    note_information(&mut desk);
    for section in &options.sections {
        if there.contains(section.name()) {
            desk.attempt(section.name(), |desk| section.run(desk));
        }
    }
    let judged = |name: &str| {
        options.sections.len() == Section::ALL.len() || options.sections.iter().any(|section| name.starts_with(&format!("{}/", section.name())))
    };
    let unknown: Vec<String> = desk.files.of_use(Use::Unknown).filter(|name| judged(name)).map(str::to_owned).collect();
    for name in unknown {
        desk.fell_short(&name, "the file was not understood, so nothing was compared with it");
    }
    let count = |wanted: Use| desk.files.of_use(wanted).count();
    let (compared, inputs, information) = (count(Use::Compared), count(Use::Input), count(Use::Information));
    Ok(Parity { rows: desk.rows, not_compared: desk.not_compared, compared, inputs, information })
}

fn note_information(desk: &mut Desk<'_>) {
    desk.files.note_below(HELP, Use::Information);
    let known: Vec<String> =
        desk.files.of_use(Use::Unknown).filter(|name| INFORMATION.contains(&name.rsplit('/').next().unwrap_or(name))).map(str::to_owned).collect();
    known.iter().for_each(|name| desk.files.note(name, Use::Information));
}
