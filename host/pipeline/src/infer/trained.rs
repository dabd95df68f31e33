//! A model folder, opened: prediction without a command line.

use std::path::{Path, PathBuf};

use engine::Device;
use ndarray::{Array3, Array4, ArrayRef3, Axis};
use registry::Registry;
use volume::image::{Geometry, Image};

use super::case::Segmenter;
use super::folder::{PredictOptions, Predicted, predict_folder};
use super::prepare::{Recipe, seen};
use super::{Export, LoadedModel, Network, Predictor, Window};
use crate::dataset::DatasetJson;
use crate::error::{Error, Result};
use crate::lock;
use crate::plan::{Configuration, Plans};
use crate::preprocess::Plugins;
use crate::progress::Report;
use crate::train::{Fold, Loaded, load_model};

/// A trained model with its weights on a device.
pub struct TrainedModel {
    plans: Plans,
    configuration: Configuration,
    dataset: DatasetJson,
    plugins: Plugins,
    folds: Vec<Loaded>,
}

/// How an array is predicted.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayOptions {
    /// Distance between tiles as a share of the patch, above 0 and at most 1.
    pub step_size: f64,
    /// Mirrored views are averaged (test-time augmentation).
    pub mirroring: bool,
    /// Probabilities are wanted, too.
    pub probabilities: bool,
    /// The segmentation (z, y, x) by the previous stage, for the second stage of a cascade.
    pub previous_stage: Option<Array3<i16>>,
}

impl Default for ArrayOptions {
    /// nnU-Net's.
    fn default() -> Self {
        Self { step_size: 0.5, mirroring: true, probabilities: false, previous_stage: None }
    }
}

/// What a model makes of an array.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmentation {
    /// (z, y, x), in the image's shape.
    pub labels: Array3<i16>,
    /// (K, z, y, x) where they were wanted: softmax over the labels, or the sigmoid of each region.
    pub probabilities: Option<Array4<f32>>,
}

impl TrainedModel {
    /// Opens `folder` (with plans.json, dataset.json and fold_X); the logits of `folds` are averaged.
    ///
    /// # Errors
    /// A file is missing or damaged; a plugin that the model needs is not installed; no fold, or one without the checkpoint.
    pub fn open(registry: &Registry, folder: &Path, folds: &[Fold], checkpoint: &str, device: &Device) -> Result<Self> {
        let plans_file = folder.join("plans.json");
        let (plans, dataset) = (Plans::read(&plans_file)?, DatasetJson::read(folder)?);
        let load = |fold: &Fold| load_model(registry, folder, &fold.name(), checkpoint, device);
        let folds = folds.iter().map(load).collect::<Result<Vec<Loaded>>>()?;
        let Some(first) = folds.first() else {
            return Err(Error::invalid(format!("{}: no fold is named; one at least has to predict", folder.display())));
        };
        let configuration = plans.configuration(&first.checkpoint.configuration)?;
        let plugins = Plugins::of(registry, &plans, &configuration, &dataset);
        let trained = &first.checkpoint;
        let plugins = plugins.map_err(|e| lock::missing_of_plans(e, &trained.host.plugins, &plans_file, &trained.configuration))?;
        Ok(Self { plans, configuration, dataset, plugins, folds })
    }

    /// Where a plugin is another than the one that trained the model.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.folds.iter().flat_map(|fold| &fold.warnings).map(String::as_str)
    }

    /// The dataset that it was trained on: channels, labels, and the ending of image files.
    pub fn dataset(&self) -> &DatasetJson {
        &self.dataset
    }

    /// The configuration that was trained.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Segments the image (C, z, y, x) with this spacing (z, y, x; mm): as `host predict` does with a file of the same voxels.
    ///
    /// # Errors
    /// Another number of channels than the model's; a spacing or options that cannot be used; the network fails.
    pub fn predict(&self, image: Array4<f32>, spacing: [f64; 3], options: &ArrayOptions) -> Result<Segmentation> {
        if let Some(axis) = (0..3).find(|&axis| !(spacing[axis] > 0.0 && spacing[axis].is_finite())) {
            return Err(Error::invalid(format!("the spacing {spacing:?} mm (z, y, x) has no length along axis {axis}")));
        }
        match (&self.configuration.previous_stage, &options.previous_stage) {
            (Some(stage), None) => return Err(Error::invalid(format!("the model is the second stage of a cascade; predict with {stage} first"))),
            (None, Some(_)) => return Err(Error::invalid("a previous stage's segmentation is given, but the model is no second stage of a cascade")),
            _ => {}
        }
        self.with(|model| {
            let image = Image { data: image, geometry: Geometry::of_spacing(spacing) };
            let (image, properties) = seen(image, options.previous_stage.clone(), &Recipe::from(model))?;
            let export = Export::new(model)?;
            let window = Window { step_size: options.step_size, mirroring: options.mirroring, ..Window::new(&model.configuration.patch_size) };
            let segmented = Segmenter::new(model, &window, &export, options.probabilities).segment(&image, &properties, &[])?;
            let mut probabilities = None;
            if let Some(logits) = segmented.logits {
                let (depth, height, width) = segmented.image.dim();
                let mut all = Array4::zeros((logits.dim().0, depth, height, width));
                let mut class = 0;
                export.probabilities(&logits, &properties, |own: &ArrayRef3<f32>| {
                    all.index_axis_mut(Axis(0), class).assign(own);
                    class += 1;
                    Ok(())
                })?;
                probabilities = Some(all);
            }
            Ok(Segmentation { labels: segmented.image, probabilities })
        })
    }

    /// Segments the images of a folder into files, as [`predict_folder`] does.
    ///
    /// # Errors
    /// As [`predict_folder`].
    pub fn predict_folder(&self, options: &PredictOptions, report: Report<'_>) -> Result<Predicted> {
        self.with(|model| predict_folder(model, options, report))
    }

    fn with<T>(&self, run: impl FnOnce(&LoadedModel<'_>) -> Result<T>) -> Result<T> {
        let networks: Vec<Network<'_>> = (self.folds.iter())
            .map(|fold| Network { model: &fold.model, mirror_axes: fold.checkpoint.mirror_axes.clone(), bytes: fold.bytes })
            .collect();
        let predictors: Vec<&dyn Predictor> = networks.iter().map(|network| network as &dyn Predictor).collect();
        run(&LoadedModel {
            plugins: Some(&self.plugins),
            plans: &self.plans,
            configuration: &self.configuration,
            dataset: &self.dataset,
            predictors: &predictors,
        })
    }
}

/// The folds in a model folder that have this checkpoint: by number, `fold_all` last.
///
/// # Errors
/// The folder cannot be listed.
pub fn trained_folds(folder: &Path, checkpoint: &str) -> Result<Vec<Fold>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("list", folder))?;
    let fold = |path: PathBuf| -> Option<Fold> {
        let fold = path.file_name()?.to_str()?.strip_prefix("fold_")?.parse().ok()?;
        path.join(checkpoint).is_file().then_some(fold)
    };
    let mut folds: Vec<Fold> = entries.flatten().filter_map(|entry| fold(entry.path())).collect();
    folds.sort_by_key(|fold| match fold {
        Fold::Number(number) => *number,
        Fold::All => usize::MAX,
    });
    Ok(folds)
}
