//! A raw dataset: `dataset.json`, the files of its cases, and whether they fit together.

mod cases;
mod describe;
mod integrity;
mod labels;
mod relabel;
mod repair;
#[cfg(test)]
pub(crate) mod tests;

pub use cases::{Case, images_in, missing_channel, training_cases};
pub use describe::{Description, describe};
pub use integrity::{Inspection, Misplaced, inspect, verify};
pub use labels::{LabelManager, Nonlinearity};
pub use relabel::{Renumbering, consecutive, label_values, relabel};
pub(crate) use relabel::{label_name, values_in};
pub use repair::{repair, repaired};

use std::path::Path;

use ndarray::Array3;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use volume::files::atomic::copy_atomic;
use volume::image::{Geometry, Reader, read_header, write_segmentation};

use crate::error::{Error, Result};
use crate::json;
use crate::memory;

/// What a label stands for: one value, or a region, the union of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its values; more than one make a region.
    pub values: Vec<i16>,
}

/// `dataset.json`. Keys that are not known here are kept, and all keys keep their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct DatasetJson {
    /// The channels' names in the order of their indices (key `channel_names`, or `modality` of old).
    pub channel_names: Vec<String>,
    /// Labels and regions in the order of the file, without `ignore`.
    pub labels: Vec<Label>,
    /// The value of voxels that are left out of loss and metrics: highest label + 1, which a -1 in the file means too.
    pub ignore: Option<i16>,
    /// The value that each foreground region has in a segmentation; later ones cover earlier ones.
    pub regions_class_order: Option<Vec<i16>>,
    /// Training cases.
    pub num_training: usize,
    /// Ending of all files, such as `.nii.gz`.
    pub file_ending: String,
    /// The file said -1 for `ignore`, so its label images hold -1.
    pub(crate) ignore_was_negative: bool,
    keys: Map<String, Value>,
}

impl DatasetJson {
    /// Reads `dataset.json` in the folder of a dataset.
    ///
    /// # Errors
    /// There is none, or a key is missing or cannot be used; every such key is named.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("dataset.json");
        if !path.exists() {
            return Err(Error::content(&path, "is missing; it names channels, labels, the number of cases and the ending of their files"));
        }
        json::read(&path)
    }

    /// Writes it to `dataset.json` in `folder`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        json::write(&folder.join("dataset.json"), self)
    }

    /// The value of any key of the file.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.keys.get(key)
    }

    /// Entries of `labels`, `background` and `ignore` included: nnU-Net's planner takes that for the number of classes.
    pub fn num_label_entries(&self) -> usize {
        self.labels.len() + usize::from(self.ignore.is_some())
    }

    /// Labels, regions and how logits become a segmentation.
    ///
    /// # Errors
    /// The labels do not make sense together.
    pub fn label_manager(&self) -> Result<LabelManager> {
        LabelManager::new(self)
    }

    /// nnU-Net's reader for the files: what `overwrite_image_reader_writer` names, else the first that takes their ending. `.tif` files
    /// may be 2D, which [`DatasetJson::reader_of`] tells; both are read the same.
    ///
    /// # Errors
    /// There is no such reader.
    pub fn reader(&self) -> Result<Reader> {
        if let Some(name) = self.overwritten_reader() {
            return named_reader("overwrite_image_reader_writer", name);
        }
        Reader::of_ending(&self.file_ending).ok_or_else(|| self.unknown_ending())
    }

    /// As [`DatasetJson::reader`], after a look at one of the images.
    ///
    /// # Errors
    /// There is no such reader, or the image cannot be read.
    pub fn reader_of(&self, image: &Path) -> Result<Reader> {
        if self.overwritten_reader().is_some() {
            return self.reader();
        }
        Reader::of(&self.file_ending, image)?.ok_or_else(|| self.unknown_ending())
    }

    fn overwritten_reader(&self) -> Option<&str> {
        self.keys.get("overwrite_image_reader_writer").and_then(Value::as_str).filter(|name| *name != "None")
    }

    fn unknown_ending(&self) -> Error {
        Error::invalid(format!("`file_ending` is {:?}; known are {}", self.file_ending, volume::image::ENDINGS.join(", ")))
    }
}

impl TryFrom<Map<String, Value>> for DatasetJson {
    type Error = String;

    fn try_from(mut keys: Map<String, Value>) -> Result<Self, String> {
        let mut problems = Vec::new();
        let mut note = |problem: String| problems.push(problem);

        let channel_names = channels(&keys).unwrap_or_else(|problem| {
            note(problem);
            Vec::new()
        });
        let (labels, ignore) = labels(&keys).unwrap_or_else(|problem| {
            note(problem);
            (Vec::new(), None)
        });
        let ignore_was_negative = ignore == Some(-1);
        let highest = labels.iter().flat_map(|label| label.values.iter().copied()).max().unwrap_or(0);
        let ignore = ignore.map(|value| if value == -1 { highest.saturating_add(1) } else { value });
        if let (true, Some(ignore), Some(Value::Object(labels))) = (ignore_was_negative, ignore, keys.get_mut("labels")) {
            labels.insert("ignore".into(), ignore.into());
        }
        let regions_class_order = match keys.get("regions_class_order") {
            None | Some(Value::Null) => None,
            Some(order) => values(order).or_else(|| {
                note(format!("`regions_class_order` is {order}, not a list of integers"));
                None
            }),
        };
        let num_training = keys.get("numTraining").and_then(Value::as_u64);
        if num_training.is_none() {
            note(format!("`numTraining` is {}, not the number of training cases", shown(&keys, "numTraining")));
        }
        let file_ending = keys.get("file_ending").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !file_ending.starts_with('.') {
            note(format!("`file_ending` is {}, not an ending such as \".nii.gz\"", shown(&keys, "file_ending")));
        }
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        let num_training = num_training.and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
        Ok(Self { channel_names, labels, ignore, regions_class_order, num_training, file_ending, ignore_was_negative, keys })
    }
}

impl From<DatasetJson> for Map<String, Value> {
    fn from(dataset: DatasetJson) -> Self {
        dataset.keys
    }
}

/// The value of `key` for an error.
fn shown(keys: &Map<String, Value>, key: &str) -> String {
    keys.get(key).map_or_else(|| "missing".to_owned(), Value::to_string)
}

/// `channel_names`: `{"0": "CT", "1": ...}`.
fn channels(keys: &Map<String, Value>) -> Result<Vec<String>, String> {
    let key = if keys.contains_key("channel_names") { "channel_names" } else { "modality" };
    let wanted = || format!("`channel_names` is {}, not an object such as {{\"0\": \"CT\", \"1\": \"MRI\"}}", shown(keys, key));
    let channels = keys.get(key).and_then(Value::as_object).filter(|channels| !channels.is_empty()).ok_or_else(wanted)?;
    (0..channels.len()).map(|index| channels.get(&index.to_string()).and_then(Value::as_str).map(str::to_owned).ok_or_else(wanted)).collect()
}

/// `labels`: `{"background": 0, "tumour": 1, "organ": [1, 2], "ignore": 3}`.
fn labels(keys: &Map<String, Value>) -> Result<(Vec<Label>, Option<i16>), String> {
    let entries = keys.get("labels").and_then(Value::as_object);
    let entries =
        entries.ok_or_else(|| format!("`labels` is {}, not an object such as {{\"background\": 0, \"tumour\": 1}}", shown(keys, "labels")))?;
    let (mut labels, mut ignore) = (Vec::new(), None);
    for (name, value) in entries {
        let values = values(value).ok_or_else(|| format!("label `{name}` is {value}, not an integer or a list of integers from 0 to 32767"))?;
        if name != "ignore" {
            labels.push(Label { name: name.clone(), values });
        } else if let [value] = values.as_slice() {
            ignore = Some(*value);
        } else {
            return Err(format!("label `ignore` is {value}; it must be one integer, highest label + 1 or -1"));
        }
    }
    Ok((labels, ignore))
}

/// An integer, or a list of them that is not empty.
fn values(value: &Value) -> Option<Vec<i16>> {
    let one = |value: &Value| value.as_i64().and_then(|value| i16::try_from(value).ok());
    match value {
        Value::Array(list) if !list.is_empty() => list.iter().map(one).collect(),
        single => one(single).map(|value| vec![value]),
    }
}

/// The reader that `key` names.
///
/// # Errors
/// There is none of that name.
pub(crate) fn named_reader(key: &str, name: &str) -> Result<Reader> {
    let known = || Error::invalid(format!("`{key}` is {name:?}; known are {}", Reader::names().join(", ")));
    Reader::named(name).ok_or_else(known)
}

/// Reads a label image (z, y, x) with the dataset's reader; -1 becomes the ignore label where the dataset has one.
///
/// # Errors
/// The image cannot be read; there is no such reader.
pub fn read_labels(path: &Path, dataset: &DatasetJson) -> Result<(Array3<i16>, Geometry)> {
    read_labels_with(dataset.reader()?, path, dataset)
}

/// As [`read_labels`], with the reader that the plans name.
///
/// # Errors
/// The image cannot be read.
pub fn read_labels_with(reader: Reader, path: &Path, dataset: &DatasetJson) -> Result<(Array3<i16>, Geometry)> {
    let (mut labels, geometry) = reader.read_segmentation(path)?;
    if let Some(ignore) = dataset.ignore {
        labels.mapv_inplace(|label| if label == -1 { ignore } else { label });
    }
    Ok((labels, geometry))
}

/// Copies a label image so that the copy stands alone: what lies in several files is put in order under the new name. Where `dataset.json` gave -1
/// for the ignore label, the copy holds the label that it stands for.
///
/// # Errors
/// The image cannot be read, or the copy not written.
pub(crate) fn copy_labels(from: &Path, to: &Path, dataset: &DatasetJson) -> Result<()> {
    if dataset.ignore_was_negative || volume::image::files(from)?.len() > 1 {
        let (labels, geometry) = read_labels(from, dataset)?;
        return Ok(write_segmentation(to, &labels, &geometry)?);
    }
    Ok(copy_atomic(from, to)?)
}

/// Of `wanted` cases at a time, as many as fit into memory where each takes so many `bytes` a voxel and channel of its image; `cases` are names and
/// images.
///
/// # Errors
/// A header cannot be read, or not even the largest case fits; the case is named.
pub(crate) fn image_workers<'a, P: AsRef<Path>>(wanted: usize, cases: impl IntoIterator<Item = (&'a str, P)>, bytes: u64) -> Result<usize> {
    let needed = |(name, image): (&'a str, P)| match read_header(image) {
        Ok(header) => Ok((name, header.bytes(bytes))),
        Err(error) => Err(Error::from(error).in_case(name)),
    };
    memory::workers(wanted, cases.into_iter().map(needed).collect::<Result<Vec<_>>>()?)
}
