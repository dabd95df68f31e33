//! What the page tells, from the files of a model.

use super::Options;
use crate::{
    checkpoint::{self, Checkpoint},
    dataset::DatasetJson,
    error::{Error, Result},
    evaluate::Summary,
    json,
    paths::Paths,
    plan::{Configuration, Plans},
};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// All that is known of a model or an evaluation.
pub(super) struct Gathered {
    /// The folder's name, and its dataset's.
    pub(super) title: String,
    pub(super) folds: Vec<Fold>,
    pub(super) dataset: Option<DatasetJson>,
    pub(super) plans: Option<Plans>,
    /// The configuration of the plans that was trained.
    pub(super) configuration: Option<(String, Configuration)>,
    pub(super) fingerprint: Option<Value>,
    /// The names of the structures, by the keys of the summaries.
    pub(super) structures: Vec<(String, String)>,
    /// Of all summaries, the worst mean Dice first; what has no Dice comes last.
    pub(super) cases: Vec<Case>,
}

/// A trained fold.
pub(super) struct Fold {
    pub(super) name: String,
    pub(super) checkpoint: Checkpoint,
    pub(super) summary: Option<Summary>,
}

/// A scored case.
pub(super) struct Case {
    pub(super) name: String,
    /// The fold that it was validated in, or empty.
    pub(super) fold: String,
    /// By structure; NaN where neither reference nor prediction has it.
    pub(super) dice: Vec<f64>,
    pub(super) mean: f64,
    pub(super) prediction: PathBuf,
    pub(super) reference: PathBuf,
    /// The first channel, if it was found.
    pub(super) image: Option<PathBuf>,
}

impl Gathered {
    pub(super) fn from(paths: &Paths, options: &Options) -> Result<Self> {
        // a relative path has no folder above it
        let folder = std::path::absolute(&options.folder).map_err(Error::io("find", &options.folder))?;
        let folder = folder.as_path();
        let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let (model, folds) = folds(folder)?;
        let own = folder.join("summary.json");
        if folds.is_empty() && !own.is_file() {
            let wanted = "wanted a model folder with fold_X/checkpoint_*.pth, a fold, or a folder with summary.json";
            return Err(Error::content(&options.folder, format!("there is nothing to report on; {wanted}")));
        }
        let beside = |file: &str| Some(model.join(file)).filter(|path| path.is_file());
        let dataset = beside("dataset.json").map(|_| DatasetJson::read(&model)).transpose()?;
        let plans = beside("plans.json").map(|path| Plans::read(&path)).transpose()?;
        let trained = folds.first().map(|fold| fold.checkpoint.configuration.clone());
        let configuration = match (&plans, trained) {
            (Some(plans), Some(name)) => Some((name.clone(), plans.configuration(&name)?)),
            _ => None,
        };
        let mut summaries: Vec<(String, Summary)> = folds.iter().filter_map(|f| Some((f.name.clone(), f.summary.clone()?))).collect();
        if summaries.is_empty() && own.is_file() {
            summaries.push((String::new(), Summary::read(&own)?));
        }
        let structures = structures(&summaries, dataset.as_ref())?;
        let dataset_folder = model.parent().map(name).unwrap_or_default();
        let images = options.images.clone().or_else(|| Some(paths.raw().ok()?.join(&dataset_folder).join("imagesTr")));
        let ending = dataset.as_ref().map(|dataset| dataset.file_ending.clone());
        let mut cases: Vec<Case> =
            summaries.iter().flat_map(|(fold, summary)| cases(fold, summary, &structures, images.as_deref(), ending.as_deref())).collect();
        cases.sort_by(|a, b| a.mean.is_nan().cmp(&b.mean.is_nan()).then(a.mean.total_cmp(&b.mean)).then_with(|| a.name.cmp(&b.name)));
        let fingerprint = beside("dataset_fingerprint.json").map(|path| json::read(&path)).transpose()?;
        let title = if dataset_folder.is_empty() || folds.is_empty() { name(folder) } else { format!("{dataset_folder}: {}", name(&model)) };
        Ok(Gathered { title, folds, dataset, plans, configuration, fingerprint, structures, cases })
    }
}

/// The model's folder, and its folds that have a checkpoint: final, latest or best.
fn folds(folder: &Path) -> Result<(PathBuf, Vec<Fold>)> {
    let names = ["checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth"];
    let checkpoint = |fold: &Path| names.iter().map(|name| fold.join(name)).find(|path| path.is_file());
    let (model, folders) = if checkpoint(folder).is_some() {
        (folder.parent().unwrap_or(folder).to_owned(), vec![folder.to_owned()])
    } else {
        let entries = std::fs::read_dir(folder).map_err(Error::io("list", folder))?;
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| checkpoint(path).is_some()).collect();
        folders.sort();
        (folder.to_owned(), folders)
    };
    let read = |fold: PathBuf| -> Result<Option<Fold>> {
        let Some(path) = checkpoint(&fold) else { return Ok(None) };
        let mut checkpoint = checkpoint::read(&path)?;
        checkpoint.weights.clear(); // the curves are small, the weights are not
        checkpoint.optimizer = None;
        let summary = fold.join("validation").join("summary.json");
        let summary = summary.is_file().then(|| Summary::read(&summary)).transpose()?;
        let name = fold.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Some(Fold { name, checkpoint, summary }))
    };
    let folds = folders.into_iter().filter_map(|fold| read(fold).transpose()).collect::<Result<_>>()?;
    Ok((model, folds))
}

/// Keys of the summaries with the names that the dataset gives them.
fn structures(summaries: &[(String, Summary)], dataset: Option<&DatasetJson>) -> Result<Vec<(String, String)>> {
    let Some((_, first)) = summaries.first() else { return Ok(Vec::new()) };
    let names = dataset.map(|dataset| dataset.get("labels").cloned().unwrap_or_default()).unwrap_or_default();
    let name = |key: &str| {
        let wanted: Vec<i64> = key.trim_matches(['(', ')']).split(',').filter_map(|n| n.trim().parse().ok()).collect();
        let is_it = |value: &Value| match value {
            Value::Array(list) => list.iter().filter_map(Value::as_i64).eq(wanted.iter().copied()),
            one => one.as_i64().is_some_and(|one| wanted == [one]),
        };
        let found = names.as_object().and_then(|names| names.iter().find(|(_, value)| is_it(value)).map(|(name, _)| name.clone()));
        found.unwrap_or_else(|| key.to_owned())
    };
    Ok(first.mean.keys().map(|key| (key.clone(), name(key))).collect())
}

fn cases(fold: &str, summary: &Summary, structures: &[(String, String)], images: Option<&Path>, ending: Option<&str>) -> Vec<Case> {
    let of = |case: &crate::evaluate::CaseMetrics| {
        let dice: Vec<f64> = structures.iter().map(|(key, _)| case.metrics.get(key).map_or(f64::NAN, |metrics| metrics.dice)).collect();
        let known: Vec<f64> = dice.iter().copied().filter(|dice| !dice.is_nan()).collect();
        let mean = if known.is_empty() { f64::NAN } else { known.iter().sum::<f64>() / known.len() as f64 };
        let prediction = PathBuf::from(&case.prediction_file);
        let file = prediction.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let ending = ending.map(str::to_owned).unwrap_or_else(|| file.split_once('.').map_or_else(String::new, |(_, ending)| format!(".{ending}")));
        let name = file.strip_suffix(&ending).unwrap_or(&file).to_owned();
        let image = images.map(|folder| folder.join(format!("{name}_0000{ending}"))).filter(|path| path.is_file());
        Case { fold: fold.to_owned(), dice, mean, reference: PathBuf::from(&case.reference_file), prediction, image, name }
    };
    summary.metric_per_case.iter().map(of).collect()
}
