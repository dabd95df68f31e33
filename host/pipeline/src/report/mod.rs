//! One page that shows how a model was trained and where it fails; it needs no other file and no network.

mod curves;
mod gather;
mod page;
mod planes;

use crate::{
    error::{Error, Result},
    memory,
    paths::Paths,
    progress::{Report, for_each_case},
};
use gather::Gathered;
use std::path::{Path, PathBuf};
use volume::image::read_header;

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
/// The folder holds neither a fold nor a `summary.json`; a file is damaged; a case does not fit into memory; the page cannot be written.
pub fn write(paths: &Paths, options: &Options, path: &Path, report: Report<'_>) -> Result<()> {
    let gathered = Gathered::from(paths, options)?;
    let shown: Vec<&gather::Case> = gathered.cases.iter().take(options.shown).collect();
    let draw = |case: &&gather::Case| Ok(planes::draw(case, gathered.dataset.as_ref()).map_err(|error| error.to_string()));
    // truth, prediction and image, copies in new axes, and a file; what cannot be read is said on the page
    let bytes = |case: &gather::Case| read_header(&case.reference).map_or(0, |header| header.bytes(24));
    let workers = memory::workers(options.num_processes, shown.iter().map(|case| (case.name.as_str(), bytes(case))))?;
    let drawn = for_each_case("draw", &shown, |case| case.name.as_str(), workers, report, draw)?;
    let views: Vec<(&gather::Case, std::result::Result<planes::Views, String>)> = shown.into_iter().zip(drawn).collect();
    let page = page::page(&gathered, &views)?;
    volume::files::atomic::write_bytes(path, page.into_string().as_bytes()).map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset::tests::{in_files, write_endless},
        evaluate::{self, evaluate_folder},
        progress::silent,
        test_data::{dataset, row, write_labels},
    };
    use serde_json::{Value, json};

    /// One scored case, `a.mhd`.
    fn score(folder: &Path, truth: &Path) {
        [folder, truth].iter().for_each(|folder| write_labels(&folder.join("a.mhd"), &row(&[0, 1])));
        let labels = in_files(&dataset(json!({"background": 0, "a": 1}), Value::Null), ".mhd", "SimpleITKIO");
        evaluate_folder(truth, folder, &labels, &evaluate::Options::default(), &silent).unwrap();
    }

    fn options(folder: PathBuf) -> Options {
        Options { folder, images: None, shown: 1, num_processes: 1 }
    }

    #[test]
    fn a_relative_folder_lies_in_its_dataset() {
        // the folder of the tests stands for the dataset's
        let (lab, model) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in(".").unwrap());
        score(model.path(), &lab.path().join("truth"));
        let here = std::env::current_dir().unwrap();
        let images = lab.path().join("raw").join(here.file_name().unwrap()).join("imagesTr");
        std::fs::create_dir_all(&images).unwrap();
        std::fs::write(images.join("a_0000.mhd"), "").unwrap();
        let paths = Paths::new(lab.path().join("raw"), lab.path().join("pre"), lab.path().join("results"));
        let gathered = Gathered::from(&paths, &options(model.path().file_name().unwrap().into())).unwrap();
        assert_eq!(gathered.cases[0].image, Some(images.join("a_0000.mhd")));
    }

    #[test]
    fn a_case_that_fits_into_no_memory_is_named_and_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let [truth, folder, page] = ["truth", "scored", "report.html"].map(|name| dir.path().join(name));
        score(&folder, &truth);
        write_endless(&truth.join("a.mhd"));
        let error = write(&Paths::default(), &options(folder), &page, &silent).unwrap_err().to_string();
        assert!(error.starts_with("case a: needs ") && error.contains("GiB of memory"), "{error}");
    }
}
