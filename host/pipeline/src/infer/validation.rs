//! The final validation of a fold.

use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4, ArrayView3, ArrayView4};
use volume::files::atomic::{remove, remove_stale};
use volume::files::npz::{Packing, write_npz};
use volume::files::{ArrayView, CaseProperties};

use super::case::{Segmented, Segmenter};
use super::export::Grid;
use super::output::Output;
use super::prepare::{About, with_previous};
use super::stages::Stages;
use super::{Export, LoadedModel, Window};
use crate::error::{Error, Result};
use crate::evaluate::{Pair, Summary, evaluate_pairs, files};
use crate::loader::Dataset;
use crate::plan::Configuration;
use crate::progress::Report;

/// What the final validation works on.
pub struct ValidationOptions<'a> {
    /// The fold's validation cases.
    pub cases: &'a [String],
    /// The dataset's folder of preprocessed data, with `{data_identifier}` and `gt_segmentations`.
    pub preprocessed: &'a Path,
    /// The previous stage's segmentations of a cascade, `{case}.npz` with `seg`.
    pub previous: Option<&'a Path>,
    /// `fold_X/validation`.
    pub output: &'a Path,
    /// Probabilities and properties are written, too.
    pub save_probabilities: bool,
    /// The configurations that take this one's segmentations.
    pub next_stages: &'a [NextStage<'a>],
    /// Cases that are scored at a time.
    pub num_processes: usize,
}

/// A later stage of a cascade.
pub struct NextStage<'a> {
    /// Its configuration.
    pub configuration: &'a Configuration,
    /// `predicted_next_stage/{configuration}`: `{case}.npz` with `seg` (1, z, y, x) on that configuration's grid.
    pub output: PathBuf,
}

/// Predicts the preprocessed cases of a fold into `{output}/{case}{ending}`, scores them against `gt_segmentations`, and writes
/// `summary.json`. Segmentations get the geometry of the reference's file.
///
/// # Errors
/// A preprocessed case or its reference is missing; a case that fails, with its name; a file that cannot be written.
pub fn validate(model: &LoadedModel<'_>, options: &ValidationOptions<'_>, report: Report<'_>) -> Result<Summary> {
    let mut cases = options.cases.to_vec();
    cases.sort();
    let folder = options.preprocessed.join(&model.configuration.data_identifier);
    let data = Dataset::open(&folder, options.previous)?;
    data.require(&cases)?;
    let output = Output { folder: options.output, ending: &model.dataset.file_ending, probabilities: options.save_probabilities };
    output.create()?;
    remove_stale(options.output)?;
    // what an earlier validation left is of other weights, perhaps of other cases; first goes what vouches for it
    let summary_file = options.output.join("summary.json");
    remove(&summary_file)?;
    for name in files(options.output, &[&model.dataset.file_ending, ".npz", ".pkl"])? {
        remove(&options.output.join(name))?;
    }
    let references = options.preprocessed.join("gt_segmentations");
    let reference = |case: &str| references.join(format!("{case}{}", model.dataset.file_ending));

    let export = Export::new(model)?;
    let window = Window::new(&model.configuration.patch_size);
    let segmenter = Segmenter::new(model, &window, &export, options.save_probabilities);
    let next: Vec<Next<'_>> = options.next_stages.iter().map(|stage| Next::open(stage, options.preprocessed)).collect::<Result<_>>()?;
    let reader = model.plans.reader()?;
    let (export, output, reference_of) = (&export, &output, &reference);
    let stages = Stages {
        at_once: true,
        prepare: |case: &String| {
            let properties = CaseProperties::read(&folder.join(format!("{case}.pkl")))?;
            let geometry = reader.read_header(reference_of(case))?.geometry;
            Ok((image(&data, case, export.labels().foreground_labels())?, About { properties, geometry }))
        },
        predict: |case: &String, image: &Array4<f32>, about: &About| {
            let place = export.place(&about.properties)?;
            let grids = next.iter().map(|next| next.grid(case, place.cropped.spacing)).collect::<Result<Vec<_>>>()?;
            segmenter.segment(image, &about.properties, &grids)
        },
        finish: |case: &String, about: About, segmented: Segmented| {
            next.iter().zip(&segmented.further).try_for_each(|(next, seg)| next.write(case, seg))?;
            output.write(case, segmented, &about, export)
        },
    };
    stages.run("validate", &cases, String::as_str, report)?;

    let pair = |case: &String| Pair { name: case.clone(), reference: reference(case), prediction: output.segmentation(case) };
    let pairs: Vec<Pair> = cases.iter().map(pair).collect();
    let summary = evaluate_pairs(&pairs, model.dataset, options.num_processes, report)?;
    summary.write(&summary_file)?;
    Ok(summary)
}

/// What the network sees of a preprocessed case.
fn image(data: &Dataset, case: &str, labels: &[i16]) -> Result<Array4<f32>> {
    let case = data.case(case)?;
    let [depth, height, width] = case.shape();
    let source = case.window([0; 3], case.shape())?;
    let wrong = |error: ndarray::ShapeError| Error::invalid(error.to_string());
    let image = ArrayView4::from_shape((source.channels(), depth, height, width), source.data).map_err(wrong)?.to_owned();
    match source.seg.get(1) {
        Some(previous) => with_previous(image, &ArrayView3::from_shape((depth, height, width), previous).map_err(wrong)?, labels),
        None => Ok(image),
    }
}

/// A later stage with its preprocessed cases.
struct Next<'a> {
    stage: &'a NextStage<'a>,
    data: Dataset,
}

impl<'a> Next<'a> {
    fn open(stage: &'a NextStage<'a>, preprocessed: &Path) -> Result<Self> {
        std::fs::create_dir_all(&stage.output).map_err(Error::io("create", &stage.output))?;
        remove_stale(&stage.output)?;
        Ok(Self { stage, data: Dataset::open(&preprocessed.join(&stage.configuration.data_identifier), None)? })
    }

    /// Its grid of a case whose image has this spacing, mm.
    fn grid(&self, case: &str, image: [f64; 3]) -> Result<Grid> {
        self.data.require(std::slice::from_ref(&case.to_owned()))?;
        Ok(Grid { shape: self.data.case(case)?.shape(), spacing: self.stage.configuration.target_spacing(image) })
    }

    /// Writes the segmentation on that grid.
    fn write(&self, case: &str, seg: &Array3<i16>) -> Result<()> {
        let path = self.stage.output.join(format!("{case}.npz"));
        let (depth, height, width) = seg.dim();
        let shape = [1, depth, height, width];
        let view = ArrayView::new(&shape, seg.as_slice().unwrap_or_default()).map_err(|error| error.at(&path))?;
        Ok(write_npz(&path, &[("seg", view)], Packing::Stored)?)
    }
}
