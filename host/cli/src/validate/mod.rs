//! The checks of `validate-plugin`: each has a name and a line that says what it asks, and runs in a process of its own.

mod calls;
mod hooks;
mod library;
mod loss;
mod network;
mod plans;
pub(crate) mod sandbox;
mod slope;

use registry::{Kind, Level, Metadata, Offer, Options, Registry, SearchPath, State, Trust, judge};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a check found, with a line about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", content = "detail", rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// All is as it should be.
    Pass(String),
    /// It works, and the author should know something.
    Warn(String),
    /// The author has something to do.
    Fail(String),
    /// It could not be asked.
    Skip(String),
}

impl Verdict {
    /// What the output calls it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Verdict::Pass(_) => "pass",
            Verdict::Warn(_) => "warn",
            Verdict::Fail(_) => "FAIL",
            Verdict::Skip(_) => "skip",
        }
    }

    /// The line about it.
    pub(crate) fn detail(&self) -> &str {
        match self {
            Verdict::Pass(detail) | Verdict::Warn(detail) | Verdict::Fail(detail) | Verdict::Skip(detail) => detail,
        }
    }
}

/// An error of a check is a failure of the plugin: whatever went wrong, the author reads it.
pub(crate) type Found = Result<Verdict, Failed>;

/// Whatever ended a check.
type Failed = Box<dyn std::error::Error>;

fn pass(detail: impl Into<String>) -> Found {
    Ok(Verdict::Pass(detail.into()))
}

fn warn(detail: impl Into<String>) -> Found {
    Ok(Verdict::Warn(detail.into()))
}

fn fail(detail: impl Into<String>) -> Found {
    Ok(Verdict::Fail(detail.into()))
}

fn skip(detail: impl Into<String>) -> Found {
    Ok(Verdict::Skip(detail.into()))
}

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The file as a whole.
    File,
    /// Each component of a kind.
    Each(Kind),
}

macro_rules! checks {
    ($($check:ident $name:literal $subject:expr, $description:literal, $run:expr;)+) => {
        /// One question to a plugin.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Check { $(#[doc = $description] $check,)+ }

        impl Check {
            /// All of them, in the order in which they run.
            pub(crate) const ALL: &'static [Check] = &[$(Check::$check),+];

            /// What `--only`, `--skip` and the output call it.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Check::$check => $name,)+ }
            }

            /// What it asks.
            pub(crate) fn description(self) -> &'static str {
                match self { $(Check::$check => $description,)+ }
            }

            /// What it is about.
            pub(crate) fn subject(self) -> Subject {
                match self { $(Check::$check => $subject,)+ }
            }

            /// Asks. This runs the plugin's code.
            fn run(self, on: &Target) -> Found {
                match self { $(Check::$check => $run(on),)+ }
            }
        }
    };
}

const ARCHITECTURE: Subject = Subject::Each(Kind::Architecture);
const LOSS: Subject = Subject::Each(Kind::Loss);
const CONFIG: Subject = Subject::Each(Kind::Config);
const PLANNER: Subject = Subject::Each(Kind::Planner);
const PREPROCESSOR: Subject = Subject::Each(Kind::Preprocessor);
const NORMALIZATION: Subject = Subject::Each(Kind::Normalization);
const AUGMENTATION: Subject = Subject::Each(Kind::Augmentation);
const LR_SCHEDULE: Subject = Subject::Each(Kind::LrSchedule);

checks! {
    Scan "scan" Subject::File, "the file is a whole plugin for this machine and host; none of it runs", library::scan;
    Metadata "metadata" Subject::File, "id, version, author, licence and all descriptions are there", library::metadata;
    Load "load" Subject::File, "the library opens and its layout fits", library::load;
    Components "components" Subject::File, "the library makes each component that its records name", library::components;
    Builds3d "network-builds-3d" ARCHITECTURE, "builds from a 3D plan, on shapes alone", network::builds_3d;
    Builds2d "network-builds-2d" ARCHITECTURE, "builds from a 2D plan, on shapes alone", network::builds_2d;
    BuildsAnisotropic "network-builds-anisotropic" ARCHITECTURE, "builds from an anisotropic 3D plan, on shapes alone", network::builds_anisotropic;
    BuildsOdd "network-builds-odd-channels" ARCHITECTURE, "builds from a plan with odd numbers of channels, on shapes alone", network::builds_odd;
    NoRead "network-no-read" ARCHITECTURE, "forward reads no values, so that memory and graph are known beforehand", network::no_read;
    Heads "network-heads" ARCHITECTURE, "the first head has the patch's shape and a channel a class; no later head is finer", network::heads;
    Runs "network-runs" ARCHITECTURE, "runs in 3D, 2D and odd anisotropic sizes; values are finite and of the shapes that were foretold", network::runs;
    StateDict "network-state-dict" ARCHITECTURE, "names and shapes of the parameters are the same with and without deep supervision", network::state_dict;
    Parameters "network-parameters" ARCHITECTURE, "a gradient reaches every parameter", network::parameters;
    Gradient "network-gradient" ARCHITECTURE, "gradients of parameters agree with finite differences", network::gradient;
    Deterministic "network-deterministic" ARCHITECTURE, "equal seeds give equal parameters, logits and gradients, bit by bit, on any number of threads", network::deterministic;
    Leaks "network-leaks" ARCHITECTURE, "every tensor is released or returned", network::leaks;
    Threads "network-threads" ARCHITECTURE, "no thread is left running", network::threads;
    Memory "network-memory" ARCHITECTURE, "memory does not grow from call to call", network::memory;
    LossShapes "loss-shapes" LOSS, "runs on shapes alone, so that graph and memory are known beforehand, and depends on the logits", loss::shapes;
    LossGradient3d "loss-gradient-3d" LOSS, "the gradient agrees with finite differences on 8x8x8 voxels", loss::gradient_3d;
    LossGradient2d "loss-gradient-2d" LOSS, "the gradient agrees with finite differences on 16x16 pixels", loss::gradient_2d;
    LossGradientRegions "loss-gradient-regions" LOSS, "the gradient for regions agrees with finite differences", loss::gradient_regions;
    LossFinite "loss-finite" LOSS, "value and gradient are finite for random, empty, full and ignored targets, odd sizes and extreme logits", loss::finite;
    LossRegions "loss-regions" LOSS, "the same for regions", loss::regions;
    LossIgnored "loss-ignored" LOSS, "ignored voxels have no gradient, also where all are ignored", loss::ignored;
    LossHeads "loss-heads" LOSS, "the heads of deep supervision together have a finite loss, and a gradient each", loss::heads;
    LossPrepare "loss-prepare" LOSS, "prepares a label map with 391 lesions in time, and twice the same", loss::prepare;
    LossDeterministic "loss-deterministic" LOSS, "equal logits and labels give equal values and gradients, bit by bit, on any number of threads", loss::deterministic;
    LossLeaks "loss-leaks" LOSS, "every tensor is released or returned", loss::leaks;
    LossThreads "loss-threads" LOSS, "no thread is left running", loss::threads;
    LossMemory "loss-memory" LOSS, "memory does not grow from call to call", loss::memory;
    Resolves "config-resolves" CONFIG, "the config resolves with what it extends, and what it names exists", library::resolves;
    ConfigSettings "config-settings" CONFIG, "a training could begin: epochs, rates, batch and shares are possible; optimizer, schedule, augmentation and their settings exist", library::settings;
    Plans "planner-plans" PLANNER, "plans that the host accepts for cubes, thick slices, 2D, large and mixed images", hooks::planner::plans;
    PlansDeterministic "planner-deterministic" PLANNER, "equal fingerprints give equal plans", hooks::planner::deterministic;
    PreprocessorRuns "preprocessor-runs" PREPROCESSOR, "shapes, labels and finite values in 3D and 2D, the same with and without labels", hooks::preprocessor::runs;
    PreprocessorDeterministic "preprocessor-deterministic" PREPROCESSOR, "equal cases come out equal, on any number of threads", hooks::preprocessor::deterministic;
    PreprocessorThreads "preprocessor-threads" PREPROCESSOR, "no thread is left running", hooks::preprocessor::threads;
    PreprocessorMemory "preprocessor-memory" PREPROCESSOR, "memory does not grow from case to case", hooks::preprocessor::memory;
    NormalizationFinite "normalization-finite" NORMALIZATION, "finite values for noise, one value and zeros; nothing outside a mask is changed", hooks::arrays::normalization_finite;
    NormalizationDeterministic "normalization-deterministic" NORMALIZATION, "equal channels come out equal", hooks::arrays::normalization_deterministic;
    AugmentationRuns "augmentation-runs" AUGMENTATION, "shapes stay, values are finite, no new label appears, in 3D and 2D", hooks::arrays::augmentation_runs;
    AugmentationDeterministic "augmentation-deterministic" AUGMENTATION, "equal seeds give equal samples, on any number of threads", hooks::arrays::augmentation_deterministic;
    AugmentationMemory "augmentation-memory" AUGMENTATION, "memory does not grow from sample to sample", hooks::arrays::augmentation_memory;
    ScheduleRates "lr_schedule-rates" LR_SCHEDULE, "rates are finite, not below 0, not all 0, and the same when asked again", hooks::arrays::schedule;
}

impl Check {
    /// The check of this name.
    pub(crate) fn named(name: &str) -> Option<Check> {
        Check::ALL.iter().copied().find(|c| c.name() == name)
    }

    /// Whether `text` is its name or a part of it up to a dash: `loss`, `network-builds`.
    pub(crate) fn matches(self, text: &str) -> bool {
        self.name().strip_prefix(text).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// What a check is asked of.
pub(crate) struct Target {
    /// The plugin's file.
    file: PathBuf,
    /// The component, for a check of components.
    component: Option<Offer>,
    /// What random numbers come from.
    seed: u64,
    /// What the file says of itself.
    metadata: Metadata,
}

impl Target {
    /// The component's name.
    fn name(&self) -> &str {
        self.component.as_ref().map_or("", |c| &c.name)
    }

    /// A registry that knows the host's own components and this file's, and pins nothing. Its author need not have signed it yet.
    fn registry(&self) -> registry::Result<Registry> {
        let search = SearchPath::new(std::slice::from_ref(&self.file), None, None, None);
        let user = Options::of_user(&[])?;
        let trust = Trust { level: Level::FirstUse, ..user.trust.clone() };
        Registry::open(Options { search, dev_plugins: true, trust, ..user })
    }
}

/// Runs one check in this process. `component` is `KIND:NAME`.
pub(crate) fn run_here(check: Check, file: &Path, component: Option<&str>, seed: u64) -> Verdict {
    let judgement = judge(file);
    let metadata = match (&judgement.state, judgement.metadata) {
        (State::Refused(reason), _) if check != Check::Scan => return Verdict::Fail(format!("{} {reason}", file.display())),
        (_, metadata) => metadata.unwrap_or_default(),
    };
    let component = metadata.components.iter().find(|c| Some(format!("{}:{}", c.kind, c.name).as_str()) == component).cloned();
    let on = Target { file: file.to_path_buf(), component, seed, metadata };
    check.run(&on).unwrap_or_else(|error| Verdict::Fail(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parts_of_them_match() {
        for (i, check) in Check::ALL.iter().enumerate() {
            assert_eq!(Check::ALL.iter().position(|c| c.name() == check.name()), Some(i));
            assert_eq!(Check::named(check.name()), Some(*check));
        }
        assert!(Check::LossGradient2d.matches("loss") && Check::LossGradient2d.matches("loss-gradient"));
        assert!(Check::LossGradient2d.matches("loss-gradient-2d") && !Check::LossGradient2d.matches("loss-grad"));
    }
}
