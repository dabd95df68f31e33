//! The steps of planning that a plugin may answer in the host's place.

use std::fmt::Display;

use plugin_api::{
    BatchQuestion, ChannelNormalization, Intensities, LowresQuestion, PatchQuestion, PlannerSetup, PlanningDataset, PlansQuestion, SchemesQuestion,
    Spacing, SpacingQuestion, TopologyQuestion, TransposeQuestion,
};
use registry::{Hook, HookSource, Kind, Registry};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::search::Grid;
use super::topology::{Topology, topology};
use super::{Plans, Preset};
use crate::dataset::DatasetJson;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;

/// The planner plugin of that name; `None` for one of the host's own planners.
///
/// # Errors
/// No planner or several have the name, or its plugin cannot be loaded.
pub fn planner_plugin(registry: &Registry, name: &str) -> Result<Option<HookSource>> {
    let source = registry.hook(Kind::Planner, name)?;
    Ok(if Preset::named(name).is_ok() { None } else { Some(source) })
}

/// What a plugin is told of the dataset.
pub(super) fn planning_dataset(name: &str, dataset: &DatasetJson, fingerprint: &Fingerprint) -> Result<PlanningDataset> {
    let mut intensities = std::collections::BTreeMap::new();
    for (channel, properties) in &fingerprint.foreground_intensity_properties_per_channel {
        if let Ok(known) = serde_json::from_value::<Intensities>(properties.clone()) {
            intensities.insert(channel.clone(), known);
        }
    }
    Ok(PlanningDataset {
        name: name.to_owned(),
        channel_names: dataset.channel_names.clone(),
        num_training: dataset.num_training,
        outputs: dataset.label_manager()?.num_outputs(),
        spacings: fingerprint.spacings.clone(),
        shapes_after_crop: fingerprint.shapes_after_crop.clone(),
        median_relative_size_after_cropping: fingerprint.median_relative_size_after_cropping,
        intensities,
        dataset_json: serde_json::to_value(dataset).map_err(|error| Error::invalid(error.to_string()))?,
    })
}

/// A planner plugin, or none: then the host's answers hold.
#[derive(Default)]
pub(super) struct Steps(Option<Hook>);

impl Steps {
    /// `dataset` is asked for where there is a plugin.
    pub(super) fn of(plugin: Option<&HookSource>, dataset: impl FnOnce() -> Result<PlanningDataset>) -> Result<Self> {
        let Some(plugin) = plugin else { return Ok(Self::default()) };
        Ok(Self(Some(plugin.create(&Map::new(), &dataset()?)?)))
    }

    fn answer<A: Serialize + DeserializeOwned>(&self, step: &str, question: &impl Serialize, host: A) -> Result<A> {
        match &self.0 {
            Some(plugin) => Ok(plugin.answer(step, question, host)?),
            None => Ok(host),
        }
    }

    /// What the plugin answered cannot be.
    pub(super) fn fault<T>(&self, step: &str, answered: impl Display, wanted: impl Display) -> Result<T> {
        let what = format!("answered {answered}; {wanted}");
        Err(match &self.0 {
            Some(plugin) => plugin.fault(step, &what).into(),
            None => Error::invalid(what),
        })
    }

    pub(super) fn setup(&self, host: PlannerSetup) -> Result<PlannerSetup> {
        self.answer("setup", &Map::new(), host)
    }

    pub(super) fn target_spacing(&self, host: [f64; 3]) -> Result<[f64; 3]> {
        let Spacing(answer) = self.answer("target_spacing", &SpacingQuestion::default(), Spacing(host))?;
        self.check_spacing("target_spacing", answer)
    }

    fn check_spacing(&self, step: &str, answer: [f64; 3]) -> Result<[f64; 3]> {
        match answer.iter().all(|&mm| mm.is_finite() && mm > 0.0) {
            true => Ok(answer),
            false => self.fault(step, format!("{answer:?} mm"), "each axis must be above 0"),
        }
    }

    pub(super) fn transpose(&self, target: [f64; 3], host: [usize; 3]) -> Result<[usize; 3]> {
        let question = TransposeQuestion { target_spacing: Spacing(target), ..Default::default() };
        let answer = self.answer("transpose", &question, host)?;
        let mut axes = answer;
        axes.sort_unstable();
        if axes == [0, 1, 2] { Ok(answer) } else { self.fault("transpose", format!("{answer:?}"), "it must hold 0, 1 and 2 once each") }
    }

    pub(super) fn normalization(&self, host: Vec<ChannelNormalization>) -> Result<Vec<ChannelNormalization>> {
        let channels = host.len();
        let answer = self.answer("normalization", &SchemesQuestion::default(), host)?;
        match answer.len() == channels {
            true => Ok(answer),
            false => self.fault("normalization", format!("{} schemes", answer.len()), format!("there are {channels} channels")),
        }
    }

    /// The network for a patch of at least `patch` voxels.
    pub(super) fn topology(&self, configuration: &str, spacing: &[f64], patch: &[f64]) -> Result<Topology> {
        let host = topology(spacing, patch);
        // the search asks the host beyond the last voxel, too
        if self.0.is_none() || patch.iter().any(|&n| n < 1.0) {
            return Ok(host);
        }
        let question =
            TopologyQuestion { configuration: configuration.into(), spacing: spacing.to_vec(), patch: patch.to_vec(), ..Default::default() };
        let own = plugin_api::Topology { strides: host.strides.clone(), kernels: host.kernels.clone() };
        let answer = self.answer("topology", &question, own.clone())?;
        if answer == own {
            return Ok(host);
        }
        let axes = patch.len();
        let plugin_api::Topology { strides, kernels } = answer;
        let each_axis = |stages: &[Vec<usize>]| stages.iter().all(|stage| stage.len() == axes && !stage.contains(&0));
        let first = strides.first().is_some_and(|stride| stride.iter().all(|&s| s == 1));
        if strides.len() < 2 || strides.len() != kernels.len() || !first || !each_axis(&strides) || !each_axis(&kernels) {
            let wanted = format!("wanted at least two stages, as many strides as kernels, {axes} axes above 0 in each, and first a stride of ones");
            return self.fault("topology", format!("strides {strides:?} and kernels {kernels:?}"), wanted);
        }
        Ok(Topology::new(strides, kernels, patch))
    }

    pub(super) fn patch_size(&self, configuration: &str, grid: &Grid, host: &Topology, memory_gib: f64) -> Result<Vec<usize>> {
        let question = PatchQuestion {
            configuration: configuration.into(),
            spacing: grid.spacing.clone(),
            median_shape: grid.shape.clone(),
            topology: plugin_api::Topology { strides: host.strides.clone(), kernels: host.kernels.clone() },
            memory_gib,
            ..Default::default()
        };
        let answer = self.answer("patch_size", &question, host.patch.clone())?;
        match answer.len() == grid.shape.len() && !answer.contains(&0) {
            true => Ok(answer),
            false => self.fault("patch_size", format!("{answer:?}"), format!("wanted {} axes above 0 for {configuration}", grid.shape.len())),
        }
    }

    pub(super) fn batch_size(&self, configuration: &str, patch: &[usize], fitting: usize, memory_gib: f64, host: usize) -> Result<usize> {
        let question = BatchQuestion { configuration: configuration.into(), patch: patch.to_vec(), fitting, memory_gib, ..Default::default() };
        match self.answer("batch_size", &question, host)? {
            0 => self.fault("batch_size", 0, "a batch has at least 1 sample"),
            answer => Ok(answer),
        }
    }

    pub(super) fn lowres_spacing(&self, full: &Grid, patch: &[usize], host: Option<[f64; 3]>) -> Result<Option<[f64; 3]>> {
        let spacing = full.spacing.as_slice().try_into().map(Spacing).unwrap_or_default();
        let question = LowresQuestion { spacing, median_shape: full.shape.clone(), patch: patch.to_vec(), ..Default::default() };
        let answer = self.answer("lowres_spacing", &question, host.map(Spacing))?;
        answer.map(|Spacing(answer)| self.check_spacing("lowres_spacing", answer)).transpose()
    }

    /// The last step. What comes back must be plans whose configurations can be read.
    pub(super) fn plans(&self, host: Plans) -> Result<Plans> {
        if self.0.is_none() {
            return Ok(host);
        }
        let value = serde_json::to_value(&host).map_err(|error| Error::invalid(error.to_string()))?;
        let answer: Value = self.answer("plans", &PlansQuestion::default(), value.clone())?;
        if answer == value {
            return Ok(host);
        }
        let plans: Plans = match serde_json::from_value(answer) {
            Ok(plans) => plans,
            Err(error) => return self.fault("plans", "something else than plans", error),
        };
        for name in plans.configurations.keys() {
            let configuration = plans.configuration(name)?;
            let strides = configuration.architecture.arch_kwargs.get("strides").cloned().unwrap_or_default();
            let strides: Vec<Vec<usize>> = serde_json::from_value(strides).unwrap_or_default();
            let divisors = plugin_api::Topology { strides, kernels: Vec::new() }.divisors();
            self.check_divisible("plans", &configuration.patch_size, &divisors)?;
        }
        Ok(plans)
    }

    /// A patch must be a multiple of the strides.
    pub(super) fn check_divisible(&self, step: &str, patch: &[usize], divisors: &[usize]) -> Result<()> {
        if patch.iter().zip(divisors).all(|(&n, &d)| n % d == 0) {
            return Ok(());
        }
        let larger: Vec<usize> = patch.iter().zip(divisors).map(|(&n, &d)| n.next_multiple_of(d)).collect();
        let (found, strides, larger) = (axes(patch), axes(divisors), axes(&larger));
        self.fault(step, format!("the patch {found}"), format!("the strides of its network, {strides} in all, do not divide it; {larger} would do"))
    }
}

fn axes(lengths: &[usize]) -> String {
    lengths.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}
