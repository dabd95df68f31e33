//! Preprocessing as a command does it: all cases of a dataset, for some configurations.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use registry::Registry;
use volume::files::ArrayView;
use volume::files::atomic::{remove, remove_stale};
use volume::files::npz::{Packing, write_npz};

use super::manifest::{self, Finished, Manifest, RawFiles};
use super::{Plugins, PreprocessedCase, ground_truth, preprocess_with, resampled_shape};
use crate::claim::Claim;
use crate::dataset::{Case, DatasetJson, read_labels_with, training_cases, values_in};
use crate::error::{Error, Result};
use crate::json;
use crate::lock;
use crate::memory;
use crate::paths::Paths;
use crate::plan::{Configuration, Plans};
use crate::progress::{Report, for_each_case};

/// Longest time that a finished case is not in the manifest, and would be made again after a kill.
const MANIFEST_EVERY: Duration = Duration::from_secs(2);

/// What preprocessing can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The plans' name.
    pub plans_name: String,
    /// The configurations; those that the plans do not have are skipped.
    pub configurations: Vec<String>,
    /// Cases at a time, at most: one number for all configurations, one for each, or none for [`default_processes`].
    pub num_processes: Vec<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            plans_name: "nnUNetPlans".to_owned(),
            configurations: ["2d", "3d_fullres", "3d_lowres"].map(str::to_owned).to_vec(),
            num_processes: Vec::new(),
        }
    }
}

/// nnU-Net's number of cases at a time for a configuration.
pub fn default_processes(configuration: &str) -> usize {
    if matches!(configuration, "2d" | "3d_lowres") { 8 } else { 4 }
}

/// Preprocesses the training cases of `dataset` (its folder name) and copies their label images to `gt_segmentations`.
///
/// Cases that are finished and whose plan and raw files have not changed are kept, so that a run that was interrupted goes on and a
/// repeated one has nothing to do. Returns the configurations that the plans do not have. Plugins that plans name come from `registry`;
/// without one the host's own steps are all there is.
///
/// # Errors
/// Files that cannot be read or written, plans that cannot be followed, a case that does not fit them; what is finished by then stays.
pub fn run(paths: &Paths, registry: Option<&Registry>, dataset: &str, options: &Options, report: Report<'_>) -> Result<Vec<String>> {
    let (raw, folder) = (paths.raw()?.join(dataset), paths.preprocessed()?.join(dataset));
    let plans_file = folder.join(format!("{}.json", options.plans_name));
    let plans = Plans::read(&plans_file)?;
    let dataset = DatasetJson::read(&raw)?;
    let cases = training_cases(&raw, &dataset)?;
    dataset.write(&folder)?;

    let wanted = &options.configurations;
    let workers = |index: usize, name: &str| match options.num_processes.as_slice() {
        [] => Ok(default_processes(name)),
        [all] => Ok(*all),
        each if each.len() == wanted.len() => Ok(each[index]),
        each => {
            Err(Error::invalid(format!("-np gives {} numbers for {} configurations; give one for all or one for each", each.len(), wanted.len())))
        }
    };
    let mut missing = Vec::new();
    for (index, name) in wanted.iter().enumerate() {
        let workers = workers(index, name)?;
        if !plans.configurations.contains_key(name) {
            missing.push(name.clone());
            continue;
        }
        let configuration = plans.configuration(name)?;
        let plugins = registry.map(|registry| Plugins::of(registry, &plans, &configuration, &dataset)).transpose();
        let plugins = plugins.map_err(|e| lock::missing_of_plans(e, &[], &plans_file, name))?.unwrap_or_default();
        let cases_folder = folder.join(&configuration.data_identifier);
        let job = Job { plans: &plans, configuration: &configuration, dataset: &dataset, plugins: &plugins, folder: &cases_folder };
        let _claim = Claim::wait(&cases_folder)?;
        job.run(&folder, &cases, &format!("preprocess {name}"), workers, report)?;
        link(&folder, name, &configuration.data_identifier)?;
    }
    let _claim = Claim::wait(&folder.join(ground_truth::FOLDER))?;
    ground_truth::copy(&folder, &cases, &dataset)?;
    Ok(missing)
}

/// One configuration.
struct Job<'a> {
    plans: &'a Plans,
    configuration: &'a Configuration,
    dataset: &'a DatasetJson,
    plugins: &'a Plugins,
    folder: &'a Path,
}

impl Job<'_> {
    fn run(&self, dataset_folder: &Path, cases: &[Case], step: &str, workers: usize, report: Report<'_>) -> Result<()> {
        let path = manifest::path(dataset_folder, &self.configuration.data_identifier);
        let plan = manifest::plan_hash(self.plans, self.configuration, self.dataset, self.plugins);
        let manifest = match json::read::<Manifest>(&path) {
            Ok(manifest) if manifest.plan == plan => manifest,
            _ => {
                // another plan's cases, or nobody knows whose: first what vouches for them goes, then they
                remove(&path)?;
                remove(self.folder)?;
                Manifest::new(plan)
            }
        };
        fs::create_dir_all(self.folder).map_err(Error::io("create", self.folder))?;
        remove_stale(self.folder)?;
        remove_stale(dataset_folder)?;
        let mut kept = manifest.clone();
        kept.cases.retain(|name, _| cases.iter().any(|case| case.name == *name));
        kept.wanted = cases.len();
        self.remove_strangers(cases)?;

        // what is finished needs none
        let bytes = |case| Ok::<_, Error>(if manifest.has(self.folder, case)? { 0 } else { self.bytes(case)? });
        let bytes = cases.iter().map(|case| Ok((case.name.as_str(), bytes(case)?))).collect::<Result<Vec<_>>>()?;
        let workers = memory::workers(workers, bytes)?;
        let ledger = Mutex::new((kept, Instant::now()));
        let done = for_each_case(
            step,
            cases,
            |case| &case.name,
            workers,
            report,
            |case| {
                if manifest.has(self.folder, case)? {
                    return Ok(());
                }
                let raw = RawFiles::of(case)?;
                self.make(case)?;
                let finished = Finished::new(self.folder, case, raw)?;
                let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
                ledger.0.cases.insert(case.name.clone(), finished);
                if ledger.1.elapsed() > MANIFEST_EVERY {
                    json::write(&path, &ledger.0)?;
                    ledger.1 = Instant::now();
                }
                Ok(())
            },
        );
        let (manifest, _) = ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
        json::write(&path, &manifest)?;
        done.map(drop)
    }

    /// Bytes that a case takes at most, by the header of its first image.
    fn bytes(&self, case: &Case) -> Result<u64> {
        let Some(header) = case.header(self.plans.reader()?)? else { return Ok(0) };
        let transposed = |axes: [usize; 3]| self.plans.transpose_forward.map(|axis| axes[axis]);
        let spacing = self.plans.transpose_forward.map(|axis| header.geometry.spacing[axis]);
        let network = resampled_shape(transposed(header.shape), spacing, self.configuration.target_spacing(spacing));
        let network = network.map_err(|error| error.in_case(&case.name))?;
        Ok(memory::preparing(self.dataset.channel_names.len(), header.voxels(), network.iter().map(|&length| length as u64).product()))
    }

    /// Reads, preprocesses and writes one case. The properties are written last: where they are, the arrays are.
    fn make(&self, case: &Case) -> Result<()> {
        let reader = self.plans.reader()?;
        let (image, warnings) = reader.read_channels(&case.images)?;
        warnings.iter().for_each(|warning| tracing::warn!("{}: {warning}", case.name));
        let (seg, _) = read_labels_with(reader, &case.label, self.dataset)?;
        if let Some(what) = self.dataset.label_manager()?.unnamed(&values_in(&seg)) {
            return Err(Error::content(&case.label, what));
        }
        let made = preprocess_with(self.plugins, image, Some(seg), self.plans, self.configuration, self.dataset)?;
        let [npz, pkl] = manifest::files(self.folder, &case.name);
        write_arrays(&npz, &made)?;
        Ok(made.properties.write(&pkl)?)
    }

    /// Removes files of cases that the dataset does not have.
    fn remove_strangers(&self, cases: &[Case]) -> Result<()> {
        let ours: std::collections::HashSet<_> = cases.iter().flat_map(|case| manifest::files(self.folder, &case.name)).collect();
        for entry in fs::read_dir(self.folder).map_err(Error::io("list", self.folder))? {
            let path = entry.map_err(Error::io("list", self.folder))?.path();
            if path.is_file() && !ours.contains(&path) {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// `data` (C, z, y, x) and `seg` (1, z, y, x), stored so that they can be mapped.
fn write_arrays(path: &Path, case: &PreprocessedCase) -> Result<()> {
    let (data, seg) = (case.data.as_standard_layout(), case.seg.as_standard_layout());
    let seg_shape = [&[1], seg.shape()].concat();
    let arrays = [
        ("data", ArrayView::new(data.shape(), data.as_slice().unwrap_or_default()).map_err(|error| error.at(path))?),
        ("seg", ArrayView::new(&seg_shape, seg.as_slice().unwrap_or_default()).map_err(|error| error.at(path))?),
    ];
    Ok(write_npz(path, &arrays, Packing::Stored)?)
}

/// A link named after the configuration to its folder of cases. A folder of that name that is no link is left alone.
fn link(folder: &Path, name: &str, data_identifier: &str) -> Result<()> {
    let path = folder.join(name);
    match fs::symlink_metadata(&path) {
        _ if name == data_identifier => return Ok(()),
        Ok(about) if !about.is_symlink() => {
            tracing::warn!("{} is in the way of a link to {data_identifier}", path.display());
            return Ok(());
        }
        Ok(_) if fs::read_link(&path).is_ok_and(|target| target == Path::new(data_identifier)) => return Ok(()),
        _ => {}
    }
    remove(&path)?;
    #[cfg(unix)]
    std::os::unix::fs::symlink(data_identifier, &path).map_err(Error::io("link", &path))?;
    Ok(())
}
