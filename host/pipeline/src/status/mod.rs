//! How far trainings are: every fold of every trained model, from the files in `nnUNet_results` and from who holds a fold's lock.

mod command;
mod epochs;
mod fold;
#[cfg(test)]
mod tests;

pub use epochs::{Epoch, epochs, usual_seconds};
pub use fold::{FoldStatus, State};

use crate::{
    error::{Error, Result},
    json,
    paths::{Paths, dataset_id},
    splits::{self, Splits},
};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// A trained configuration with its folds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelStatus {
    /// The dataset's folder name.
    pub dataset: String,
    /// The trainer config.
    pub trainer: String,
    /// The plans' name.
    pub plans: String,
    /// The configuration.
    pub configuration: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// Those of the splits and those that are there, by number; `all` comes last.
    pub folds: Vec<FoldStatus>,
}

/// The models of `datasets` (folder names; none: all that are in `nnUNet_results`), in the order of their names.
///
/// # Errors
/// `nnUNet_results` is not set, or a folder cannot be listed.
pub fn models(paths: &Paths, datasets: &[String]) -> Result<Vec<ModelStatus>> {
    let results = paths.results()?;
    let names =
        if datasets.is_empty() { folders(results)?.into_iter().filter(|name| dataset_id(name).is_some()).collect() } else { datasets.to_vec() };
    let mut models = vec![];
    for name in names {
        let splits = paths.preprocessed().ok().and_then(|folder| json::read::<Splits>(&folder.join(&name).join(splits::FILE)).ok());
        let count = splits.map_or(5, |splits| splits.0.len());
        for model in folders(&results.join(&name))? {
            models.extend(look(&results.join(&name).join(model), count)?);
        }
    }
    Ok(models)
}

/// The model in a folder, or in the folder above it where `folder` is one of its folds: then with that fold alone.
///
/// # Errors
/// It is neither.
pub fn of_folder(folder: &Path) -> Result<ModelStatus> {
    let folder = std::path::absolute(folder).map_err(Error::io("find", folder))?;
    let name = name(&folder);
    let (model, only) = match name.strip_prefix("fold_") {
        Some(fold) => (folder.parent().unwrap_or(&folder).to_owned(), Some(fold.to_owned())),
        None => (folder.clone(), None),
    };
    let wrong = || Error::content(&folder, "is neither a model folder (TRAINER__PLANS__CONFIG) nor one of its folds (fold_X)");
    let mut found = if folder.is_dir() { look(&model, 0)?.ok_or_else(wrong)? } else { return Err(wrong()) };
    found.folds.retain(|fold| only.as_ref().is_none_or(|only| fold.fold == *only));
    Ok(found)
}

impl ModelStatus {
    /// The folder of one of its folds.
    pub fn fold_folder(&self, fold: &str) -> PathBuf {
        self.folder.join(format!("fold_{fold}"))
    }
}

/// A model folder whose splits have `count` folds; none where the name is not a model's.
fn look(folder: &Path, count: usize) -> Result<Option<ModelStatus>> {
    let name_of_model = name(folder);
    let [trainer, plans, configuration] = name_of_model.split("__").collect::<Vec<_>>()[..] else { return Ok(None) };
    let dataset = folder.parent().map(name).unwrap_or_default();
    let there: Vec<String> = folders(folder)?.iter().filter_map(|name| name.strip_prefix("fold_").map(str::to_owned)).collect();
    let numbers: BTreeSet<usize> = (0..count).chain(there.iter().filter_map(|name| name.parse().ok())).collect();
    let names = numbers.iter().map(ToString::to_string).chain(there.iter().filter(|name| *name == "all").cloned());
    // what a sibling was trained with is the best guess for a fold that was not
    let debug = there.iter().map(|fold| folder.join(format!("fold_{fold}")).join("debug.json")).find(|path| path.is_file());
    let sibling = debug.and_then(|path| command::kept(&json::read(&path).ok()?));
    let words = sibling.unwrap_or_else(|| command::plain(&dataset, trainer, plans, configuration));
    let folds = names.map(|fold| fold::look(&folder.join(format!("fold_{fold}")), &fold, &words)).collect::<Result<_>>()?;
    let [trainer, plans, configuration] = [trainer, plans, configuration].map(str::to_owned);
    Ok(Some(ModelStatus { dataset, trainer, plans, configuration, folder: folder.to_owned(), folds }))
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The names of the folders in a folder, sorted; none where it is not there.
fn folders(folder: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(Error::io("list", folder)(error)),
    };
    let mut names: Vec<String> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).map(|path| name(&path)).collect();
    names.sort();
    Ok(names)
}
