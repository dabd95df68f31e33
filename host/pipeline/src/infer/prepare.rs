//! The cases of a folder of images, and what the network sees of them.

use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4, ArrayRef3, Axis, concatenate};
use volume::files::CaseProperties;
use volume::image::{Geometry, Image, read_header};

use super::LoadedModel;
use super::export::Place;
use crate::dataset::{DatasetJson, images_in, missing_channel};
use crate::error::{Error, Result};
use crate::preprocess::{Plugins, preprocess_case, preprocess_with};

/// A case to predict.
pub(super) struct InputCase {
    pub(super) name: String,
    images: Vec<PathBuf>,
    /// The segmentation of the previous stage of a cascade.
    previous: Option<PathBuf>,
}

impl InputCase {
    /// The channels that the network sees, and where its image lies as long as nothing is cropped; from the header alone.
    ///
    /// # Errors
    /// A header that cannot be read.
    pub(super) fn place(&self, model: &LoadedModel<'_>) -> Result<(usize, Place)> {
        let labels = if self.previous.is_some() { model.dataset.label_manager()?.foreground_labels().len() } else { 0 };
        let Some(first) = self.images.first() else { return Err(Error::invalid("there is no image").in_case(&self.name)) };
        let header = model.plans.reader()?.read_header(first).map_err(|error| Error::from(error).in_case(&self.name))?;
        let place = Place::uncropped(header.shape, header.geometry.spacing, model.plans.transpose_forward);
        Ok((model.dataset.channel_names.len() + labels, place))
    }
}

/// What is needed to write a case's segmentation.
pub(super) struct About {
    pub(super) properties: CaseProperties,
    pub(super) geometry: Geometry,
}

/// The cases in `folder`, sorted, with the segmentations of the previous stage in `previous`.
///
/// # Errors
/// The folder cannot be listed or has no case; cases whose files do not hold the channels of `dataset` or that have no segmentation of
/// the previous stage, all of them listed.
pub(super) fn list(folder: &Path, previous: Option<&Path>, dataset: &DatasetJson) -> Result<Vec<InputCase>> {
    let ending = &dataset.file_ending;
    let mut problems = Vec::new();
    let mut cases = Vec::new();
    for (name, images) in images_in(folder, ending)? {
        if let Some(problem) = wrong_channels(&name, &images, dataset) {
            problems.push(format!("{name}: {problem}"));
        }
        let previous = previous.map(|previous| previous.join(format!("{name}{ending}")));
        if let Some(path) = previous.as_ref().filter(|path| !path.exists()) {
            problems.push(format!("{name}: there is no segmentation of the previous stage {}", path.display()));
        }
        cases.push(InputCase { name, images, previous });
    }
    if cases.is_empty() {
        problems.push(format!("there is no image such as case_0000{ending}; images are named after their case and channel"));
    }
    if problems.is_empty() { Ok(cases) } else { Err(Error::Dataset { folder: folder.to_path_buf(), problems }) }
}

/// What is wrong with the channels of a case, if anything: they are 0000, 0001, ..., a file each or one file with all.
fn wrong_channels(name: &str, images: &[PathBuf], dataset: &DatasetJson) -> Option<String> {
    let wanted = dataset.channel_names.len();
    if let Some(missing) = missing_channel(name, images, &dataset.file_ending) {
        return Some(missing);
    }
    let channels = match images {
        [one] if wanted > 1 => match read_header(one) {
            Ok(header) => header.channels,
            Err(error) => return Some(error.to_string()),
        },
        files => files.len(),
    };
    let names = dataset.channel_names.join(", ");
    (channels != wanted).then(|| format!("there are {channels} channel(s), but the model was trained with {wanted} ({names})"))
}

/// Reads and preprocesses a case.
///
/// # Errors
/// Its files cannot be read, or it does not fit the plans.
pub(super) fn prepare(case: &InputCase, model: &Recipe<'_>) -> Result<(Array4<f32>, About)> {
    let reader = model.plans.reader()?;
    let (image, warnings) = reader.read_channels(&case.images)?;
    warnings.iter().for_each(|warning| tracing::warn!("{}: {warning}", case.name));
    let geometry = image.geometry.clone();
    let previous = case.previous.as_ref().map(|path| reader.read_segmentation(path)).transpose()?.map(|(labels, _)| labels);
    let (image, properties) = seen(image, previous, model)?;
    Ok((image, About { properties, geometry }))
}

/// What the network sees of an image, with the previous stage's segmentation in a cascade.
///
/// # Errors
/// It does not fit the plans.
pub(super) fn seen(image: Image, previous: Option<Array3<i16>>, model: &Recipe<'_>) -> Result<(Array4<f32>, CaseProperties)> {
    let (plans, configuration, dataset) = (model.plans, model.configuration, model.dataset);
    let cascade = previous.is_some();
    let made = match model.plugins {
        Some(plugins) => preprocess_with(plugins, image, previous, plans, configuration, dataset)?,
        None => preprocess_case(image, previous, plans, configuration, dataset)?,
    };
    // of the previous stage, not of the truth
    let properties = CaseProperties { class_locations: None, ..made.properties };
    let image = match cascade {
        true => with_previous(made.data, &made.seg, model.dataset.label_manager()?.foreground_labels())?,
        false => made.data,
    };
    Ok((image, properties))
}

/// What preparing needs of a model; unlike its networks, any thread may have it.
#[derive(Clone, Copy)]
pub(super) struct Recipe<'a> {
    plans: &'a crate::plan::Plans,
    configuration: &'a crate::plan::Configuration,
    dataset: &'a DatasetJson,
    plugins: Option<&'a Plugins>,
}

impl<'a> From<&LoadedModel<'a>> for Recipe<'a> {
    fn from(model: &LoadedModel<'a>) -> Self {
        Self { plans: model.plans, configuration: model.configuration, dataset: model.dataset, plugins: model.plugins }
    }
}

/// `image` (C, z, y, x) followed by a channel of 0 and 1 for each of `labels` in the previous stage's segmentation (z, y, x).
///
/// # Errors
/// The shapes differ.
pub(super) fn with_previous(image: Array4<f32>, previous: &ArrayRef3<i16>, labels: &[i16]) -> Result<Array4<f32>> {
    if image.shape()[1..] != *previous.shape() {
        let (found, wanted) = (previous.shape(), &image.shape()[1..]);
        return Err(Error::invalid(format!("the previous stage's segmentation is {found:?} (z, y, x), but the image {wanted:?}")));
    }
    let masks: Vec<_> = labels.iter().map(|&label| previous.mapv(|v| f32::from(u8::from(v == label))).insert_axis(Axis(0))).collect();
    let parts: Vec<_> = std::iter::once(image.view()).chain(masks.iter().map(|mask| mask.view())).collect();
    concatenate(Axis(0), &parts).map_err(|error| Error::invalid(error.to_string()))
}
