//! The planning itself.

use std::cell::RefCell;
use std::collections::HashMap;

use plugin_api::NetworkSpec;
use serde_json::{Map, Value, json};

use super::presets::Preset;
use super::spacing::{fullres_spacing, inverse, median, shapes, transpose};
use super::topology::{Topology, topology};
use super::{Options, Plans};
use crate::dataset::DatasetJson;
use crate::error::{Error, Result};
use crate::fingerprint::Fingerprint;

/// Elements of all convolution outputs of one sample, for a network.
pub type Estimate<'a> = &'a dyn Fn(&NetworkSpec) -> plugin_api::Result<u64>;

/// Samples in a batch that the 3D reference stands for.
const REFERENCE_BATCH_3D: f64 = 2.0;
/// Samples in a batch that the 2D reference stands for.
const REFERENCE_BATCH_2D: f64 = 12.0;
const MIN_BATCH: f64 = 2.0;
const BASE_FEATURES: usize = 32;
const MAX_FEATURES_3D: usize = 320;
const MAX_FEATURES_2D: usize = 512;
/// A 3d_lowres is wanted where a patch shows less than this share of an image.
const LOWRES_BELOW: f64 = 0.25;
/// The spacing of 3d_lowres grows in steps of this.
const LOWRES_STEP: f64 = 1.03;

/// Plans for the dataset called `name`, all configurations that it needs.
///
/// # Errors
/// A fingerprint that does not fit the dataset; a network that cannot be estimated; no patch that fits into the memory.
pub fn plan_experiment(name: &str, dataset: &DatasetJson, fingerprint: &Fingerprint, options: &Options, estimate: Estimate<'_>) -> Result<Plans> {
    if fingerprint.spacings.is_empty() || fingerprint.spacings.len() != fingerprint.shapes_after_crop.len() {
        let (spacings, shapes) = (fingerprint.spacings.len(), fingerprint.shapes_after_crop.len());
        return Err(Error::invalid(format!("the fingerprint has {spacings} spacings and {shapes} shapes; extract it anew with --clean")));
    }
    let preset = Preset::named(&options.planner)?;
    let plans_name = options.plans_name.clone().unwrap_or_else(|| preset.plans_name.to_owned());
    let target = options.target_spacing.unwrap_or_else(|| fullres_spacing(fingerprint));
    if target.iter().any(|&spacing| spacing.is_nan() || spacing <= 0.0) {
        return Err(Error::invalid(format!("the target spacing is {target:?} mm; each axis must be above 0")));
    }
    let forward = if options.suppress_transpose { [0, 1, 2] } else { transpose(target) };
    let turned = |values: [f64; 3]| forward.map(|axis| values[axis]);

    let resampled: Vec<[f64; 3]> = (fingerprint.spacings.iter().zip(&fingerprint.shapes_after_crop))
        .map(|(&spacing, &shape)| volume::resample::compute_new_shape(shape, spacing, target).map(|n| n as f64))
        .collect();
    let full = Grid { spacing: turned(target).to_vec(), shape: turned(median(&resampled)).to_vec() };
    let mut planner = Planner {
        preset,
        dataset,
        plans_name: &plans_name,
        target_gb: options.gpu_memory_target.unwrap_or(preset.target_gb),
        preprocessor: &options.preprocessor,
        use_mask: fingerprint.median_relative_size_after_cropping < 0.75,
        estimate,
        estimates: RefCell::default(),
    };
    let configurations = planner.configurations(&full)?;
    Ok(Plans {
        dataset_name: name.to_owned(),
        original_median_spacing_after_transp: turned(median(&fingerprint.spacings)).to_vec(),
        original_median_shape_after_transp: turned(median(&shapes(fingerprint))).map(|n| n.round_ties_even() as usize).to_vec(),
        image_reader_writer: dataset.reader_writer(),
        transpose_forward: forward,
        transpose_backward: inverse(forward),
        configurations,
        experiment_planner_used: preset.name.to_owned(),
        label_manager: "LabelManager".to_owned(),
        foreground_intensity_properties_per_channel: fingerprint.foreground_intensity_properties_per_channel.clone(),
        plans_name,
        rest: Map::new(),
    })
}

/// A grid of voxels: spacing (mm) and median shape (voxels), after the transposition.
#[derive(Debug, Clone)]
struct Grid {
    spacing: Vec<f64>,
    shape: Vec<f64>,
}

impl Grid {
    fn voxels(&self) -> f64 {
        self.shape.iter().product()
    }

    /// A slice of the grid.
    fn slice(&self) -> Self {
        Self { spacing: self.spacing[1..].to_vec(), shape: self.shape[1..].to_vec() }
    }

    /// The same volume with other voxels.
    fn resampled(&self, spacing: &[f64]) -> Self {
        let shape = self.spacing.iter().zip(spacing).zip(&self.shape).map(|((old, new), n)| old / new * n).collect();
        Self { spacing: spacing.to_vec(), shape }
    }
}

/// Patch and strides: what decides the size of a planner's network.
type Shape = (Vec<usize>, Vec<Vec<usize>>);

struct Planner<'a> {
    preset: Preset,
    dataset: &'a DatasetJson,
    plans_name: &'a str,
    target_gb: f64,
    preprocessor: &'a str,
    use_mask: bool,
    estimate: Estimate<'a>,
    estimates: RefCell<HashMap<Shape, f64>>,
}

/// What was found for one configuration.
struct Found {
    topology: Topology,
    batch: f64,
}

impl Found {
    fn patch_voxels(&self) -> f64 {
        self.topology.patch.iter().map(|&n| n as f64).product()
    }
}

impl Planner<'_> {
    /// The configurations in nnU-Net's order.
    fn configurations(&mut self, full: &Grid) -> Result<Map<String, Value>> {
        let cases = self.dataset.num_training as f64;
        let mut configurations = Map::new();
        let slice = full.slice();
        let mut flat = self.configuration("2d", &slice, &self.search(&slice, full.voxels() * cases)?, floats(&slice.shape));
        flat.insert("batch_dice".into(), true.into());
        configurations.insert("2d".into(), flat.into());
        if full.shape[0] == 1.0 {
            return Ok(configurations);
        }

        let found = self.search(full, full.voxels() * cases)?;
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
            let found = self.search(&grid, voxels * self.dataset.num_training as f64)?;
            patch = found.patch_voxels();
            lowres = Some((grid, found));
        }
        if full.voxels() / voxels < 2.0 {
            return Ok(None);
        }
        Ok(lowres.map(|(grid, found)| {
            let shape = grid.shape.iter().map(|&n| Value::from(n as u64)).collect();
            let mut lowres = self.configuration("3d_lowres", &grid, &found, shape);
            lowres.insert("batch_dice".into(), false.into());
            lowres.insert("next_stage".into(), "3d_cascade_fullres".into());
            lowres
        }))
    }

    /// The largest patch whose network fits, and the batch for it. `dataset_voxels` are those of all training images.
    fn search(&self, grid: &Grid, dataset_voxels: f64) -> Result<Found> {
        let (reference, reference_batch) = match grid.spacing.len() {
            2 => (self.preset.reference_2d, REFERENCE_BATCH_2D),
            _ => (self.preset.reference_3d, REFERENCE_BATCH_3D),
        };
        let reference = reference * (self.target_gb / self.preset.reference_gb);
        // residual planners want the reference's batch to fit, the default planner one of two
        let too_large = |estimate: f64| {
            if self.preset.residual { estimate > reference } else { estimate / reference_batch * 2.0 > reference }
        };
        let mut topology = topology(&grid.spacing, &initial_patch(grid));
        let mut estimate = self.size(&topology)?;
        while too_large(estimate) {
            topology = self.shrink(grid, &topology)?;
            estimate = self.size(&topology)?;
        }
        let mut found = Found { topology, batch: (reference / estimate * reference_batch).round_ties_even() };
        let most = (dataset_voxels * self.preset.max_dataset_covered / found.patch_voxels()).round_ties_even();
        found.batch = found.batch.min(most).max(MIN_BATCH);
        Ok(found)
    }

    /// The next smaller patch: shorter along the axis that shows the largest share of the image, by what the network that results
    /// must divide.
    fn shrink(&self, grid: &Grid, old: &Topology) -> Result<Topology> {
        let share = |axis: usize| old.patch[axis] as f64 / grid.shape[axis];
        let axis = (1..grid.shape.len()).fold(0, |best, axis| if share(axis) >= share(best) { axis } else { best });
        let mut patch: Vec<f64> = old.patch.iter().map(|&n| n as f64).collect();
        let mut shorter = patch.clone();
        shorter[axis] -= old.divisors[axis] as f64;
        patch[axis] -= topology(&grid.spacing, &shorter).divisors[axis] as f64;
        if patch[axis] < 1.0 {
            let (patch, gb) = (&old.patch, self.target_gb);
            return Err(Error::invalid(format!("not even a patch of {patch:?} voxels fits into {gb} GiB; raise -gpu_memory_target")));
        }
        Ok(topology(&grid.spacing, &patch))
    }

    /// What a network of this topology needs for a sample.
    fn size(&self, topology: &Topology) -> Result<f64> {
        let key = (topology.patch.clone(), topology.strides.clone());
        if let Some(&known) = self.estimates.borrow().get(&key) {
            return Ok(known);
        }
        let architecture = self.architecture(topology);
        let spec = NetworkSpec {
            input_channels: self.dataset.channel_names.len(),
            num_classes: self.dataset.num_label_entries(),
            patch_size: topology.patch.clone(),
            deep_supervision: false,
            network_class_name: architecture["network_class_name"].as_str().unwrap_or_default().to_owned(),
            arch_kwargs: architecture["arch_kwargs"].clone(),
        };
        let size = (self.estimate)(&spec)? as f64;
        self.estimates.borrow_mut().insert(key, size);
        Ok(size)
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
        let schemes: Vec<&str> = self.dataset.channel_names.iter().map(|name| normalization(name)).collect();
        let masks: Vec<bool> = schemes.iter().map(|&scheme| self.use_mask && scheme == "ZScoreNormalization").collect();
        let (data, data_kwargs) = self.preset.resampling.function(false, 3);
        let (seg, seg_kwargs) = self.preset.resampling.function(true, 1);
        let (probabilities, probabilities_kwargs) = self.preset.resampling.function(false, 1);
        let configuration = json!({
            "data_identifier": self.preset.data_identifier(self.plans_name, name),
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

/// A patch with the volume of 256³ (or 2048²) voxels and edges of equal length in mm, cut to the median image.
fn initial_patch(grid: &Grid) -> Vec<f64> {
    let density: Vec<f64> = grid.spacing.iter().map(|spacing| 1.0 / spacing).collect();
    let product: f64 = density.iter().product();
    let scale = match density.len() {
        2 => (2048f64.powi(2) / product).powf(1.0 / 2.0),
        _ => (256f64.powi(3) / product).powf(1.0 / 3.0),
    };
    density.iter().zip(&grid.shape).map(|(d, &n)| (d * scale).round_ties_even().min(n)).collect()
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
