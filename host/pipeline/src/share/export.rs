//! Models into a zip file.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use volume::files::atomic::write_atomic;
use volume::files::{FileError, FirstError};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::crossval;
use crate::error::{Error, Result};
use crate::lock;
use crate::paths::Paths;
use crate::progress::{Progress, Report};
use crate::train::Fold;

/// What goes into the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The dataset's folder name.
    pub dataset: String,
    /// Configurations; none: each of nnU-Net's four that was trained.
    pub configurations: Vec<String>,
    /// The trainer config, as folders name it.
    pub trainer: String,
    /// The name of the plans.
    pub plans: String,
    /// Folds.
    pub folds: Vec<Fold>,
    /// The files in each fold.
    pub checkpoints: Vec<String>,
    /// Missing configurations, folds and checkpoints are an error.
    pub strict: bool,
    /// The segmentations of the cross-validation go in, too.
    pub predictions: bool,
}

/// nnU-Net's configurations.
const CONFIGURATIONS: [&str; 4] = ["3d_lowres", "3d_fullres", "2d", "3d_cascade_fullres"];
/// What a model and an ensemble keep of a cross-validation.
const RESULTS: [&str; 3] = ["summary.json", "postprocessing.pkl", "postprocessing.json"];

/// Writes the models to the zip file `output`; the number of files in it.
///
/// Of each configuration: plans, dataset, fingerprint, the results of its cross-validation; of each fold: checkpoints, `debug.json`,
/// `progress.png`, `network_architecture.pdf`, `plugins.lock`, and the scores of the validation. Ensembles whose members are all in the file, and what
/// `find_best_configuration` wrote, go with them.
///
/// # Errors
/// No model; with `strict` everything that is missing, listed; files that cannot be read or written.
pub fn export(paths: &Paths, what: &Export, output: &Path, report: Report<'_>) -> Result<usize> {
    let results = paths.results()?;
    let files = what.files(paths)?;
    let total = files.len();
    write_atomic(output, |out| -> Result<()> {
        let mut zip = ZipWriter::new(FirstError::new(out));
        for (done, path) in files.iter().enumerate() {
            let name = path.strip_prefix(results).unwrap_or(path).to_string_lossy().replace('\\', "/");
            add(&mut zip, &name, path).map_err(|source| Error::Io { action: "pack", path: path.clone(), source })?;
            report(Progress { step: "pack", done: done + 1, total, case: &name });
        }
        zip.finish().map_err(|error| FileError::io("write", output)(error.into()))?;
        Ok(())
    })?;
    Ok(total)
}

fn add(zip: &mut ZipWriter<impl Write + Seek>, name: &str, path: &Path) -> io::Result<()> {
    let mut source = File::open(path)?;
    let packed = [".pth", ".png", ".gz", ".pdf"].iter().any(|ending| name.ends_with(ending));
    let method = if packed { CompressionMethod::Stored } else { CompressionMethod::Deflated };
    let large = source.metadata()?.len() > u64::from(u32::MAX) - (1 << 24);
    // no time: equal models make equal files
    let options = SimpleFileOptions::default().compression_method(method).last_modified_time(DateTime::default()).large_file(large);
    zip.start_file(name, options)?;
    io::copy(&mut source, zip).map(drop)
}

impl Export {
    /// All files, a configuration after the other.
    fn files(&self, paths: &Paths) -> Result<Vec<PathBuf>> {
        let dataset = paths.results()?.join(&self.dataset);
        let (mut files, mut missing, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (configuration, needed) in self.wanted() {
            let model = paths.model(&self.dataset, &self.trainer, &self.plans, configuration)?;
            if !model.join("plans.json").is_file() {
                missing.extend((needed && self.strict).then(|| model.join("plans.json").display().to_string()));
                continue;
            }
            names.extend(model.file_name().map(|name| name.to_string_lossy().into_owned()));
            self.folds_of(&model, &mut files, &mut missing)?;
            files.extend(self.results_of(&crossval::folder(&model, &self.folds))?);
            files.extend(
                ["plans.json", "dataset_fingerprint.json", "dataset.json"].map(|name| model.join(name)).into_iter().filter(|path| path.is_file()),
            );
        }
        if !missing.is_empty() {
            let what = format!("not there: {}; train it, or leave it out with -c and -f, or with --not_strict", missing.join(", "));
            return Err(Error::content(&dataset, what));
        }
        if names.is_empty() {
            let what = format!("there is no model of {} with {}; train one, or name another with -tr, -p and -c", self.trainer, self.plans);
            return Err(Error::content(&dataset, what));
        }
        files.extend(self.ensembles(&dataset.join("ensembles"), &names)?);
        let found = ["inference_information.json", "inference_instructions.txt"].map(|name| dataset.join(name));
        files.extend(found.into_iter().filter(|path| path.is_file()));
        Ok(files)
    }

    /// The configurations, and whether they were asked for by name.
    fn wanted(&self) -> Vec<(&str, bool)> {
        match self.configurations.as_slice() {
            [] => CONFIGURATIONS.map(|name| (name, false)).to_vec(),
            named => named.iter().map(|name| (name.as_str(), true)).collect(),
        }
    }

    fn folds_of(&self, model: &Path, files: &mut Vec<PathBuf>, missing: &mut Vec<String>) -> Result<()> {
        for fold in &self.folds {
            let folder = model.join(fold.folder());
            for path in self.checkpoints.iter().map(|name| folder.join(name)) {
                if path.is_file() {
                    files.push(path);
                } else if self.strict {
                    missing.push(path.display().to_string());
                }
            }
            let beside = ["debug.json", "progress.png", "network_architecture.pdf", lock::FILE].map(|name| folder.join(name));
            files.extend(beside.into_iter().filter(|path| path.is_file()));
            files.extend(self.results_of(&folder.join("validation"))?);
        }
        Ok(())
    }

    /// The scores in `folder`, and its segmentations if they are wanted.
    fn results_of(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        if !self.predictions {
            return Ok(RESULTS.map(|name| folder.join(name)).into_iter().filter(|path| path.is_file()).collect());
        }
        let kept = |path: &PathBuf| {
            path.is_file() && !path.extension().is_some_and(|e| e == "npz" || e == "tmp" || e == "pkl" && !path.ends_with("postprocessing.pkl"))
        };
        Ok(entries(folder)?.into_iter().filter(kept).collect())
    }

    /// The results of the ensembles whose members are all among `names`.
    fn ensembles(&self, folder: &Path, names: &[String]) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for ensemble in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            let name = ensemble.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let parts: Vec<&str> = name.split("___").collect();
            if let ["ensemble", members @ .., _folds] = parts.as_slice()
                && !members.is_empty()
                && members.iter().all(|member| names.iter().any(|name| name == member))
            {
                files.extend(self.results_of(&ensemble)?);
            }
        }
        Ok(files)
    }
}

/// What is in `folder`, sorted; nothing where there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let list = fs::read_dir(folder).map_err(Error::io("list", folder))?;
    let mut paths = list.map(|entry| entry.map(|entry| entry.path()).map_err(Error::io("list", folder))).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
