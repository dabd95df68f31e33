//! Whether a device computes what the processor does, and how fast: for a machine that has a GPU and little else.

mod bench;
mod components;
mod operations;
mod plans;
mod rig;
mod taken;
mod torch;
mod training;

pub use plans::BenchSet;

use crate::error::{Error, Result};
use engine::Device;
use registry::Registry;
use serde::Serialize;
use serde_json::{Map, Value};
use std::{path::PathBuf, str::FromStr};

/// What is looked at; each takes minutes at most on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Every operation of the table, forward and backward.
    Ops,
    /// The losses of 20 training iterations on a phantom dataset.
    Train,
    /// Every architecture and loss that the registry has, one training step.
    Plugins,
    /// Whether iterations keep memory.
    Memory,
    /// Training iterations of plans for typical data, without the loader.
    Bench(BenchSet),
}

impl Part {
    /// In the order in which they run.
    pub const ALL: [Part; 8] = [
        Part::Ops,
        Part::Train,
        Part::Plugins,
        Part::Memory,
        Part::Bench(BenchSet::Ct),
        Part::Bench(BenchSet::Prostate),
        Part::Bench(BenchSet::Brats),
        Part::Bench(BenchSet::Flat),
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Part::Ops => "ops",
            Part::Train => "train",
            Part::Plugins => "plugins",
            Part::Memory => "memory",
            Part::Bench(set) => set.part(),
        }
    }

    /// Whether it holds the device against something, and does not only time it.
    pub fn checks(self) -> bool {
        !matches!(self, Part::Bench(_))
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Part::ALL.map(Part::name).join(", ");
        Part::ALL.into_iter().find(|part| part.name() == text).ok_or_else(|| format!("there is no part {text}; there are {}", known()))
    }
}

/// What a part found.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// Whether it is as it should be; a time always is.
    pub passed: bool,
    /// What was found.
    pub found: String,
    /// The same in numbers.
    #[serde(flatten)]
    pub figures: Map<String, Value>,
}

impl Check {
    fn new(what: impl Into<String>, passed: bool, found: impl Into<String>, figures: Value) -> Self {
        let figures = if let Value::Object(figures) = figures { figures } else { Map::new() };
        Check { what: what.into(), passed, found: found.into(), figures }
    }
}

/// Where and with what.
pub struct Bed<'a> {
    /// The device that is looked at.
    pub device: &'a Device,
    /// Whose architectures and losses.
    pub registry: &'a Registry,
    /// A Python with PyTorch, which runs the networks of `bench-...` too.
    pub python: Option<PathBuf>,
}

/// Runs a part; `tell` hears of each check when it is done.
///
/// # Errors
/// Something that is no answer of the device: files of the phantom dataset cannot be written, a plan cannot be made.
pub fn run(part: Part, bed: &Bed<'_>, tell: &mut dyn FnMut(Check)) -> Result<()> {
    match part {
        Part::Ops => {
            operations::run(bed, tell);
            Ok(())
        }
        Part::Train => training::run(bed, tell),
        Part::Plugins => components::run(bed, tell),
        Part::Memory => taken::run(bed, tell),
        Part::Bench(set) => bench::run(set, bed, tell),
    }
}

/// What went wrong with a component is an answer, and no end of the test.
fn said<T>(result: Result<T>) -> std::result::Result<T, String> {
    result.map_err(|error: Error| error.to_string())
}
