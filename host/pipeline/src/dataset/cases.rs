//! The files of cases: `imagesTr/{case}_{XXXX}{ending}` and `labelsTr/{case}{ending}`, or the list in `dataset.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use volume::image::{ImageHeader, Reader};

use super::DatasetJson;
use crate::error::{Error, Result};

/// One case: its name and files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What its files' names share.
    pub name: String,
    /// A file for each channel (or one that holds all), in order.
    pub images: Vec<PathBuf>,
    /// The label image.
    pub label: PathBuf,
}

impl Case {
    /// Voxels (z, y, x) and spacing (mm) of the images, by the header of the first; none where there is no image.
    ///
    /// # Errors
    /// It cannot be read; the case is named.
    pub fn header(&self, reader: Reader) -> Result<Option<ImageHeader>> {
        let Some(first) = self.images.first() else { return Ok(None) };
        reader.read_header(first).map(Some).map_err(|error| Error::from(error).in_case(&self.name))
    }

    /// All files that the images and the label image are made of.
    ///
    /// # Errors
    /// A header that names further files cannot be read.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for path in self.images.iter().chain([&self.label]) {
            files.extend(volume::image::files(path)?);
        }
        Ok(files)
    }
}

/// The cases with the images in `folder`, sorted by name: each with its files `{case}_{XXXX}{ending}` in the order of `XXXX`. A folder
/// `{case}_{XXXX}` is one, too: it holds the slices of a DICOM series.
///
/// # Errors
/// The folder cannot be listed, or a name cannot be read.
pub fn images_in(folder: &Path, ending: &str) -> Result<Vec<(String, Vec<PathBuf>)>> {
    let mut cases: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::content(&path, "the name is not UTF-8; rename the file"));
        };
        let stem = if path.is_dir() { Some(name) } else { name.strip_suffix(ending) };
        if let Some(case) = stem.and_then(case_of) {
            cases.entry(case.to_owned()).or_default().push(path);
        }
    }
    cases.values_mut().for_each(|files| files.sort());
    Ok(cases.into_iter().collect())
}

/// `case` of `case_0000`. Hidden files are nobody's.
pub(super) fn case_of(stem: &str) -> Option<&str> {
    let (case, channel) = stem.rsplit_once('_')?;
    let is_channel = channel.len() == 4 && channel.bytes().all(|b| b.is_ascii_digit());
    (is_channel && !case.is_empty() && !case.starts_with('.')).then_some(case)
}

/// The first channel without a file, and the files that there are: channels are `{case}_0000`, `{case}_0001`, ...
pub fn missing_channel(case: &str, images: &[PathBuf], ending: &str) -> Option<String> {
    let names: Vec<_> = images.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy()).collect();
    let is_there = |stem: &str| names.iter().any(|name| name.strip_suffix(ending).unwrap_or(name) == stem);
    let missing = (0..images.len()).map(|channel| format!("{case}_{channel:04}")).find(|stem| !is_there(stem))?;
    Some(format!("there is no {missing}{ending}, but there are {}; channels are counted from 0000", names.join(", ")))
}

/// The training cases of the raw dataset in `folder`, sorted by name.
///
/// # Errors
/// The folder cannot be listed, or the key `dataset` is not `{case: {"images": [paths], "label": path}}`.
pub fn training_cases(folder: &Path, dataset: &DatasetJson) -> Result<Vec<Case>> {
    let Some(listed) = dataset.get("dataset") else {
        let label = |case: &str| folder.join("labelsTr").join(format!("{case}{}", dataset.file_ending));
        let cases = images_in(&folder.join("imagesTr"), &dataset.file_ending)?;
        return Ok(cases.into_iter().map(|(name, images)| Case { label: label(&name), name, images }).collect());
    };
    let json = folder.join("dataset.json");
    let wrong = |case: &str, entry: &Value| {
        Error::content(
            &json,
            format!("`dataset` has {entry} for {case}, not an object such as {{\"images\": [\"a.nii.gz\"], \"label\": \"b.nii.gz\"}}"),
        )
    };
    let listed = listed.as_object().ok_or_else(|| wrong("all cases", listed))?;
    let mut cases = listed
        .iter()
        .map(|(name, entry)| {
            let images = entry.get("images").and_then(Value::as_array).filter(|images| !images.is_empty());
            let images = images.and_then(|images| images.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
            match (images, entry.get("label").and_then(Value::as_str)) {
                (Some(images), Some(label)) => Ok(Case {
                    name: name.clone(),
                    images: images.into_iter().map(|image| folder.join(expand(image))).collect(),
                    label: folder.join(expand(label)),
                }),
                _ => Err(wrong(name, entry)),
            }
        })
        .collect::<Result<Vec<_>>>()?;
    if let Some(case) = cases.iter().find(|case| case.name.is_empty() || case.name.starts_with('.') || case.name.contains(['/', '\\'])) {
        return Err(Error::content(&json, format!("`dataset` names a case {:?}; a case's name names files: no slashes, no dot in front", case.name)));
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

/// `path` with `$NAME` and `${NAME}` replaced by the variables that are set.
fn expand(path: &str) -> String {
    let mut parts = path.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, rest) = match part.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            Some((name, rest)) => (name, rest),
            None => part.split_at(part.find(|c| !is_word(c)).unwrap_or(part.len())),
        };
        match std::env::var(name) {
            Ok(value) => out.extend([&value, rest]),
            Err(_) => out.extend(["$", part]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn files_are_grouped_by_case() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b_0001.nii.gz", "b_0000.nii.gz", "a_1_0000.nii.gz", "._b_0000.nii.gz", "readme.txt", "c_000.nii.gz", "d_0000.png"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let cases = images_in(dir.path(), ".nii.gz").unwrap();
        let names = |files: &[PathBuf]| files.iter().map(|f| f.file_name().unwrap().to_string_lossy().into_owned()).collect::<Vec<_>>();
        let cases: Vec<_> = cases.iter().map(|(case, files)| (case.as_str(), names(files))).collect();
        assert_eq!(cases, [("a_1", vec!["a_1_0000.nii.gz".to_owned()]), ("b", vec!["b_0000.nii.gz".to_owned(), "b_0001.nii.gz".to_owned()])]);
    }

    #[test]
    fn a_list_in_the_file_takes_the_place_of_folders() {
        let mut file = json!({"labels": {"background": 0}, "channel_names": {"0": "CT"}, "numTraining": 1, "file_ending": ".nii.gz",
            "dataset": {"b": {"images": ["/x/b.nii.gz"], "label": "l/b.nii.gz"}, "a": {"images": ["$UNSET_NAME/${HOME}"], "label": "y"}}});
        let dataset: DatasetJson = serde_json::from_value(file.clone()).unwrap();
        let cases = training_cases(Path::new("/d"), &dataset).unwrap();
        assert_eq!(cases[0].name, "a");
        assert!(cases[0].images[0].starts_with("/d/$UNSET_NAME") && !cases[0].images[0].ends_with("${HOME}"));
        assert_eq!((cases[1].images[0].as_path(), cases[1].label.as_path()), (Path::new("/x/b.nii.gz"), Path::new("/d/l/b.nii.gz")));
        file["dataset"]["b"] = json!({"images": []});
        let dataset: DatasetJson = serde_json::from_value(file).unwrap();
        assert!(training_cases(Path::new("/d"), &dataset).unwrap_err().to_string().contains("for b"));
    }
}
