//! One case.

use ndarray::{Array3, Array4};
use volume::crop::crop_to_nonzero;
use volume::files::properties::SitkStuff;
use volume::files::{CaseProperties, NdArray, Value};
use volume::image::{Geometry, Image, Reader};
use volume::resample::{compute_new_shape, resample_data, resample_seg};

use super::{Plugins, locations, normalize};
use crate::dataset::DatasetJson;
use crate::error::{Error, Result};
use crate::plan::{Configuration, Plans, Resampling};

/// The preprocessor that plans name.
pub(crate) const PREPROCESSOR: &str = "DefaultPreprocessor";

/// A preprocessed case; axes are those after the transposition.
#[derive(Debug, Clone, PartialEq)]
pub struct PreprocessedCase {
    /// (C, z, y, x).
    pub data: Array4<f32>,
    /// (z, y, x); -1 outside the part of the image that is not zero.
    pub seg: Array3<i16>,
    /// What is needed to undo it all, and (with labels) where the classes are.
    pub properties: CaseProperties,
}

/// Preprocesses `image` (C, z, y, x) with its labels (z, y, x), if there are any, without plugins.
///
/// # Errors
/// As [`preprocess_with`].
pub fn preprocess_case(
    image: Image,
    seg: Option<Array3<i16>>,
    plans: &Plans,
    configuration: &Configuration,
    dataset: &DatasetJson,
) -> Result<PreprocessedCase> {
    preprocess_with(&Plugins::default(), image, seg, plans, configuration, dataset)
}

/// Preprocesses `image` (C, z, y, x) with its labels (z, y, x), if there are any.
///
/// The order: transpose, crop to what is not zero, normalise, resample, look up where the classes are. A plugin's preprocessor may act
/// before the first, after the last, or instead of all after the transposition.
///
/// # Errors
/// A number of channels that is not the plan's; labels of another shape; plans that cannot be followed, such as a preprocessor that
/// is not there, or resampling of images or labels alone.
pub fn preprocess_with(
    plugins: &Plugins,
    image: Image,
    seg: Option<Array3<i16>>,
    plans: &Plans,
    configuration: &Configuration,
    dataset: &DatasetJson,
) -> Result<PreprocessedCase> {
    let (channels, planned) = (image.data.shape()[0], configuration.normalization_schemes.len());
    if channels != planned {
        return Err(Error::invalid(format!("the image has {channels} channel(s) but the plan is for {planned}")));
    }
    if let Some(seg) = seg.as_ref().filter(|seg| *seg.shape() != image.data.shape()[1..]) {
        let shape = &image.data.shape()[1..];
        return Err(Error::invalid(format!("the label image has the shape {:?} (z, y, x) but the image {shape:?}", seg.shape())));
    }
    if image.data.is_empty() {
        return Err(Error::invalid(format!("the image has no voxels: its shape is {:?}", image.data.shape())));
    }
    if configuration.preprocessor_name != PREPROCESSOR && !plugins.preprocess() {
        let name = &configuration.preprocessor_name;
        return Err(Error::invalid(format!("the plans name the preprocessor {name}; there is {PREPROCESSOR}")));
    }
    let forward = plans.transpose_forward;
    let [a, b, c] = forward;
    let Image { mut data, geometry } = image;
    let mut seg = seg;
    let current = forward.map(|axis| geometry.spacing[axis]);
    let target = configuration.target_spacing(current);
    let mut target_of_image = [0.0; 3];
    forward.iter().zip(target).for_each(|(&axis, mm)| target_of_image[axis] = mm);
    plugins.around("before", &mut data, seg.as_mut(), [geometry.spacing, target_of_image])?;
    // a copy in the new order, if there is one: what follows wants voxels of a row side by side
    let mut data = data.permuted_axes([0, a + 1, b + 1, c + 1]).as_standard_layout().into_owned();
    let has_labels = seg.is_some();
    let mut seg = seg.map(|seg| seg.permuted_axes(forward).as_standard_layout().into_owned());
    let shape_before_cropping = data.shape()[1..].to_vec();

    let (mut data, mut seg, bbox) = match plugins.run(&mut data, seg.as_mut(), [current, target])? {
        Some(ran) => {
            let shape = [0, 1, 2].map(|axis| ran.data.shape()[axis + 1]);
            (ran.data, ran.seg.unwrap_or_else(|| Array3::zeros(shape)), ran.crop)
        }
        None => standard(plugins, data, seg, [current, target], plans, configuration, dataset)?,
    };
    plugins.around("after", &mut data, Some(&mut seg), [target, target])?;
    let class_locations = match has_labels {
        true => Some(locations::class_locations(&seg, &dataset.label_manager()?)?),
        false => None,
    };
    let stuff = reader_stuff(plans.reader()?, &geometry)?;
    let properties = CaseProperties {
        spacing: geometry.spacing.to_vec(),
        sitk_stuff: stuff.0,
        shape_before_cropping,
        bbox_used_for_cropping: bbox.to_vec(),
        shape_after_cropping_and_before_resampling: bbox.iter().map(|[low, high]| high - low).collect(),
        class_locations,
        rest: stuff.1,
    };
    Ok(PreprocessedCase { data, seg, properties })
}

/// Image (C, z, y, x), labels (z, y, x), and from where to where the part that they show lies in the image.
type Standard = (Array4<f32>, Array3<i16>, [[usize; 2]; 3]);

/// The standard steps after the transposition: crop, normalise, resample from spacing `current` to `target` (mm).
fn standard(
    plugins: &Plugins,
    data: Array4<f32>,
    seg: Option<Array3<i16>>,
    [current, target]: [[f64; 3]; 2],
    plans: &Plans,
    configuration: &Configuration,
    dataset: &DatasetJson,
) -> Result<Standard> {
    let cropped = crop_to_nonzero(data, seg);
    let (mut data, seg, bbox) = (cropped.data, cropped.seg, cropped.bbox);
    let (depth, height, width) = seg.dim();
    let shape = [depth, height, width];
    let new_shape = resampled_shape(shape, current, target)?;
    if new_shape.contains(&0) {
        return Err(Error::invalid(format!(
            "the shape {shape:?} at {current:?} mm would become {new_shape:?} at {target:?} mm, which has no voxels"
        )));
    }
    normalize::normalize(&mut data, &seg, plans, configuration, dataset, plugins)?;
    let data = match configuration.resampling(Resampling::Data)? {
        Some(options) => resample_data(&data, new_shape, current, target, &options),
        None => data,
    };
    let seg = match configuration.resampling(Resampling::Seg)? {
        Some(options) => resample_seg(&seg, new_shape, current, target, &options),
        None => seg,
    };
    if data.shape()[1..] != *seg.shape() {
        let (images, labels) = (&configuration.resampling_fn_data, &configuration.resampling_fn_seg);
        return Err(Error::invalid(format!(
            "the plans resample images by {images} to {:?} voxels but labels by {labels} to {:?}; both must be resampled, or neither",
            &data.shape()[1..],
            seg.shape()
        )));
    }
    Ok((data, seg, bbox))
}

/// Voxels of an image, at most: with more, a spacing is wrong.
const MOST_VOXELS: u64 = 1 << 40;

/// The shape that an image of `shape` voxels at the spacing `current` has at `target`, both in mm.
///
/// # Errors
/// It has more voxels than any image.
pub(crate) fn resampled_shape(shape: [usize; 3], current: [f64; 3], target: [f64; 3]) -> Result<[usize; 3]> {
    let new_shape = compute_new_shape(shape, current, target);
    match new_shape.iter().try_fold(1, |voxels: u64, &length| voxels.checked_mul(length as u64)) {
        Some(voxels) if voxels <= MOST_VOXELS => Ok(new_shape),
        _ => Err(Error::invalid(format!(
            "the shape {shape:?} at {current:?} mm would become {new_shape:?} at {target:?} mm, more voxels than any image has; correct the \
             spacing in the image's header, or that of the plans"
        ))),
    }
}

/// What nnU-Net's reader remembers of a geometry, so that it can write it: SimpleITK's fields (x, y, z), or nibabel's affine matrices.
fn reader_stuff(reader: Reader, geometry: &Geometry) -> Result<(SitkStuff, Vec<(String, Value)>)> {
    let original = geometry.turned.as_ref().map(|turned| &turned.original);
    match reader {
        Reader::NaturalImage2D | Reader::Tiff3D => Ok((SitkStuff::default(), Vec::new())),
        Reader::SimpleItk | Reader::SimpleItkReorient => {
            let axes = if geometry.flat { 2 } else { 3 };
            let stuff = SitkStuff {
                spacing: geometry.spacing.iter().rev().take(axes).copied().collect(),
                origin: geometry.origin.iter().take(axes).copied().collect(),
                direction: geometry.direction.iter().take(axes).flat_map(|row| row.iter().take(axes).copied()).collect(),
                original_orientation: geometry.turned.as_ref().map(|turned| turned.original_orientation()),
            };
            Ok((stuff, Vec::new()))
        }
        Reader::Nibabel | Reader::NibabelReorient => {
            let matrix = |geometry: &Geometry| -> Result<Value> {
                let [x, y, z] = geometry.affine();
                let values = [x, y, z, [0.0, 0.0, 0.0, 1.0]].concat();
                let array = NdArray::new(&[4, 4], &values).map_err(|error| Error::invalid(error.to_string()))?;
                Ok(Value::NdArray(Box::new(array)))
            };
            let mut stuff = vec![("original_affine", matrix(original.unwrap_or(geometry))?)];
            if original.is_some() {
                stuff.push(("reoriented_affine", matrix(geometry)?));
            }
            Ok((SitkStuff::default(), vec![("nibabel_stuff".to_owned(), Value::dict(stuff))]))
        }
    }
}
