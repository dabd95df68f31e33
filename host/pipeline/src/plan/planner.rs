//! The planning itself.

use std::cell::RefCell;

use plugin_api::{ChannelNormalization, NetworkSpec, PlannerSetup};
use registry::HookSource;
use serde_json::{Map, Value, json};

use super::estimate::Estimate;
use super::presets::Preset;
use super::search::{Budget, Found, Grid, Sizes, Wanted, search};
use super::spacing::{fullres_spacing, inverse, median, shapes, transpose};
use super::steps::{Steps, planning_dataset};
use super::topology::Topology;
use super::{Options, Plans, choice};
use crate::dataset::DatasetJson;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;
use crate::preprocess::PREPROCESSOR;

const BASE_FEATURES: usize = 32;
const MAX_FEATURES_3D: usize = 320;
const MAX_FEATURES_2D: usize = 512;
/// A 3d_lowres is wanted where a patch shows less than this share of an image.
const LOWRES_BELOW: f64 = 0.25;
/// The spacing of 3d_lowres grows in steps of this.
const LOWRES_STEP: f64 = 1.03;

/// Plans for the dataset called `name`, all configurations that it needs, by one of the host's own planners.
///
/// # Errors
/// A fingerprint that does not fit the dataset; a network that cannot be estimated; no patch that fits into the memory.
pub fn plan_experiment(name: &str, dataset: &DatasetJson, fingerprint: &Fingerprint, options: &Options, estimate: &dyn Estimate) -> Result<Plans> {
    plan_with(None, name, dataset, fingerprint, options, estimate)
}

/// As [`plan_experiment`], with a planner plugin on top, if there is one (see [`planner_plugin`](super::planner_plugin)).
///
/// # Errors
/// As [`plan_experiment`]; the plugin fails, or answers what cannot be planned.
pub fn plan_with(
    plugin: Option<&HookSource>,
    name: &str,
    dataset: &DatasetJson,
    fingerprint: &Fingerprint,
    options: &Options,
    estimate: &dyn Estimate,
) -> Result<Plans> {
    if fingerprint.spacings.is_empty() || fingerprint.spacings.len() != fingerprint.shapes_after_crop.len() {
        let (spacings, shapes) = (fingerprint.spacings.len(), fingerprint.shapes_after_crop.len());
        return Err(Error::invalid(format!("the fingerprint has {spacings} spacings and {shapes} shapes; extract it anew with --clean")));
    }
    if let Some(spacing) = (fingerprint.spacings.iter().chain(&options.target_spacing)).find(|s| !s.iter().all(|&mm| mm.is_finite() && mm > 0.0)) {
        return Err(Error::invalid(format!("a spacing of the fingerprint, or the target spacing, is {spacing:?} mm; each axis must be above 0")));
    }
    let steps = Steps::of(plugin, || planning_dataset(name, dataset, fingerprint))?;
    let (preset, plans_name) = match plugin {
        None => {
            let preset = Preset::named(&options.planner)?;
            (preset, preset.plans_name.to_owned())
        }
        Some(plugin) => {
            let setup = steps.setup(PlannerSetup { base: Preset::DEFAULT.name.to_owned(), plans_name: format!("{}Plans", plugin.name) })?;
            (Preset::named(&setup.base)?, setup.plans_name)
        }
    };
    let plans_name = options.plans_name.clone().unwrap_or_else(|| match &options.trainer {
        Some(trainer) => format!("{plans_name}_{trainer}"),
        None => plans_name,
    });
    let target = match options.target_spacing {
        Some(target) => target,
        None => steps.target_spacing(fullres_spacing(fingerprint))?,
    };
    let forward = if options.suppress_transpose { [0, 1, 2] } else { steps.transpose(target, transpose(target))? };
    let turned = |values: [f64; 3]| forward.map(|axis| values[axis]);

    let resampled: Vec<[f64; 3]> = (fingerprint.spacings.iter().zip(&fingerprint.shapes_after_crop))
        .map(|(&spacing, &shape)| volume::resample::compute_new_shape(shape, spacing, target).map(|n| n as f64))
        .collect();
    let full = Grid { spacing: turned(target).to_vec(), shape: turned(median(&resampled)).to_vec() };
    let masked = fingerprint.median_relative_size_after_cropping < 0.75;
    let schemes = dataset.channel_names.iter().map(|channel| {
        let scheme = normalization(channel);
        ChannelNormalization { scheme: scheme.to_owned(), use_mask: masked && scheme == "ZScoreNormalization" }
    });
    let planner = Planner {
        preset,
        dataset,
        plans_name: &plans_name,
        for_trainer: options.trainer.is_some(),
        target_gb: options.gpu_memory_target.unwrap_or(preset.target_gb),
        preprocessor: &options.preprocessor,
        schemes: steps.normalization(schemes.collect())?,
        own_cases: plugin.is_some() || options.preprocessor != PREPROCESSOR,
        steps: &steps,
        estimate,
        estimates: RefCell::default(),
    };
    let mut configurations = planner.configurations(&full)?;
    planner.choose(&mut configurations)?;
    steps.plans(Plans {
        dataset_name: name.to_owned(),
        original_median_spacing_after_transp: turned(median(&fingerprint.spacings)).to_vec(),
        original_median_shape_after_transp: turned(median(&shapes(fingerprint))).map(|n| n.round_ties_even() as usize).to_vec(),
        image_reader_writer: dataset.reader()?.name().to_owned(),
        transpose_forward: forward,
        transpose_backward: inverse(forward),
        configurations,
        experiment_planner_used: options.planner.clone(),
        label_manager: "LabelManager".to_owned(),
        foreground_intensity_properties_per_channel: fingerprint.foreground_intensity_properties_per_channel.clone(),
        plans_name,
        rest: Map::new(),
    })
}

struct Planner<'a> {
    preset: Preset,
    dataset: &'a DatasetJson,
    plans_name: &'a str,
    /// The network is a trainer config's.
    for_trainer: bool,
    target_gb: f64,
    preprocessor: &'a str,
    schemes: Vec<ChannelNormalization>,
    /// Its cases are not another planner's, whatever the preset says.
    own_cases: bool,
    steps: &'a Steps,
    estimate: &'a dyn Estimate,
    estimates: RefCell<Sizes>,
}

impl Planner<'_> {
    /// The configurations in nnU-Net's order.
    fn configurations(&self, full: &Grid) -> Result<Map<String, Value>> {
        let cases = self.dataset.num_training as f64;
        let mut configurations = Map::new();
        let slice = full.slice();
        let mut flat = self.configuration("2d", &slice, &self.search("2d", &slice, full.voxels() * cases)?, floats(&slice.shape));
        flat.insert("batch_dice".into(), true.into());
        configurations.insert("2d".into(), flat.into());
        if full.shape[0] == 1.0 {
            return Ok(configurations);
        }

        let found = self.search("3d_fullres", full, full.voxels() * cases)?;
        let mut fullres = self.configuration("3d_fullres", full, &found, floats(&full.shape));
        let lowres = self.lowres(full, &found)?;
        fullres.insert("batch_dice".into(), lowres.is_some().into());
        let cascade = json!({"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"});
        let has_lowres = lowres.is_some();
        if let Some(lowres) = lowres {
            configurations.insert("3d_lowres".into(), lowres.into());
        }
        configurations.insert("3d_fullres".into(), fullres.into());
        if has_lowres {
            configurations.insert("3d_cascade_fullres".into(), cascade);
        }
        Ok(configurations)
    }

    /// A coarser configuration, where a patch of the full resolution shows too little of an image: its spacing grows until a patch
    /// shows enough, axes that are finer than half of the coarsest first. None where that saves less than half of the voxels.
    fn lowres(&self, full: &Grid, found: &Found) -> Result<Option<Map<String, Value>>> {
        let mut spacing = full.spacing.clone();
        let (mut patch, mut voxels, mut lowres) = (found.patch_voxels(), full.voxels(), None);
        while patch / voxels < LOWRES_BELOW {
            let coarsest = spacing.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let fine: Vec<bool> = spacing.iter().map(|&s| coarsest / s > 2.0).collect();
            let all = !fine.contains(&true);
            spacing.iter_mut().zip(fine).filter(|(_, fine)| all || *fine).for_each(|(s, _)| *s *= LOWRES_STEP);
            let mut grid = full.resampled(&spacing);
            voxels = grid.voxels();
            grid.shape.iter_mut().for_each(|n| *n = n.round_ties_even());
            let found = self.search("3d_lowres", &grid, voxels * self.dataset.num_training as f64)?;
            patch = found.patch_voxels();
            lowres = Some((grid, found));
        }
        if full.voxels() / voxels < 2.0 {
            lowres = None;
        }
        let host = lowres.as_ref().and_then(|(grid, _)| grid.spacing.as_slice().try_into().ok());
        let spacing = self.steps.lowres_spacing(full, &found.topology.patch, host)?;
        let lowres = match spacing {
            None => None,
            same if same == host => lowres,
            Some(other) => {
                let mut grid = full.resampled(&other);
                let voxels = grid.voxels() * self.dataset.num_training as f64;
                grid.shape.iter_mut().for_each(|n| *n = n.round_ties_even().max(1.0));
                let found = self.search("3d_lowres", &grid, voxels)?;
                Some((grid, found))
            }
        };
        Ok(lowres.map(|(grid, found)| {
            let shape = grid.shape.iter().map(|&n| Value::from(n as u64)).collect();
            let mut lowres = self.configuration("3d_lowres", &grid, &found, shape);
            lowres.insert("batch_dice".into(), false.into());
            lowres.insert("next_stage".into(), "3d_cascade_fullres".into());
            lowres
        }))
    }

    /// The largest patch whose network fits, and the batch for it. `dataset_voxels` are those of all training images.
    fn search(&self, name: &str, grid: &Grid, dataset_voxels: f64) -> Result<Found> {
        let wanted = Wanted { name, grid, budget: self.budget(grid.spacing.len()), dataset_voxels, steps: self.steps };
        search(&wanted, &mut self.estimates.borrow_mut(), &|topology| {
            Ok(self.estimate.size(&self.spec(&topology.patch, &self.architecture(topology)))? as f64)
        })
    }

    fn budget(&self, dims: usize) -> Budget {
        Budget::of(&self.preset, dims, self.target_gb, self.for_trainer)
    }

    /// The network of an `architecture` entry.
    fn spec(&self, patch: &[usize], architecture: &Value) -> NetworkSpec {
        NetworkSpec {
            input_channels: self.dataset.channel_names.len(),
            num_classes: self.dataset.num_label_entries(),
            patch_size: patch.to_vec(),
            deep_supervision: false,
            network_class_name: architecture["network_class_name"].as_str().unwrap_or_default().to_owned(),
            arch_kwargs: architecture["arch_kwargs"].clone(),
        }
    }

    /// Puts into each configuration what its network offers to choose: the patch comes first, then the choice, then the batch.
    fn choose(&self, configurations: &mut Map<String, Value>) -> Result<()> {
        for configuration in configurations.values_mut().filter(|c| c.get("architecture").is_some()) {
            let patch: Vec<usize> =
                configuration["patch_size"].as_array().into_iter().flatten().filter_map(Value::as_u64).map(|n| n as usize).collect();
            let spec = self.spec(&patch, &configuration["architecture"]);
            let budget = self.budget(patch.len());
            let Some((arch_kwargs, size)) = choice::first_fitting(&spec, &budget, self.estimate)? else { continue };
            configuration["architecture"]["arch_kwargs"] = arch_kwargs;
            let batch = configuration["batch_size"].as_u64().unwrap_or(1).min(budget.batch_for(size) as u64);
            configuration["batch_size"] = batch.into();
        }
        Ok(())
    }

    fn architecture(&self, topology: &Topology) -> Value {
        let (dims, stages) = (topology.patch.len(), topology.strides.len());
        let most = if dims == 2 { MAX_FEATURES_2D } else { MAX_FEATURES_3D };
        let features: Vec<usize> = (0..stages).map(|stage| (BASE_FEATURES << stage.min(16)).min(most)).collect();
        let blocks: Vec<usize> = (0..stages).map(|stage| self.preset.encoder_blocks(stage)).collect();
        let class = if self.preset.residual { "ResidualEncoderUNet" } else { "PlainConvUNet" };
        json!({
            "network_class_name": format!("dynamic_network_architectures.architectures.unet.{class}"),
            "arch_kwargs": {
                "n_stages": stages,
                "features_per_stage": features,
                "conv_op": format!("torch.nn.modules.conv.Conv{dims}d"),
                "kernel_sizes": topology.kernels,
                "strides": topology.strides,
                (if self.preset.residual { "n_blocks_per_stage" } else { "n_conv_per_stage" }): blocks,
                "n_conv_per_stage_decoder": vec![self.preset.decoder_blocks(); stages - 1],
                "conv_bias": true,
                "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{dims}d"),
                "norm_op_kwargs": {"eps": 1e-5, "affine": true},
                "dropout_op": null,
                "dropout_op_kwargs": null,
                "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": true},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        })
    }

    /// The configuration without what comes after `architecture`.
    fn configuration(&self, name: &str, grid: &Grid, found: &Found, shape: Vec<Value>) -> Map<String, Value> {
        let schemes: Vec<&str> = self.schemes.iter().map(|channel| channel.scheme.as_str()).collect();
        let masks: Vec<bool> = self.schemes.iter().map(|channel| channel.use_mask).collect();
        let data_identifier = if self.own_cases {
            format!("{}_{name}", self.plans_name)
        } else {
            self.preset.data_identifier(self.plans_name, name, self.preset.residual || self.for_trainer)
        };
        let (data, data_kwargs) = self.preset.resampling.function(false, 3);
        let (seg, seg_kwargs) = self.preset.resampling.function(true, 1);
        let (probabilities, probabilities_kwargs) = self.preset.resampling.function(false, 1);
        let configuration = json!({
            "data_identifier": data_identifier,
            "preprocessor_name": self.preprocessor,
            "batch_size": found.batch as u64,
            "patch_size": found.topology.patch,
            "median_image_size_in_voxels": shape,
            "spacing": grid.spacing,
            "normalization_schemes": schemes,
            "use_mask_for_norm": masks,
            "resampling_fn_data": data,
            "resampling_fn_seg": seg,
            "resampling_fn_data_kwargs": data_kwargs,
            "resampling_fn_seg_kwargs": seg_kwargs,
            "resampling_fn_probabilities": probabilities,
            "resampling_fn_probabilities_kwargs": probabilities_kwargs,
            "architecture": self.architecture(&found.topology),
        });
        match configuration {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

fn floats(shape: &[f64]) -> Vec<Value> {
    shape.iter().map(|&n| Value::from(n)).collect()
}

/// The normalisation that a channel's name asks for.
fn normalization(channel: &str) -> &'static str {
    match channel.to_lowercase().as_str() {
        "ct" => "CTNormalization",
        "nonorm" => "NoNormalization",
        "rescale_to_0_1" => "RescaleTo01Normalization",
        "rgb_to_0_1" => "RGBTo01Normalization",
        _ => "ZScoreNormalization",
    }
}
