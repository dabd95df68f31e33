//! `dataset.json` of old: labels by number, channels called modality, files listed.

use std::path::Path;

use serde_json::{Map, Value};

use super::ENDING;
use crate::error::{Error, Result};
use crate::json;

/// Reads the `dataset.json` of old in `source` and writes today's to `target`, without the keys `drop`, for `cases` training cases.
///
/// # Errors
/// There is none; `labels` or `modality` are missing or of another kind.
pub(super) fn convert(source: &Path, target: &Path, cases: usize, drop: &[&str]) -> Result<()> {
    let path = source.join("dataset.json");
    let mut keys: Map<String, Value> = json::read(&path)?;
    let labels = labels(&keys).map_err(|what| Error::content(&path, what))?;
    keys.insert("labels".into(), labels.into());
    keys.insert("file_ending".into(), ENDING.into());
    let Some(channels) = keys.shift_remove("modality").or_else(|| keys.get("channel_names").cloned()) else {
        return Err(Error::content(&path, "there is no `modality`, which names the channels: {\"0\": \"MRI\"}"));
    };
    keys.insert("channel_names".into(), channels);
    keys.insert("numTraining".into(), cases.into());
    keys.retain(|key, _| !drop.contains(&key.as_str()));
    json::write(&target.join("dataset.json"), &keys)
}

/// `{"0": "background", "1": "liver"}` turned round; what is 0 is called background, as nnU-Net wants it.
fn labels(keys: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let found = keys.get("labels").unwrap_or(&Value::Null);
    let wrong = || format!("`labels` is {found}, not an object such as {{\"0\": \"background\", \"1\": \"liver\"}}");
    let old = found.as_object().filter(|old| !old.is_empty()).ok_or_else(wrong)?;
    let mut labels = Map::new();
    for (number, name) in old {
        let number: i16 = number.parse().map_err(|_| wrong())?;
        let name = if number == 0 { "background" } else { name.as_str().ok_or_else(wrong)? };
        if labels.insert(name.to_owned(), number.into()).is_some() {
            return Err(format!("`labels` names {name} twice: {found}"));
        }
    }
    Ok(labels)
}
