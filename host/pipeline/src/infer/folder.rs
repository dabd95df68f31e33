//! Prediction of a folder of images.

use std::path::PathBuf;

use ndarray::Array4;
use serde_json::json;
use volume::files::atomic::remove_stale;

use super::case::Segmenter;
use super::output::Output;
use super::prepare::{About, InputCase, Recipe, list, prepare};
use super::stages::Stages;
use super::{Export, LoadedModel, Window, memory};
use crate::error::{Error, Result};
use crate::json;
use crate::memory::preparing;
use crate::paths::same;
use crate::preprocess::resampled_shape;
use crate::progress::Report;

/// What prediction can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictOptions {
    /// The folder of images, `{case}_{XXXX}{ending}`.
    pub input: PathBuf,
    /// The folder for segmentations, made where it is not there.
    pub output: PathBuf,
    /// Distance between tiles as a share of the patch, above 0 and at most 1.
    pub step_size: f64,
    /// Mirrored views are averaged (test-time augmentation).
    pub mirroring: bool,
    /// Sums of logits may lie on a GPU; else they are kept in the host's memory.
    pub on_device: bool,
    /// Probabilities and properties are written, too: an ensemble needs them.
    pub save_probabilities: bool,
    /// Cases whose files are all there are left alone.
    pub continue_prediction: bool,
    /// Several runs share the cases: this one takes every `num_parts`-th ...
    pub num_parts: usize,
    /// ... from this one on, counted from 0.
    pub part_id: usize,
    /// The segmentations of the previous stage of a cascade.
    pub previous_stage: Option<PathBuf>,
}

impl PredictOptions {
    /// nnU-Net's defaults.
    pub fn new(input: impl Into<PathBuf>, output: impl Into<PathBuf>) -> Self {
        Self {
            input: input.into(),
            output: output.into(),
            step_size: 0.5,
            mirroring: true,
            on_device: true,
            save_probabilities: false,
            continue_prediction: false,
            num_parts: 1,
            part_id: 0,
            previous_stage: None,
        }
    }

    /// What nnU-Net leaves in `predict_from_raw_data_args.json`. One thread prepares and one writes.
    fn record(&self) -> serde_json::Value {
        json!({
            "folder_with_segs_from_prev_stage": self.previous_stage,
            "list_of_lists_or_source_folder": self.input,
            "num_parts": self.num_parts,
            "num_processes_preprocessing": 1,
            "num_processes_segmentation_export": 1,
            "output_folder_or_list_of_truncated_output_files": self.output,
            "overwrite": !self.continue_prediction,
            "part_id": self.part_id,
            "save_probabilities": self.save_probabilities,
        })
    }
}

/// What became of the cases, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Predicted {
    /// Predicted now.
    pub done: Vec<String>,
    /// Left alone, because their files were there.
    pub kept: Vec<String>,
}

/// Predicts the images of a folder: `{case}{ending}` for each case, and `dataset.json`, `plans.json` and
/// `predict_from_raw_data_args.json`.
///
/// Files appear whole, a case's segmentation last; a run that was interrupted goes on with `continue_prediction`. The same images and
/// model make the same bytes.
///
/// # Errors
/// Options that cannot be used; cases that do not fit the model, all of them listed before anything is predicted; later the first case
/// that fails, with its name, when those before it are written.
pub fn predict_folder(model: &LoadedModel<'_>, options: &PredictOptions, report: Report<'_>) -> Result<Predicted> {
    check(model, options)?;
    let output = Output { folder: &options.output, ending: &model.dataset.file_ending, probabilities: options.save_probabilities };
    let cases = list(&options.input, options.previous_stage.as_deref(), model.dataset)?;
    let part = cases.into_iter().skip(options.part_id).step_by(options.num_parts);
    let (kept, todo): (Vec<InputCase>, Vec<InputCase>) = part.partition(|case| options.continue_prediction && output.has(&case.name));
    let names = |cases: &[InputCase]| cases.iter().map(|case| case.name.clone()).collect();
    let predicted = Predicted { done: names(&todo), kept: names(&kept) };

    output.create()?;
    if options.num_parts == 1 {
        // other parts may be at work on other machines, whose processes cannot be seen here
        remove_stale(&options.output)?;
    }
    model.dataset.write(&options.output)?;
    model.plans.write(&options.output.join("plans.json"))?;
    json::write(&options.output.join("predict_from_raw_data_args.json"), &options.record())?;

    let (export, recipe) = (Export::new(model)?, Recipe::from(model));
    let &PredictOptions { step_size, mirroring, on_device, .. } = options;
    let window = Window { step_size, mirroring, on_device, ..Window::new(&model.configuration.patch_size) };
    let segmenter = Segmenter::new(model, &window, &export, options.save_probabilities);
    let stages = Stages {
        at_once: fits_at_once(&todo, model, &segmenter)?,
        prepare: |case: &InputCase| prepare(case, &recipe),
        predict: |_: &InputCase, image: &Array4<f32>, about: &About| segmenter.segment(image, &about.properties, &[]),
        finish: |case: &InputCase, about: About, segmented| output.write(&case.name, segmented, &about, &export),
    };
    stages.run("predict", &todo, |case| &case.name, report)?;
    Ok(predicted)
}

/// Whether a case can be prepared and one written beside one that is predicted, as far as the headers of the images tell.
fn fits_at_once(cases: &[InputCase], model: &LoadedModel<'_>, segmenter: &Segmenter<'_>) -> Result<bool> {
    let mut most = [0; 2];
    for case in cases {
        let (channels, place) = case.place(model)?;
        let (shape, spacing) = (place.cropped.shape, place.cropped.spacing);
        let network = resampled_shape(shape, spacing, model.configuration.target_spacing(spacing)).map_err(|error| error.in_case(&case.name))?;
        let preparing = preparing(channels, place.voxels(), memory::voxels(network));
        let predicting = segmenter.memory(channels, network, &place).map_or(0, |memory| memory.total());
        // labels and bytes of the segmentation that is written
        let beside = 4 * place.voxels();
        most = [most[0].max(preparing), most[1].max(predicting + beside)];
    }
    Ok(most[0] + most[1] <= memory::goal())
}

fn check(model: &LoadedModel<'_>, options: &PredictOptions) -> Result<()> {
    let (part, parts) = (options.part_id, options.num_parts);
    if part >= parts {
        return Err(Error::invalid(format!("-part_id is {part} of -num_parts {parts}; parts are counted from 0, so it must be less")));
    }
    if same(&options.output, &options.input) {
        return Err(Error::invalid(format!("{} is both input and output; choose another output folder", options.input.display())));
    }
    match (&model.configuration.previous_stage, &options.previous_stage) {
        (Some(stage), None) => Err(Error::invalid(format!(
            "the configuration is the second stage of a cascade; predict the same images with {stage} first and give that folder as \
             -prev_stage_predictions"
        ))),
        (None, Some(folder)) => Err(Error::invalid(format!(
            "-prev_stage_predictions is {}, but the configuration is no second stage of a cascade; leave it out",
            folder.display()
        ))),
        _ => Ok(()),
    }
}
