//! The trained models of the folder, and predictions with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use volume::image::read_segmentation;

use super::desk::Desk;
use super::files::Use;
use super::tolerance;
use crate::dataset::{DatasetJson, images_in};
use crate::error::{Error, Result};
use crate::infer::{LoadedModel, Network, PredictOptions, Predictor, predict_folder};
use crate::json;
use crate::plan::Plans;
use crate::train::{Loaded, load_model};

/// The checkpoint that predictions are made with.
pub(super) const CHECKPOINT: &str = "checkpoint_final.pth";

/// `training/{name}`.
#[derive(Clone)]
pub(super) struct Trained {
    /// With `training/` in front.
    pub(super) folder: String,
    pub(super) plans: Plans,
    pub(super) dataset: DatasetJson,
    /// The folds, `0` or `all`, that have a [`CHECKPOINT`].
    pub(super) folds: Vec<String>,
}

impl Trained {
    /// Reads what lies in `folder`.
    pub(super) fn read(desk: &mut Desk<'_>, folder: &str) -> Result<Self> {
        let plans = desk.json(&format!("{folder}/plans.json"), Use::Input)?;
        let dataset = desk.json(&format!("{folder}/dataset.json"), Use::Input)?;
        let folds = desk.files.folders_in(folder).into_iter().filter_map(|name| name.strip_prefix("fold_").map(str::to_owned));
        let folds = folds.filter(|fold| desk.files.has(&format!("{folder}/fold_{fold}/{CHECKPOINT}"))).collect();
        Ok(Self { folder: folder.to_owned(), plans, dataset, folds })
    }

    /// All of the folder that is walked, whose files can be read.
    pub(super) fn all(desk: &mut Desk<'_>) -> Vec<Self> {
        let folders: Vec<String> = desk.files.folders_in("training").into_iter().map(|name| format!("training/{name}")).collect();
        folders.iter().filter_map(|folder| Self::read(desk, folder).ok()).collect()
    }

    /// The last part of the folder.
    pub(super) fn name(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or(&self.folder)
    }

    /// Whether the file `plans` is that of the model.
    pub(super) fn has_plans(&self, desk: &Desk<'_>, plans: &str) -> bool {
        let read = |name: &str| json::read::<Value>(&desk.files.path(name)).ok();
        read(plans).is_some_and(|plans| read(&format!("{}/plans.json", self.folder)) == Some(plans))
    }

    /// Predicts `images` into `output` with the networks of `folds`.
    pub(super) fn predict(&self, desk: &mut Desk<'_>, folds: &[String], images: &Path, output: &Path, how: How) -> Result<()> {
        let folder = desk.files.path(&self.folder);
        let loaded: Vec<Loaded> =
            folds.iter().map(|fold| load_model(desk.options.registry, &folder, fold, CHECKPOINT, &desk.options.device)).collect::<Result<_>>()?;
        let Some(first) = loaded.first() else {
            return Err(Error::content(&folder, format!("no fold has a {CHECKPOINT}, so nothing can be predicted")));
        };
        let configuration = self.plans.configuration(&first.checkpoint.configuration)?;
        let networks: Vec<Network<'_>> =
            loaded.iter().map(|l| Network { model: &l.model, mirror_axes: l.checkpoint.mirror_axes.clone(), bytes: l.bytes }).collect();
        let predictors: Vec<&dyn Predictor> = networks.iter().map(|network| network as &dyn Predictor).collect();
        let model = LoadedModel { plugins: None, plans: &self.plans, configuration: &configuration, dataset: &self.dataset, predictors: &predictors };
        let options = PredictOptions { mirroring: how.mirroring, save_probabilities: how.probabilities, ..PredictOptions::new(images, output) };
        predict_folder(&model, &options, desk.report())?;
        Ok(())
    }
}

/// Settings of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct How {
    pub(super) mirroring: bool,
    pub(super) probabilities: bool,
}

/// Copies the images of `cases` from one folder to another, which is made.
pub(super) fn copy_images(from: &Path, to: &Path, ending: &str, cases: &BTreeSet<String>) -> Result<()> {
    std::fs::create_dir_all(to).map_err(Error::io("create", to))?;
    let there: BTreeMap<String, Vec<PathBuf>> = images_in(from, ending)?.into_iter().collect();
    for case in cases {
        let Some(files) = there.get(case) else {
            return Err(Error::content(from, format!("there is no image {case}_0000{ending} of the prediction {case}{ending}")));
        };
        for file in files {
            std::fs::copy(file, to.join(file.file_name().unwrap_or_default())).map_err(Error::io("copy", file))?;
        }
    }
    Ok(())
}

/// The cases whose segmentations lie in `folder`.
pub(super) fn cases_in(desk: &Desk<'_>, folder: &str, ending: &str) -> BTreeSet<String> {
    desk.files.names_in(folder).into_iter().filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
}

/// The segmentation of the file `theirs`, voxel by voxel, against that in `ours`; and where the two say that their voxels are.
pub(super) fn segmentation(desk: &mut Desk<'_>, what: &str, ours: &Path, theirs: &str, limit: f64) -> Result<()> {
    let theirs = desk.take(theirs, Use::Compared)?;
    let ((own, geometry), (wanted, wanted_geometry)) = (read_segmentation(ours)?, read_segmentation(&theirs)?);
    if desk.shape(what, own.shape(), wanted.shape()) {
        let list = |labels: &ndarray::Array3<i16>| labels.iter().copied().collect::<Vec<_>>();
        desk.voxels(what, &list(&own), &list(&wanted), limit);
    }
    let place = |geometry: &volume::image::Geometry| (geometry.spacing, geometry.origin, geometry.direction);
    desk.tree(&format!("{what}, spacing, origin and direction"), &place(&geometry), &place(&wanted_geometry), tolerance::GEOMETRY);
    Ok(())
}
