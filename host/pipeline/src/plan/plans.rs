//! The plans file.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use volume::image::Reader;

use super::{Configuration, legacy};
use crate::dataset::named_reader;
use crate::error::{Error, Result};
use crate::json;

/// `{PLANS}.json`. Keys that are not known here are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plans {
    /// The dataset's folder name.
    pub dataset_name: String,
    /// What the file is called, without its ending.
    pub plans_name: String,
    /// Median spacing of the training images, mm, after the transposition.
    pub original_median_spacing_after_transp: Vec<f64>,
    /// Median shape of the training images, voxels, after the transposition.
    pub original_median_shape_after_transp: Vec<usize>,
    /// nnU-Net's reader of the images.
    pub image_reader_writer: String,
    /// The order in which the axes z, y, x are taken: axis `i` of preprocessed data is axis `transpose_forward[i]` of the image.
    pub transpose_forward: [usize; 3],
    /// The permutation that undoes it.
    pub transpose_backward: [usize; 3],
    /// The configurations as they stand; [`Plans::configuration`] resolves them.
    pub configurations: Map<String, Value>,
    /// Who made the plans.
    #[serde(default)]
    pub experiment_planner_used: String,
    /// Always `LabelManager`.
    #[serde(default = "label_manager")]
    pub label_manager: String,
    /// Intensities of the foreground, a channel each; [`Plans::intensities`] reads them.
    pub foreground_intensity_properties_per_channel: Map<String, Value>,
    /// Keys that are not known here.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

fn label_manager() -> String {
    "LabelManager".to_owned()
}

/// Intensities of a channel in the foreground of all training images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct IntensityProperties {
    pub max: f64,
    pub mean: f64,
    pub median: f64,
    pub min: f64,
    pub percentile_00_5: f64,
    pub percentile_99_5: f64,
    pub std: f64,
}

impl Plans {
    /// nnU-Net's reader of the images.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn reader(&self) -> Result<Reader> {
        named_reader("image_reader_writer", &self.image_reader_writer)
    }

    /// Reads a plans file; `//` comments are accepted.
    ///
    /// # Errors
    /// The file cannot be read, a key is missing or of another kind, or the transposition is none.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            let way_out = "nnUNetv2_plan_experiment makes those of a dataset (-p names others), and a model's folder has plans.json";
            return Err(Error::content(path, format!("there are no such plans; {way_out}")));
        }
        let plans: Self = json::read(path)?;
        let (forward, backward) = (plans.transpose_forward, plans.transpose_backward);
        let undone = (0..3).all(|axis| forward.get(backward[axis]) == Some(&axis));
        if !undone {
            return Err(Error::content(path, format!("`transpose_backward` {backward:?} does not undo `transpose_forward` {forward:?}")));
        }
        Ok(plans)
    }

    /// Writes a plans file as nnU-Net does.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        json::write(path, self)
    }

    /// Takes over what `old` has and these plans have not, so that configurations made by hand outlive a new planning.
    pub fn keep_configurations_of(&mut self, old: Plans) {
        for (name, configuration) in old.configurations {
            self.configurations.entry(name).or_insert(configuration);
        }
    }

    /// The configuration `name` with what it inherits.
    ///
    /// # Errors
    /// There is none of that name; a parent is missing, or the chain of parents bites its tail (the chain is named); a key that is
    /// missing or of another kind; keys of old that contradict `architecture`.
    pub fn configuration(&self, name: &str) -> Result<Configuration> {
        let keys = self.resolve(name, &mut Vec::new())?;
        let configuration: Configuration = serde_path_to_error::deserialize(Value::from(keys)).map_err(|error| {
            let (key, what) = (error.path().to_string(), error.inner());
            self.wrong(name, &if key == "." { what.to_string() } else { format!("`{key}`: {what}") })
        })?;
        configuration.check(name).map_err(|what| self.wrong(name, &what))
    }

    /// Intensities of the foreground in `channel`, counted from 0.
    ///
    /// # Errors
    /// The plans have none for that channel.
    pub fn intensities(&self, channel: usize) -> Result<IntensityProperties> {
        let properties = self.foreground_intensity_properties_per_channel.get(&channel.to_string()).cloned().unwrap_or_default();
        serde_json::from_value(properties).map_err(|error| {
            let plans = &self.plans_name;
            Error::invalid(format!("plans {plans}: `foreground_intensity_properties_per_channel` of channel {channel}: {error}"))
        })
    }

    fn wrong(&self, name: &str, what: &str) -> Error {
        Error::invalid(format!("plans {}, configuration {name}: {what}", self.plans_name))
    }

    /// The keys of `name` over those of its parents. `seen` are its children.
    fn resolve(&self, name: &str, seen: &mut Vec<String>) -> Result<Map<String, Value>> {
        if seen.iter().any(|child| child == name) {
            return Err(self.wrong(name, &format!("`inherits_from` goes round in a circle: {} -> {name}", seen.join(" -> "))));
        }
        let Some(own) = self.configurations.get(name).and_then(Value::as_object) else {
            let known: Vec<&str> = self.configurations.keys().map(String::as_str).collect();
            let chain = if seen.is_empty() { String::new() } else { format!(" (`inherits_from`: {} -> {name})", seen.join(" -> ")) };
            return Err(self.wrong(name, &format!("there is no such configuration{chain}; there are {}", known.join(", "))));
        };
        seen.push(name.to_owned());
        let inherited = match own.get("inherits_from") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::String(parent)) => self.resolve(parent, seen)?,
            Some(other) => return Err(self.wrong(name, &format!("`inherits_from` is {other}, not a configuration's name"))),
        };
        let mut keys = legacy::modernise(own.clone(), &inherited).map_err(|what| self.wrong(name, &what))?;
        keys.shift_remove("inherits_from");
        let mut all = inherited;
        all.extend(keys);
        Ok(all)
    }
}
