//! One page that shows how a model was trained and where it fails; it needs no other file and no network.

mod curves;
mod gather;
mod page;
mod planes;

use crate::{
    error::{Error, Result},
    paths::Paths,
    progress::{Report, for_each_case},
};
use gather::Gathered;
use std::path::{Path, PathBuf};

/// What [`write()`] can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A model folder (`TRAINER__PLANS__CONFIG`), one of its folds, or a folder with a `summary.json`.
    pub folder: PathBuf,
    /// The folder of the scored images; none: `imagesTr` of the model's dataset in `nnUNet_raw`.
    pub images: Option<PathBuf>,
    /// So many cases are shown in three planes, the worst first.
    pub shown: usize,
    /// Cases that are drawn at a time, at most.
    pub num_processes: usize,
}

/// Writes the page to `path`: curves of each fold, Dice of each case and class with the worst first, the worst cases in three planes, fingerprint,
/// plans, plugins and times. What is missing (images, a validation) is said on the page.
///
/// # Errors
/// The folder holds neither a fold nor a `summary.json`; a file is damaged; the page cannot be written.
pub fn write(paths: &Paths, options: &Options, path: &Path, report: Report<'_>) -> Result<()> {
    let gathered = Gathered::from(paths, options)?;
    let shown: Vec<&gather::Case> = gathered.cases.iter().take(options.shown).collect();
    let draw = |case: &&gather::Case| Ok(planes::draw(case, gathered.dataset.as_ref()).map_err(|error| error.to_string()));
    let drawn = for_each_case("draw", &shown, |case| case.name.as_str(), options.num_processes, report, draw)?;
    let views: Vec<(&gather::Case, std::result::Result<planes::Views, String>)> = shown.into_iter().zip(drawn).collect();
    let page = page::page(&gathered, &views)?;
    volume::files::atomic::write_bytes(path, page.into_string().as_bytes()).map_err(Error::from)
}
