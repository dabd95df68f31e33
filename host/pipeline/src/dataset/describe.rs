//! `dataset.json` for images and labels that are there.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::{
    Case, DatasetJson,
    cases::case_of,
    images_in, missing_channel,
    relabel::{label_name, values_in_cases},
    training_cases,
};
use crate::error::{Error, Result};
use crate::progress::Report;

/// What the files cannot tell.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// The channels' names in the order of their indices.
    pub channels: Vec<String>,
    /// Labels and regions with their values; empty for the values that the label images have.
    pub labels: Vec<(String, Vec<i16>)>,
    /// The value that each region is written as; empty where there are no regions.
    pub regions_class_order: Vec<i16>,
    /// The ending of the files; the one of the images where it is not given.
    pub file_ending: Option<String>,
    /// Further keys: `name`, `license`, `overwrite_image_reader_writer` and so on.
    pub more: Map<String, Value>,
}

/// What `dataset.json` says of the raw dataset in `raw`; nothing is written. Cases and channels are counted.
///
/// # Errors
/// There is no case; images end in several ways; a case has another number of channels than are named; a label image cannot be read.
pub fn describe(raw: &Path, told: &Description, workers: usize, report: Report<'_>) -> Result<DatasetJson> {
    let images = raw.join("imagesTr");
    let file_ending = match &told.file_ending {
        Some(given) => given.clone(),
        None => ending(&images)?,
    };
    let found = images_in(&images, &file_ending)?;
    if found.is_empty() {
        return Err(Error::content(&images, format!("has no image named case_0000{file_ending}")));
    }
    for (case, files) in &found {
        if let Some(missing) = missing_channel(case, files, &file_ending) {
            return Err(Error::content(&images, missing));
        }
    }
    let mut keys = Map::new();
    let channels = told.channels.iter().enumerate().map(|(index, name)| (index.to_string(), Value::from(name.as_str())));
    keys.insert("channel_names".into(), Value::Object(channels.collect()));
    keys.insert("labels".into(), labels(&told.labels));
    if !told.regions_class_order.is_empty() {
        keys.insert("regions_class_order".into(), json!(told.regions_class_order));
    }
    keys.insert("numTraining".into(), found.len().into());
    keys.insert("file_ending".into(), file_ending.into());
    keys.extend(told.more.clone());

    let dataset = read(keys.clone())?;
    let cases = training_cases(raw, &dataset)?;
    if let Some(case) = cases.first() {
        same_channels(case, &dataset, &images)?;
    }
    if let Some(odd) = cases.iter().find(|case| case.images.len() != cases[0].images.len()) {
        let (here, there) = (odd.images.len(), cases[0].images.len());
        return Err(Error::content(
            &images,
            format!("{} has {here} files and {} has {there}; every case has the same channels", odd.name, cases[0].name),
        ));
    }
    if told.labels.is_empty() {
        let values = values_in_cases(&cases, dataset.reader()?, workers, report)?;
        let values: BTreeSet<i16> = values.into_keys().chain([0]).collect();
        keys.insert("labels".into(), labels(&values.into_iter().map(|value| (label_name(value), vec![value])).collect::<Vec<_>>()));
    }
    read(keys)
}

fn read(keys: Map<String, Value>) -> Result<DatasetJson> {
    DatasetJson::try_from(keys).map_err(Error::invalid)
}

fn labels(named: &[(String, Vec<i16>)]) -> Value {
    let value = |values: &[i16]| if let [one] = values { json!(one) } else { json!(values) };
    Value::Object(named.iter().map(|(name, values)| (name.clone(), value(values))).collect())
}

/// The ending that all images have.
fn ending(images: &Path) -> Result<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(images).map_err(Error::io("list", images))? {
        let path: PathBuf = entry.map_err(Error::io("list", images))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        found.extend(volume::image::ENDINGS.into_iter().filter(|ending| name.strip_suffix(ending).is_some_and(|stem| case_of(stem).is_some())));
    }
    match found.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(Error::content(images, format!("has no image named case_0000 with one of the endings {}", volume::image::ENDINGS.join(", ")))),
        several => Err(Error::content(images, format!("images end in {}; --file_ending says which of them are meant", several.join(" and ")))),
    }
}

/// Whether the images of a case have the channels that are named: a file each, or one file with all of them.
fn same_channels(case: &Case, dataset: &DatasetJson, images: &Path) -> Result<()> {
    let in_one = case.header(dataset.reader()?)?.map_or(1, |header| header.channels);
    let (found, named) = (if case.images.len() == 1 { in_one } else { case.images.len() }, dataset.channel_names.len());
    if found == named {
        return Ok(());
    }
    let names = dataset.channel_names.join(", ");
    Err(Error::content(images, format!("{} has {found} channels, but {named} are named ({names}); give --channels {found} names", case.name)))
}
