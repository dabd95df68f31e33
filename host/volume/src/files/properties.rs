//! What nnU-Net remembers of a case after preprocessing: `{case}.pkl`.

use std::fs;
use std::path::Path;

use super::atomic::write_bytes;
use super::error::{Malformed, malformed};
use super::ndarray::NdArray;
use super::pickle::{self, Value};
use super::{FileError, Result};

/// The properties of a preprocessed case. Axes run (z, y, x) unless said otherwise; lengths are millimetres.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CaseProperties {
    /// Voxel spacing in the original axis order (z, y, x).
    pub spacing: Vec<f64>,
    /// What the image reader needs to write an image with the same geometry.
    pub sitk_stuff: SitkStuff,
    /// The image's shape as read, after `transpose_forward`.
    pub shape_before_cropping: Vec<usize>,
    /// The box that was kept, half open, for each axis.
    pub bbox_used_for_cropping: Vec<[usize; 2]>,
    /// The shape of that box.
    pub shape_after_cropping_and_before_resampling: Vec<usize>,
    /// Sampled voxels of each class or region, each (0, z, y, x) in the preprocessed array; absent without labels.
    pub class_locations: Option<ClassLocations>,
    /// Entries that this program does not use, kept as they are.
    pub rest: Vec<(String, Value)>,
}

/// Geometry in ITK's axis order (x, y, z).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SitkStuff {
    /// Voxel spacing.
    pub spacing: Vec<f64>,
    /// The centre of the first voxel.
    pub origin: Vec<f64>,
    /// The direction cosines, row by row.
    pub direction: Vec<f64>,
    /// The orientation that the file has, such as `LPS`, where the reader turned the image.
    pub original_orientation: Option<String>,
}

/// Sampled voxels (0, z, y, x) of each class or region.
pub type ClassLocations = Vec<(ClassKey, Vec<[i64; 4]>)>;

/// The key of `class_locations`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClassKey {
    /// A label.
    Label(i64),
    /// A region: its labels. With an ignore label, one more key holds all labels, the background included.
    Region(Vec<i64>),
}

const KNOWN: [&str; 6] =
    ["sitk_stuff", "spacing", "shape_before_cropping", "bbox_used_for_cropping", "shape_after_cropping_and_before_resampling", "class_locations"];

impl CaseProperties {
    /// Reads `{case}.pkl`.
    ///
    /// # Errors
    /// The file cannot be read, is no pickle of plain values, or lacks an entry; its name is in the error.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(FileError::io("read", path))?;
        pickle::read(&bytes).and_then(|value| Self::from_value(&value)).map_err(|e| e.at(path))
    }

    /// Writes `{case}.pkl`, atomically; Python's `pickle.load` gives what nnU-Net would have written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let bytes = self.to_value().and_then(|value| pickle::write(&value)).map_err(|e| e.at(path))?;
        write_bytes(path, &bytes)
    }

    /// The properties in nnU-Net's dict.
    ///
    /// # Errors
    /// An entry is missing or of another kind.
    pub fn from_value(value: &Value) -> std::result::Result<Self, Malformed> {
        let Some(entries) = value.entries() else { return malformed!("properties are a {}, not a dict", value.kind()) };
        let field = |name: &str| value.get(name).ok_or_else(|| Malformed(format!("properties have no `{name}`")));
        // Readers other than SimpleITKIO leave their own entries, which end up in `rest`.
        let sitk_stuff = match value.get("sitk_stuff") {
            Some(stuff) => SitkStuff {
                spacing: floats(stuff.get("spacing"), "sitk_stuff.spacing")?,
                origin: floats(stuff.get("origin"), "sitk_stuff.origin")?,
                direction: floats(stuff.get("direction"), "sitk_stuff.direction")?,
                original_orientation: stuff.get("original_orientation").and_then(Value::as_str).map(str::to_owned),
            },
            None => SitkStuff::default(),
        };
        let boxes = field(KNOWN[3])?.items().unwrap_or_default();
        let bbox = boxes.iter().map(|side| match sizes(Some(side), KNOWN[3])?.as_slice() {
            [low, high] if low <= high => Ok([*low, *high]),
            other => malformed!("`{}` holds {other:?}, not a half-open interval", KNOWN[3]),
        });
        let rest = entries.iter().filter_map(|(key, value)| {
            let key = key.as_str().filter(|key| !KNOWN.contains(key))?;
            Some((key.to_owned(), value.clone()))
        });
        Ok(Self {
            spacing: floats(Some(field("spacing")?), "spacing")?,
            sitk_stuff,
            shape_before_cropping: sizes(value.get(KNOWN[2]), KNOWN[2])?,
            bbox_used_for_cropping: bbox.collect::<std::result::Result<_, _>>()?,
            shape_after_cropping_and_before_resampling: sizes(value.get(KNOWN[4]), KNOWN[4])?,
            class_locations: match value.get("class_locations") {
                None | Some(Value::None) => None,
                Some(locations) => Some(class_locations(locations)?),
            },
            rest: rest.collect(),
        })
    }

    /// nnU-Net's dict.
    ///
    /// # Errors
    /// None that values of this type can cause.
    pub fn to_value(&self) -> std::result::Result<Value, Malformed> {
        let stuff = &self.sitk_stuff;
        let mut entries = Vec::new();
        if *stuff != SitkStuff::default() {
            let tuple = |numbers: &[f64]| Value::Tuple(numbers.iter().map(|&x| Value::Float(x)).collect());
            let mut fields = vec![("spacing", tuple(&stuff.spacing)), ("origin", tuple(&stuff.origin)), ("direction", tuple(&stuff.direction))];
            fields.extend(stuff.original_orientation.iter().map(|letters| ("original_orientation", Value::Str(letters.clone()))));
            entries.push((KNOWN[0].to_owned(), Value::dict(fields)));
        }
        let bbox = self.bbox_used_for_cropping.iter().map(|side| Value::List(ints(side))).collect();
        entries.extend([
            (KNOWN[1].to_owned(), Value::List(self.spacing.iter().map(|&x| Value::Float(x)).collect())),
            (KNOWN[2].to_owned(), Value::Tuple(ints(&self.shape_before_cropping))),
            (KNOWN[3].to_owned(), Value::List(bbox)),
            (KNOWN[4].to_owned(), Value::Tuple(ints(&self.shape_after_cropping_and_before_resampling))),
        ]);
        if let Some(locations) = &self.class_locations {
            let pairs = locations.iter().map(|(key, voxels)| {
                let key = match key {
                    ClassKey::Label(label) => Value::Int(*label),
                    ClassKey::Region(labels) => Value::Tuple(labels.iter().map(|&l| Value::Int(l)).collect()),
                };
                // nnU-Net writes an empty list for a class that the case does not have.
                let voxels = match voxels.as_slice() {
                    [] => Value::List(Vec::new()),
                    some => Value::NdArray(Box::new(NdArray::new(&[some.len(), 4], some.as_flattened())?)),
                };
                Ok((key, voxels))
            });
            let pairs = pairs.collect::<std::result::Result<_, Malformed>>()?;
            entries.push((KNOWN[5].to_owned(), Value::Dict(pairs)));
        }
        entries.extend(self.rest.iter().cloned());
        Ok(Value::dict(entries))
    }
}

fn class_locations(value: &Value) -> std::result::Result<ClassLocations, Malformed> {
    let Some(entries) = value.entries() else { return malformed!("`class_locations` is a {}", value.kind()) };
    let class = |(key, voxels): &(Value, Value)| {
        let key = match key {
            Value::Tuple(labels) => labels.iter().map(Value::as_i64).collect::<Option<_>>().map(ClassKey::Region),
            label => label.as_i64().map(ClassKey::Label),
        };
        let Some(key) = key else { return malformed!("`class_locations` has a key that is no label or region") };
        let voxels = match voxels {
            Value::NdArray(array) if matches!(array.shape(), [_, 4] | [0]) => {
                let coordinates = array.to_vec::<i64>()?;
                coordinates.chunks_exact(4).filter_map(|voxel| voxel.try_into().ok()).collect()
            }
            Value::List(none) if none.is_empty() => Vec::new(),
            other => return malformed!("`class_locations` of {key:?} is a {}, not an (n, 4) array", other.kind()),
        };
        Ok((key, voxels))
    };
    entries.iter().map(class).collect()
}

fn ints(sizes: &[usize]) -> Vec<Value> {
    sizes.iter().map(|&n| Value::Int(n as i64)).collect()
}

fn floats(value: Option<&Value>, name: &str) -> std::result::Result<Vec<f64>, Malformed> {
    let numbers = match value {
        Some(Value::NdArray(array)) => return array.to_vec(),
        Some(list) => list.items().and_then(|items| items.iter().map(Value::as_f64).collect()),
        None => None,
    };
    numbers.ok_or_else(|| Malformed(format!("properties have no list of numbers `{name}`")))
}

fn sizes(value: Option<&Value>, name: &str) -> std::result::Result<Vec<usize>, Malformed> {
    let size = |v: &Value| v.as_i64().and_then(|i| usize::try_from(i).ok());
    let sizes = value.and_then(Value::items).and_then(|items| items.iter().map(size).collect());
    sizes.ok_or_else(|| Malformed(format!("properties have no list of sizes `{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> CaseProperties {
        CaseProperties {
            spacing: vec![3.0, 0.5, 0.5],
            sitk_stuff: SitkStuff {
                spacing: vec![0.5, 0.5, 3.0],
                origin: vec![-1.0, 2.0, 0.0],
                direction: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
                original_orientation: Some("RAI".into()),
            },
            shape_before_cropping: vec![35, 300, 35],
            bbox_used_for_cropping: vec![[0, 35], [1, 300], [0, 35]],
            shape_after_cropping_and_before_resampling: vec![35, 299, 35],
            class_locations: Some(vec![(ClassKey::Label(1), vec![[0, 1, 2, 3], [0, 4, 500, -6]]), (ClassKey::Region(vec![1, 2]), vec![])]),
            rest: vec![("nibabel_stuff".into(), Value::None)],
        }
    }

    #[test]
    fn properties_survive_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case.pkl");
        let unlabelled = CaseProperties { class_locations: None, sitk_stuff: SitkStuff::default(), ..example() };
        for properties in [unlabelled, example()] {
            properties.write(&path).unwrap();
            assert_eq!(CaseProperties::read(&path).unwrap(), properties);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let without = |name: &str| {
            let Value::Dict(mut entries) = example().to_value().unwrap() else { unreachable!() };
            entries.retain(|(key, _)| key.as_str() != Some(name));
            CaseProperties::from_value(&Value::Dict(entries)).unwrap_err().0
        };
        for name in ["spacing", "shape_before_cropping", "bbox_used_for_cropping"] {
            assert!(without(name).contains(&format!("`{name}`")));
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("case_7.pkl");
        fs::write(&path, b"\x80\x04N.").unwrap();
        assert!(CaseProperties::read(&path).unwrap_err().to_string().contains("case_7.pkl: properties are a None"));
    }
}
