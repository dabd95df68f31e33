//! From the members' probabilities to a segmentation.

use std::path::Path;

use ndarray::Array3;
use serde_json::Value;
use volume::files::atomic::copy_atomic;
use volume::files::npz::{Packing, write_npz_in_parts};
use volume::files::{NpzSlices, Result as FileResult};
use volume::image::{Geometry, Reader, write_segmentation};

use super::Case;
use crate::dataset::{DatasetJson, LabelManager, named_reader};
use crate::error::{Error, Result};
use crate::json;
use crate::memory;
use crate::paths::nearest;
use crate::progress::{Report, for_each_case};

/// The array in `{case}.npz`, (K, z, y, x) in the axes that the reader gives the image.
const PROBABILITIES: &str = "probabilities";

/// What [`merge`] can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The mean probabilities are written, too, with the properties of the first member.
    pub save_probabilities: bool,
    /// Cases whose files are there are left alone.
    pub keep: bool,
    /// Cases at a time, at most; fewer where memory is short.
    pub num_processes: usize,
}

/// Writes `{case}{ending}` for each of `cases` to `output`, with the geometry of the first member's segmentation. Without regions it is
/// the label with the highest mean probability, with regions each one whose mean probability exceeds 1/2, later ones over earlier ones.
///
/// # Errors
/// Arrays whose shapes differ or whose classes are not those of `dataset`; the first member has no segmentation of that shape, or no properties where
/// probabilities are wanted; not even one case fits into memory. All cases are checked before the first is merged.
pub fn merge(cases: &[Case], output: &Path, dataset: &DatasetJson, options: &Options, report: Report<'_>) -> Result<()> {
    let labels = dataset.label_manager()?;
    let plan = Plan { output, ending: &dataset.file_ending, labels, reader: reader(cases, dataset)?, save: options.save_probabilities };
    let todo: Vec<&Case> = cases.iter().filter(|case| !(options.keep && plan.is_done(case))).collect();
    let bytes = |case: &&'_ Case| plan.check(case).map_err(|error| error.in_case(&case.name));
    let bytes = todo.iter().map(bytes).collect::<Result<Vec<u64>>>()?;
    let workers = memory::workers(options.num_processes, todo.iter().map(|case| case.name.as_str()).zip(bytes))?;
    for_each_case("ensemble", &todo, |case| &case.name, workers, report, |case| plan.merge(case)).map(drop)
}

/// What read the images of the first member: the reader of its plans, or else that of `dataset`.
fn reader(cases: &[Case], dataset: &DatasetJson) -> Result<Reader> {
    let npz = cases.first().and_then(|case| case.members.first());
    let Some(path) = npz.and_then(|npz| nearest(npz.parent()?, "plans.json").ok()) else { return dataset.reader() };
    let plans: Value = json::read(&path)?;
    match plans.get("image_reader_writer").and_then(Value::as_str) {
        Some(name) => named_reader("image_reader_writer", name).map_err(|error| Error::content(&path, error.to_string())),
        None => dataset.reader(),
    }
}

struct Plan<'a> {
    output: &'a Path,
    ending: &'a str,
    labels: LabelManager,
    reader: Reader,
    save: bool,
}

impl Plan<'_> {
    fn is_done(&self, case: &Case) -> bool {
        let there = |ending: &str| self.output.join(format!("{}{ending}", case.name)).exists();
        there(self.ending) && (!self.save || there(".npz") && there(".pkl"))
    }

    /// A file of the first member, which must be there.
    fn beside(&self, case: &Case, ending: &str) -> Result<std::path::PathBuf> {
        let npz = case.members.first().ok_or_else(|| Error::invalid("an ensemble needs members"))?;
        let path = npz.with_file_name(format!("{}{ending}", case.name));
        if path.exists() {
            return Ok(path);
        }
        Err(Error::content(npz, format!("there is no {} beside it; predict this case again with --save_probabilities", path.display())))
    }

    /// The bytes that merging takes at most.
    fn check(&self, case: &Case) -> Result<u64> {
        self.beside(case, self.ending)?;
        if self.save {
            self.beside(case, ".pkl")?;
        }
        let (_, shape) = self.open(case)?;
        self.geometry(case, shape)?;
        let [z, y, x] = shape;
        let voxels = (z as u64).saturating_mul(y as u64).saturating_mul(x as u64);
        // a class of each member with its raw bytes, the mean, the best so far, labels
        Ok(voxels.saturating_mul(4 * (case.members.len() as u64 + 4) + 2))
    }

    /// Where the first member's segmentation lies, which has the shape (z, y, x) of the probabilities.
    fn geometry(&self, case: &Case, shape: [usize; 3]) -> Result<Geometry> {
        let path = self.beside(case, self.ending)?;
        let header = self.reader.read_header(&path)?;
        if header.shape != shape {
            let what = format!("has the shape {:?} (z, y, x), but the probabilities beside it {shape:?}", header.shape);
            return Err(Error::content(&path, format!("{what}; predict this case again with --save_probabilities")));
        }
        Ok(header.geometry)
    }

    /// The probabilities, and (z, y, x).
    fn open(&self, case: &Case) -> Result<(NpzSlices, [usize; 3])> {
        let slices = NpzSlices::open(&case.members, PROBABILITIES)?;
        let wanted = self.labels.num_outputs();
        match *slices.shape() {
            [classes, z, y, x] if classes == wanted => Ok((slices, [z, y, x])),
            ref other => Err(Error::invalid(format!("the probabilities have the shape {other:?}; wanted {wanted} classes and z, y, x"))),
        }
    }

    fn merge(&self, case: &Case) -> Result<()> {
        let (slices, shape) = self.open(case)?;
        let geometry = self.geometry(case, shape)?;
        let all = slices.shape().to_vec();
        let mut vote = Vote::new(&self.labels, shape.iter().product());
        if self.save {
            let npz = self.output.join(format!("{}.npz", case.name));
            write_npz_in_parts(&npz, PROBABILITIES, &all, Packing::Deflated, |put| vote.count(slices, put))?;
            copy_atomic(&self.beside(case, ".pkl")?, &npz.with_file_name(format!("{}.pkl", case.name)))?;
        } else {
            vote.count(slices, &mut |_| Ok(()))?;
        }
        let labels = Array3::from_shape_vec(shape, vote.winners).map_err(|error| Error::invalid(error.to_string()))?;
        Ok(write_segmentation(self.output.join(format!("{}{}", case.name, self.ending)), &labels, &geometry)?)
    }
}

/// The segmentation as far as the classes were seen.
struct Vote<'a> {
    labels: &'a LabelManager,
    winners: Vec<i16>,
    best: Vec<f32>,
}

impl<'a> Vote<'a> {
    fn new(labels: &'a LabelManager, voxels: usize) -> Self {
        // a region wins with more than one half, a label with more than those before it
        let floor = if labels.has_regions() { 0.5 } else { f32::NEG_INFINITY };
        Self { labels, winners: vec![0; voxels], best: vec![floor; voxels] }
    }

    /// Counts all classes; `put` gets the mean of each.
    fn count(&mut self, slices: NpzSlices, put: &mut dyn FnMut(&[f32]) -> FileResult<()>) -> Result<()> {
        let mut mean: Vec<f32> = Vec::new();
        slices.each(|class, members| {
            mean.clear();
            mean.resize(self.best.len(), 0.0);
            for member in members {
                mean.iter_mut().zip(member).for_each(|(sum, probability)| *sum += probability);
            }
            mean.iter_mut().for_each(|sum| *sum /= members.len() as f32);
            self.class(class, &mean);
            Ok(put(&mean)?)
        })
    }

    fn class(&mut self, class: usize, probabilities: &[f32]) {
        let regions = self.labels.has_regions();
        let values = if regions { self.labels.regions_class_order() } else { self.labels.labels() };
        let Some(&value) = values.get(class) else { return };
        for ((winner, best), &probability) in self.winners.iter_mut().zip(&mut self.best).zip(probabilities) {
            if probability > *best {
                *winner = value;
                if !regions {
                    *best = probability;
                }
            }
        }
    }
}
