//! Label values that are not 0, 1, 2, ...: masks of 0 and 255, challenges that number 0, 1, 2, 4.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use ndarray::ArrayRef3;
use serde_json::{Map, Value};
use volume::image::{Reader, write_segmentation};

use super::{Case, DatasetJson, image_workers, training_cases};
use crate::error::{Error, Result};
use crate::json;
use crate::progress::{Report, for_each_case};

/// Which value becomes which.
pub type Renumbering = BTreeMap<i16, i16>;

/// The values of all label images of the raw dataset in `raw`, with the number of cases that have them.
///
/// # Errors
/// There is no case, or a label image cannot be read; the case is named.
pub fn label_values(raw: &Path, workers: usize, report: Report<'_>) -> Result<BTreeMap<i16, usize>> {
    let (dataset, cases) = cases(raw)?;
    values_in_cases(&cases, dataset.reader()?, workers, report)
}

/// The values of the label images of `cases`, with the number of cases that have them.
pub(super) fn values_in_cases(cases: &[Case], reader: Reader, workers: usize, report: Report<'_>) -> Result<BTreeMap<i16, usize>> {
    let values = |case: &Case| {
        let (labels, _) = reader.read_segmentation(&case.label)?;
        Ok(values_in(&labels))
    };
    let mut found = BTreeMap::new();
    let workers = fitting(cases, workers)?;
    for value in for_each_case("read labels", cases, |case| &case.name, workers, report, values)?.into_iter().flatten() {
        *found.entry(value).or_insert(0) += 1;
    }
    Ok(found)
}

/// The name of a value that has none.
pub(crate) fn label_name(value: i16) -> String {
    if value == 0 { "background".to_owned() } else { format!("label_{value}") }
}

/// The values in a label image, each once and sorted.
pub(crate) fn values_in(labels: &ArrayRef3<i16>) -> BTreeSet<i16> {
    let mut values = BTreeSet::new();
    let mut last = None;
    for &value in labels {
        // neighbours mostly have one value
        if last != Some(value) {
            values.insert(value);
        }
        last = Some(value);
    }
    values
}

/// The renumbering that makes `values` consecutive and keeps their order: 0 stays 0, and what is below 0 or left over comes after.
pub fn consecutive(values: &BTreeMap<i16, usize>) -> Renumbering {
    let rest = values.keys().copied().filter(|&value| value > 0).chain(values.keys().copied().filter(|&value| value < 0));
    std::iter::once((0, 0)).chain(rest.zip(1..)).collect()
}

/// Writes copies of all label images with `map` applied to `output/labelsTr`, and a `dataset.json` that names the new values; the dataset stays as it is.
/// Names, regions and `regions_class_order` follow their values; a value without a name gets `label_N`.
///
/// # Errors
/// A value that a label image or a region has is not in `map` (the case or the region is named); a file cannot be read or written.
pub fn relabel(raw: &Path, map: &Renumbering, output: &Path, workers: usize, report: Report<'_>) -> Result<()> {
    let (dataset, cases) = cases(raw)?;
    let reader = dataset.reader()?;
    let (file, folder) = (raw.join("dataset.json"), output.join("labelsTr"));
    let mut about: Map<String, Value> = json::read(&file)?;
    renumber(&mut about, map).map_err(|what| Error::content(&file, what))?;
    let workers = fitting(&cases, workers)?;
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let write = |case: &Case| {
        let (mut labels, geometry) = reader.read_segmentation(&case.label)?;
        let mut unknown = None;
        labels.mapv_inplace(|value| match map.get(&value) {
            Some(&new) => new,
            None => {
                unknown = Some(value);
                value
            }
        });
        if let Some(value) = unknown {
            return Err(Error::content(&case.label, format!("has the value {value}, which no --map names; add --map {value}=NEW")));
        }
        let name = case.label.file_name().map(PathBuf::from).unwrap_or_default();
        Ok(write_segmentation(folder.join(name), &labels, &geometry)?)
    };
    for_each_case("relabel", &cases, |case| &case.name, workers, report, write)?;
    json::write(&output.join("dataset.json"), &about)
}

/// `labels` of `dataset.json` with the values that `map` gives them. Where some are regions, all entries stay in their order, `regions_class_order`
/// follows them, and a value without a name becomes a region of its own.
///
/// # Errors
/// A value of a label or of the order that is not in `map`.
fn renumber(about: &mut Map<String, Value>, map: &Renumbering) -> Result<(), String> {
    let old = about.get("labels").and_then(Value::as_object).cloned().unwrap_or_default();
    if !old.values().any(Value::is_array) {
        about.insert("labels".into(), names(about.get("labels"), map).into());
        return Ok(());
    }
    let renumbered = |what: &str, old: &Value| -> Result<Vec<i16>, String> {
        let mut new = Vec::new();
        for value in old.as_array().map_or(std::slice::from_ref(old), Vec::as_slice) {
            let mapped = value.as_i64().and_then(|value| i16::try_from(value).ok()).and_then(|value| map.get(&value));
            new.push(*mapped.ok_or_else(|| {
                format!("`{what}` has the value {value}, which becomes nothing; add --map {value}=NEW to those of all other values, or take it out")
            })?);
        }
        Ok(new)
    };
    let (mut new, mut named) = (Map::new(), BTreeSet::new());
    for (name, value) in &old {
        let mut values = renumbered(name, value)?;
        if value.is_array() {
            // values that fall together are one
            let mut seen = BTreeSet::new();
            values.retain(|&value| seen.insert(value));
        }
        named.extend(values.iter().copied());
        new.insert(name.clone(), if value.is_array() { values.into() } else { values.first().copied().into() });
    }
    let unnamed: BTreeSet<i16> = map.values().copied().filter(|value| !named.contains(value)).collect();
    new.extend(unnamed.iter().map(|&value| (label_name(value), value.into())));
    about.insert("labels".into(), new.into());
    if let Some(order) = about.get("regions_class_order").filter(|order| !order.is_null()) {
        let mut order = renumbered("regions_class_order", order)?;
        order.extend(unnamed.into_iter().filter(|&value| value != 0));
        about.insert("regions_class_order".into(), order.into());
    }
    Ok(())
}

/// The entries of `labels` with the values that `map` gives them. Names whose values fall together keep the first.
fn names(labels: Option<&Value>, map: &Renumbering) -> Map<String, Value> {
    let old: Vec<(&String, i16)> =
        labels.and_then(Value::as_object).into_iter().flatten().filter_map(|(name, v)| Some((name, i16::try_from(v.as_i64()?).ok()?))).collect();
    let mut new: Vec<i16> = map.values().copied().collect();
    new.sort_unstable();
    new.dedup();
    let name = |value: i16| {
        let from = old.iter().find(|(_, before)| map.get(before) == Some(&value)).map(|(name, _)| (*name).clone());
        from.unwrap_or_else(|| label_name(value))
    };
    new.into_iter().map(|value| (name(value), value.into())).collect()
}

/// Of `workers` cases at a time, as many as fit into memory.
fn fitting(cases: &[Case], workers: usize) -> Result<usize> {
    // the label image, a copy in new axes, and its file
    image_workers(workers, cases.iter().map(|case| (case.name.as_str(), &case.label)), 12)
}

fn cases(raw: &Path) -> Result<(DatasetJson, Vec<Case>)> {
    let dataset = DatasetJson::read(raw)?;
    let cases = training_cases(raw, &dataset)?;
    if cases.is_empty() {
        return Err(Error::content(raw, format!("there is no training image that ends in {}", dataset.file_ending)));
    }
    Ok((dataset, cases))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_become_consecutive_in_their_order() {
        let of = |values: &[i16]| consecutive(&values.iter().map(|&v| (v, 1)).collect()).into_iter().collect::<Vec<_>>();
        assert_eq!(of(&[0, 255]), [(0, 0), (255, 1)]);
        assert_eq!(of(&[0, 1, 2, 4]), [(0, 0), (1, 1), (2, 2), (4, 3)]);
        assert_eq!(of(&[3, -1]), [(-1, 2), (0, 0), (3, 1)]);
    }

    #[test]
    fn names_follow_their_values() {
        let labels = json!({"background": 0, "edema": 2, "enhancing": 4, "core": 1});
        let map = consecutive(&[0, 1, 2, 4, 7].into_iter().map(|v| (v, 1)).collect());
        assert_eq!(Value::from(names(Some(&labels), &map)), json!({"background": 0, "core": 1, "edema": 2, "enhancing": 3, "label_4": 4}));
        assert_eq!(Value::from(names(None, &consecutive(&[(255, 1)].into()))), json!({"background": 0, "label_1": 1}));
    }

    #[test]
    fn regions_follow_their_values() {
        let about = json!({"labels": {"background": 0, "whole": [1, 2, 4], "core": [2, 4], "enhancing": 4}, "regions_class_order": [1, 2, 4]});
        let of = |map: &Renumbering| {
            let mut about = about.as_object().cloned().unwrap();
            renumber(&mut about, map).map(|()| Value::from(about))
        };
        let labels = json!({"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3});
        assert_eq!(of(&[(0, 0), (1, 1), (2, 2), (4, 3)].into()).unwrap(), json!({"labels": labels, "regions_class_order": [1, 2, 3]}));
        // values that fall together, and one without a name
        let labels = json!({"background": 0, "whole": [1], "core": [1], "enhancing": 1, "label_2": 2});
        assert_eq!(of(&[(0, 0), (1, 1), (2, 1), (4, 1), (7, 2)].into()).unwrap(), json!({"labels": labels, "regions_class_order": [1, 1, 1, 2]}));
        let error = of(&[(0, 0), (1, 1), (2, 2)].into()).unwrap_err();
        assert!(error.starts_with("`whole` has the value 4, which becomes nothing; add --map 4=NEW"), "{error}");
    }
}
