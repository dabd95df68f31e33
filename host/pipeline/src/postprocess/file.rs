//! `postprocessing.pkl`: nnU-Net's `([function, ...], [arguments, ...])`. The function is held by its name, and nothing calls it.

use std::path::Path;

use serde_json::Value as Json;
use volume::files::atomic::write_bytes;
use volume::files::{FileError, Malformed, Value, pickle};

use super::{KeepLargest, Postprocessing};
use crate::error::{Error, Result};
use crate::evaluate::Structure;
use crate::json;

/// What nnU-Net calls [`KeepLargest`].
pub(super) const FUNCTION: &str = "remove_all_but_largest_component_from_segmentation";
pub(super) const ARGUMENT: &str = "labels_or_regions";

impl Postprocessing {
    /// Reads `postprocessing.pkl`, or the `postprocessing.json` that lies beside it. Either of nnU-Net's own is understood.
    ///
    /// # Errors
    /// The file cannot be read, names another function than nnU-Net's, or has arguments that are no labels.
    pub fn read(path: &Path) -> Result<Self> {
        let steps = if path.extension().is_some_and(|ending| ending == "json") {
            from_json(&json::read(path)?)
        } else {
            let bytes = std::fs::read(path).map_err(FileError::io("read", path))?;
            from_pickle(&pickle::read(&bytes).map_err(|error| error.at(path))?)
        };
        steps.map(Self).map_err(|what| Error::content(path, what))
    }

    /// Writes `postprocessing.pkl`, which nnU-Net reads.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let arguments = self.0.iter().map(|step| Value::Dict(vec![(Value::Str(ARGUMENT.into()), to_pickle(step))]));
        let functions = self.0.iter().map(|_| Value::LargestComponent).collect();
        let content = Value::Tuple(vec![Value::List(functions), Value::List(arguments.collect())]);
        let bytes = pickle::write(&content).map_err(|error: Malformed| error.at(path))?;
        Ok(write_bytes(path, &bytes)?)
    }
}

fn to_pickle(step: &KeepLargest) -> Value {
    let one = |structure: &Structure| match structure {
        Structure::Label(label) => Value::Int(i64::from(*label)),
        Structure::Region(labels) => Value::Tuple(labels.iter().map(|&label| Value::Int(i64::from(label))).collect()),
    };
    match step {
        KeepLargest::Of(structure) => one(structure),
        KeepLargest::OfAll(structures) => Value::List(structures.iter().map(one).collect()),
    }
}

fn from_pickle(content: &Value) -> Result<Vec<KeepLargest>, String> {
    let lists = content.items().filter(|lists| lists.len() == 2);
    let [functions, arguments] = [0, 1].map(|at| lists.and_then(|lists| lists.get(at)).and_then(Value::items));
    let (Some(functions), Some(arguments)) = (functions, arguments) else {
        return Err(format!("holds a {}, not nnU-Net's pair of functions and their arguments", content.kind()));
    };
    if functions.len() != arguments.len() || functions.iter().any(|function| *function != Value::LargestComponent) {
        return Err(format!("holds {} functions and arguments of {}; each must be {FUNCTION}", functions.len(), arguments.len()));
    }
    arguments.iter().map(step_of_pickle).collect()
}

fn step_of_pickle(arguments: &Value) -> Result<KeepLargest, String> {
    let wrong = || format!("a step has the arguments {arguments:?}; wanted `{ARGUMENT}` with labels, and no other");
    let known = arguments.entries().is_some_and(|entries| entries.iter().all(|(key, value)| is_known(key, value)));
    let label = |value: &Value| value.as_i64().and_then(|label| i16::try_from(label).ok());
    let structure = |value: &Value| match value {
        Value::Tuple(labels) => labels.iter().map(label).collect::<Option<_>>().map(Structure::Region),
        one => label(one).map(Structure::Label),
    };
    let step = arguments.get(ARGUMENT).filter(|_| known).and_then(|value| match value {
        Value::List(several) => several.iter().map(structure).collect::<Option<_>>().map(KeepLargest::OfAll),
        one => structure(one).map(KeepLargest::Of),
    });
    step.ok_or_else(wrong)
}

/// nnU-Net's function has one more argument, which is never another than 0.
fn is_known(key: &Value, value: &Value) -> bool {
    key.as_str() == Some(ARGUMENT) || key.as_str() == Some("background_label") && value.as_i64() == Some(0)
}

/// JSON has no tuples: a list of labels in the place of a region is the same to what is kept.
fn from_json(content: &Json) -> Result<Vec<KeepLargest>, String> {
    let list = |key: &str| content.get(key).and_then(Json::as_array).ok_or_else(|| format!("there is no list `{key}`"));
    let (functions, arguments) = (list("postprocessing_fns")?, list("postprocessing_kwargs")?);
    if let Some(other) = functions.iter().find(|function| *function != FUNCTION) {
        return Err(format!("`postprocessing_fns` holds {other}; wanted {FUNCTION}"));
    }
    if functions.len() != arguments.len() {
        return Err(format!("there are {} `postprocessing_fns` and {} `postprocessing_kwargs`", functions.len(), arguments.len()));
    }
    let label = |value: &Json| value.as_i64().and_then(|label| i16::try_from(label).ok());
    let structure = |value: &Json| match value {
        Json::Array(labels) => labels.iter().map(label).collect::<Option<_>>().map(Structure::Region),
        one => label(one).map(Structure::Label),
    };
    let step = |arguments: &Json| {
        let step = arguments.get(ARGUMENT).and_then(|value| match value {
            Json::Array(several) => several.iter().map(structure).collect::<Option<_>>().map(KeepLargest::OfAll),
            one => structure(one).map(KeepLargest::Of),
        });
        step.ok_or_else(|| format!("`postprocessing_kwargs` holds {arguments}; wanted `{ARGUMENT}` with labels"))
    };
    arguments.iter().map(step).collect()
}
