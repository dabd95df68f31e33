//! What the cases in a folder were made of: `{data_identifier}.manifest.json` beside it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Plugins;
use crate::dataset::{Case, DatasetJson};
use crate::error::{Error, Result};
use crate::json;
use crate::plan::{Configuration, Plans};

/// Grows when the same plan makes other arrays.
const FORMAT: u32 = 1;

/// The plan's part of preprocessing, and the cases that are finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// SHA-256 of what the plan and `dataset.json` say of preprocessing.
    pub(super) plan: String,
    /// Cases that there are to be; 0 in files from before this was kept.
    #[serde(default)]
    pub(super) wanted: usize,
    /// Finished cases.
    pub(super) cases: BTreeMap<String, Finished>,
}

/// A case whose files are whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finished {
    /// Its images in order, then its labels.
    raw: Vec<RawFile>,
    /// Bytes of `{case}.npz` and `{case}.pkl`.
    made: [u64; 2],
}

/// A raw file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RawFile {
    file: PathBuf,
    size: u64,
    /// Nanoseconds since 1970; where it and the size are as they were, the content is taken to be.
    modified: u64,
    sha256: String,
}

/// The manifest's file for a folder of cases.
pub(super) fn path(dataset_folder: &Path, data_identifier: &str) -> PathBuf {
    dataset_folder.join(format!("{data_identifier}.manifest.json"))
}

/// The files of a case.
pub(super) fn files(folder: &Path, case: &str) -> [PathBuf; 2] {
    ["npz", "pkl"].map(|ending| folder.join(format!("{case}.{ending}")))
}

/// Checks that the preprocessed cases of `configuration` in `dataset_folder` were made by this plan, and gives their names.
///
/// Batch size, patch and topology do not matter; spacing, normalisation, resampling, axis order, reader, labels and the files of plugins do.
///
/// # Errors
/// There are none or not all, they were made by another plan, or files of theirs are missing or cut short.
pub fn check(dataset_folder: &Path, plans: &Plans, configuration: &Configuration, dataset: &DatasetJson, plugins: &Plugins) -> Result<Vec<String>> {
    let path = path(dataset_folder, &configuration.data_identifier);
    let identifier = &configuration.data_identifier;
    if !path.exists() {
        return Err(Error::content(&path, format!("there are no preprocessed cases of {identifier}; run nnUNetv2_preprocess")));
    }
    let manifest: Manifest = json::read(&path)?;
    if manifest.plan != plan_hash(plans, configuration, dataset, plugins) {
        return Err(Error::content(
            &path,
            format!(
                "the cases of {identifier} were made by a plan with another spacing, normalisation, resampling, reader or labels, or by another \
                 version of a plugin; run nnUNetv2_preprocess anew"
            ),
        ));
    }
    let made = manifest.cases.len();
    if made < manifest.wanted {
        return Err(Error::content(
            &path,
            format!("{made} of the {} cases of {identifier} are preprocessed; nnUNetv2_preprocess makes the others", manifest.wanted),
        ));
    }
    let folder = dataset_folder.join(identifier);
    for (case, finished) in &manifest.cases {
        for (file, wanted) in files(&folder, case).iter().zip(finished.made) {
            let what = match fs::metadata(file) {
                Ok(about) if about.len() >= wanted => continue,
                Ok(about) => format!("has {} bytes, wanted {wanted}", about.len()),
                Err(_) => "is missing".to_owned(),
            };
            return Err(Error::content(file, format!("{what}; nnUNetv2_preprocess makes it anew")));
        }
    }
    Ok(manifest.cases.into_keys().collect())
}

/// SHA-256 of all that decides what the arrays are, but for the raw files.
pub(super) fn plan_hash(plans: &Plans, configuration: &Configuration, dataset: &DatasetJson, plugins: &Plugins) -> String {
    let used = plugins.hashes();
    let needs_intensities = !used.is_empty() || configuration.normalization_schemes.iter().any(|scheme| scheme == "CTNormalization");
    let mut keys = json!({
        "format": FORMAT,
        "preprocessor_name": configuration.preprocessor_name,
        "image_reader_writer": plans.image_reader_writer,
        "transpose_forward": plans.transpose_forward,
        "intensities": needs_intensities.then_some(&plans.foreground_intensity_properties_per_channel),
        "spacing": configuration.spacing,
        "normalization_schemes": configuration.normalization_schemes,
        "use_mask_for_norm": configuration.use_mask_for_norm,
        "resampling_fn_data": [json!(configuration.resampling_fn_data), json!(configuration.resampling_fn_data_kwargs)],
        "resampling_fn_seg": [json!(configuration.resampling_fn_seg), json!(configuration.resampling_fn_seg_kwargs)],
        "labels": dataset.get("labels"),
        "regions_class_order": dataset.regions_class_order,
    });
    if !used.is_empty() {
        keys["plugins"] = json!(used);
    }
    hex(Sha256::digest(keys.to_string()).as_slice())
}

impl Manifest {
    /// A manifest without a case.
    pub(super) fn new(plan: String) -> Self {
        Self { plan, wanted: 0, cases: BTreeMap::new() }
    }

    /// Whether `case` is finished: its files have the size that they had, and the raw files are as they were.
    pub(super) fn has(&self, folder: &Path, case: &Case) -> Result<bool> {
        let Some(finished) = self.cases.get(&case.name) else { return Ok(false) };
        let sizes = files(folder, &case.name).map(|path| fs::metadata(path).map(|about| about.len()).ok());
        if sizes != finished.made.map(Some) || !case.files()?.iter().eq(finished.raw.iter().map(|known| &known.file)) {
            return Ok(false);
        }
        for known in &finished.raw {
            if !known.is_unchanged()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Finished {
    /// What to say of a case that has just been made of `raw`.
    pub(super) fn new(folder: &Path, case: &Case, raw: RawFiles) -> Result<Self> {
        let mut made = [0; 2];
        for (size, path) in made.iter_mut().zip(files(folder, &case.name)) {
            *size = fs::metadata(&path).map_err(Error::io("read", &path))?.len();
        }
        Ok(Self { raw: raw.0, made })
    }
}

/// The raw files of a case, taken down before they are read.
pub(super) struct RawFiles(Vec<RawFile>);

impl RawFiles {
    pub(super) fn of(case: &Case) -> Result<Self> {
        case.files()?.iter().map(|path| RawFile::of(path)).collect::<Result<_>>().map(Self)
    }
}

impl RawFile {
    fn of(path: &Path) -> Result<Self> {
        let (size, modified) = stat(path)?;
        Ok(Self { file: path.to_path_buf(), size, modified, sha256: sha256(path)? })
    }

    fn is_unchanged(&self) -> Result<bool> {
        let (size, modified) = stat(&self.file)?;
        Ok(size == self.size && (modified == self.modified || sha256(&self.file)? == self.sha256))
    }
}

/// Bytes, and nanoseconds since 1970.
fn stat(path: &Path) -> Result<(u64, u64)> {
    let about = fs::metadata(path).map_err(Error::io("read", path))?;
    let modified = about.modified().map_err(Error::io("read", path))?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((about.len(), u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)))
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let mut hasher = Hasher(Sha256::new());
    io::copy(&mut file, &mut hasher).map_err(Error::io("read", path))?;
    Ok(hex(hasher.0.finalize().as_slice()))
}

struct Hasher(Sha256);

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
