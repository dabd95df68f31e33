//! The dataset on disk.

use super::{PhantomSpec, draw};
use crate::{
    error::{Error, Result},
    json,
};
use ndarray::Axis;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use volume::image::{Geometry, write_image, write_segmentation};

const ENDING: &str = ".nii.gz";

/// Writes the dataset to `{raw}/{spec.dataset}`: `dataset.json`, `imagesTr`, `labelsTr`, `imagesTs`, and `labelsTs` to score by.
/// Equal specs make equal files. Returns the folder.
///
/// # Errors
/// A shape that is not 2 or 3 axes of at least 8 voxels; a spacing that does not suit it; no channel; a file
/// that cannot be written.
pub fn write(raw: &Path, spec: &PhantomSpec) -> Result<PathBuf> {
    check(spec)?;
    let folder = raw.join(&spec.dataset);
    for part in ["imagesTr", "labelsTr", "imagesTs", "labelsTs"] {
        let part = folder.join(part);
        std::fs::create_dir_all(&part).map_err(Error::io("create", &part))?;
    }
    for index in 0..spec.cases + spec.test_cases {
        write_case(&folder, spec, index)?;
    }
    json::write(&folder.join("dataset.json"), &dataset_json(spec))?;
    Ok(folder)
}

fn check(spec: &PhantomSpec) -> Result<()> {
    let dims = spec.shape.len();
    if !matches!(dims, 2 | 3) || spec.shape.iter().any(|&n| n < 8) {
        return Err(Error::invalid(format!("a phantom of shape {:?}: wanted two or three axes of at least 8 voxels", spec.shape)));
    }
    if spec.spacing.len() != dims || spec.spacing.iter().any(|s| !(s.is_finite() && *s >= 0.05)) {
        return Err(Error::invalid(format!("a phantom of spacing {:?} mm: wanted {dims} numbers of at least 0.05", spec.spacing)));
    }
    if spec.channels == 0 {
        return Err(Error::invalid("a phantom of 0 channels: wanted at least 1"));
    }
    Ok(())
}

fn write_case(folder: &Path, spec: &PhantomSpec, index: usize) -> Result<()> {
    let case = draw(spec, index);
    let (images, labels) = if index < spec.cases { ("imagesTr", "labelsTr") } else { ("imagesTs", "labelsTs") };
    let name = format!("phantom_{index:03}");
    let mut geometry = Geometry::of_spacing(case.spacing);
    geometry.flat = spec.shape.len() == 2;
    for channel in 0..spec.channels {
        let one = case.image.index_axis(Axis(0), channel).insert_axis(Axis(0));
        write_image(folder.join(images).join(format!("{name}_{channel:04}{ENDING}")), &one, &geometry)?;
    }
    let path = folder.join(labels).join(format!("{name}{ENDING}"));
    let training = index < spec.cases;
    Ok(if spec.ignore && training {
        write_segmentation(path, &case.sparse_labels(), &geometry)
    } else {
        write_segmentation(path, &case.labels, &geometry)
    }?)
}

fn dataset_json(spec: &PhantomSpec) -> Value {
    let channels: Map<String, Value> = (0..spec.channels).map(|i| (i.to_string(), format!("MRI_{i}").into())).collect();
    let mut labels = match spec.regions {
        true => json!({"background": 0, "organ_with_lesions": [1, 2], "lesion": [2]}),
        false => json!({"background": 0, "organ": 1, "lesion": 2}),
    };
    if spec.ignore {
        labels["ignore"] = 3.into();
    }
    let mut dataset = json!({"channel_names": channels, "labels": labels, "numTraining": spec.cases, "file_ending": ENDING});
    if spec.regions {
        dataset["regions_class_order"] = json!([1, 2]);
    }
    dataset
}
