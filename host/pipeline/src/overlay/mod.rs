//! Overlays: one PNG a case, the slice that shows most of its labels, in colour over the image. Spacing is not regarded.

mod draw;
#[cfg(test)]
mod tests;

pub use draw::{COLOURS, draw, slice_to_show};

use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView3, Axis};
use volume::files::NpzMap;
use volume::image::Reader;

use crate::dataset::{DatasetJson, image_workers, read_labels, training_cases};
use crate::error::{Error, Result};
use crate::paths::Paths;
use crate::plan::Plans;
use crate::progress::{Report, for_each_case};

/// What [`plot_overlays`] can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The dataset's folder name.
    pub dataset: String,
    /// The folder for `{case}.png`.
    pub output: PathBuf,
    /// Where images and labels come from.
    pub source: Source,
    /// The channel that is shown, counted from 0.
    pub channel: usize,
    /// How strong the colours are, above 0; 0.6 is nnU-Net's.
    pub intensity: f32,
    /// Cases at a time, at most.
    pub num_processes: usize,
}

/// Raw or preprocessed cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `imagesTr` and `labelsTr`.
    Raw,
    /// The cases of a configuration; none: `3d_fullres` where the plans have it, else `2d`.
    Preprocessed {
        /// The name of the plans.
        plans: String,
        /// The configuration.
        configuration: Option<String>,
    },
}

/// A case and its files.
enum Case {
    Raw(crate::dataset::Case),
    Preprocessed { name: String, file: PathBuf },
}

impl Case {
    fn name(&self) -> &str {
        match self {
            Self::Raw(case) => &case.name,
            Self::Preprocessed { name, .. } => name,
        }
    }
}

/// Draws all training cases; their number. Of a case, no more than its files is in memory, of a preprocessed one a slice.
///
/// # Errors
/// A dataset, plans or data that are not there; a channel that the images do not have; a strength that is none; a file that cannot be
/// read or written, or that does not fit into memory.
pub fn plot_overlays(paths: &Paths, options: &Options, report: Report<'_>) -> Result<usize> {
    if !(options.intensity.is_finite() && options.intensity > 0.0) {
        return Err(Error::invalid(format!("-overlay_intensity is {}; it must be above 0, such as 0.6", options.intensity)));
    }
    let (dataset, cases) = cases(paths, options)?;
    let raw = cases.iter().filter_map(|case| match case {
        Case::Raw(case) => Some((case.name.as_str(), case.images.first()?)),
        Case::Preprocessed { .. } => None,
    });
    // an image and labels, copies in new axes, and a file
    let workers = image_workers(options.num_processes, raw, 20)?;
    std::fs::create_dir_all(&options.output).map_err(Error::io("create", &options.output))?;
    let plot = |case: &Case| {
        let (image, labels) = slice(case, &dataset, options.channel)?;
        draw(&options.output.join(format!("{}.png", case.name())), &image, &labels, options.intensity)
    };
    for_each_case("overlay", &cases, Case::name, workers, report, plot)?;
    Ok(cases.len())
}

fn cases(paths: &Paths, options: &Options) -> Result<(DatasetJson, Vec<Case>)> {
    let Source::Preprocessed { plans, configuration } = &options.source else {
        let folder = paths.raw()?.join(&options.dataset);
        let dataset = DatasetJson::read(&folder)?;
        let cases: Vec<Case> = training_cases(&folder, &dataset)?.into_iter().map(Case::Raw).collect();
        if cases.is_empty() {
            return Err(Error::content(&folder, format!("there is no training image that ends in {}", dataset.file_ending)));
        }
        return Ok((dataset, cases));
    };
    let folder = paths.preprocessed()?.join(&options.dataset);
    let plans = Plans::read(&folder.join(format!("{plans}.json")))?;
    let default = if plans.configurations.contains_key("3d_fullres") { "3d_fullres" } else { "2d" };
    let configuration = configuration.as_deref().unwrap_or(default);
    let data = folder.join(plans.configuration(configuration)?.data_identifier);
    let missing = || Error::content(&data, format!("there is no preprocessed case of {configuration}; preprocess it first, or give --use_raw"));
    if !data.is_dir() {
        return Err(missing());
    }
    let names = crate::evaluate::files(&data, &[".npz"])?;
    let case = |name: &String| Some(Case::Preprocessed { name: name.strip_suffix(".npz")?.to_owned(), file: data.join(name) });
    let cases: Vec<Case> = names.iter().filter_map(case).collect();
    if cases.is_empty() { Err(missing()) } else { Ok((DatasetJson::read(&folder)?, cases)) }
}

/// Image and labels (y, x) of the slice to show.
fn slice(case: &Case, dataset: &DatasetJson, channel: usize) -> Result<(Array2<f32>, Array2<i16>)> {
    match case {
        Case::Raw(case) => {
            let image = raw_channel(dataset.reader()?, &case.images, channel)?;
            let (labels, _) = read_labels(&case.label, dataset)?;
            if image.dim() != labels.dim() {
                let what = format!("the labels have {:?} voxels (z, y, x), but the image {:?}", labels.dim(), image.dim());
                return Err(Error::content(&case.label, what));
            }
            let z = slice_to_show(&labels.view());
            Ok((image.index_axis(Axis(0), z).to_owned(), labels.index_axis(Axis(0), z).to_owned()))
        }
        Case::Preprocessed { file, .. } => preprocessed(file, channel),
    }
}

/// Channel `channel` (z, y, x) of images that are a file each, or all in one.
fn raw_channel(reader: Reader, images: &[PathBuf], channel: usize) -> Result<ndarray::Array3<f32>> {
    let (image, channel) = match (images, images.get(channel)) {
        ([_], _) | (_, None) => (reader.read_channels(images)?.0, channel),
        (_, Some(one)) => (reader.read_image(one)?, 0),
    };
    check_channel(channel, image.data.dim().0)?;
    Ok(image.data.index_axis_move(Axis(0), channel))
}

fn check_channel(channel: usize, channels: usize) -> Result<()> {
    if channel < channels {
        return Ok(());
    }
    Err(Error::invalid(format!("-channel_idx is {channel}, but the images have {channels} channel(s), counted from 0")))
}

fn preprocessed(file: &Path, channel: usize) -> Result<(Array2<f32>, Array2<i16>)> {
    let map = NpzMap::open(file)?;
    let ((shape, data), (_, seg)) = (map.array_f32("data")?, map.array_i16("seg")?);
    let &[channels, depth, height, width] = shape else {
        return Err(Error::content(file, format!("`data` has the shape {shape:?}; wanted channels, z, y, x")));
    };
    check_channel(channel, channels)?;
    let wrong = |error: ndarray::ShapeError| Error::content(file, error.to_string());
    let voxels = depth * height * width;
    let image = ArrayView3::from_shape((depth, height, width), &data[channel * voxels..(channel + 1) * voxels]).map_err(wrong)?;
    let labels = ArrayView3::from_shape((depth, height, width), seg).map_err(wrong)?;
    let z = slice_to_show(&labels);
    Ok((image.index_axis(Axis(0), z).to_owned(), labels.index_axis(Axis(0), z).to_owned()))
}
