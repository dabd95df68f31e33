//! From what the network sees of a case to its segmentations.

use ndarray::{Array3, Array4};
use volume::files::CaseProperties;
use volume::resample::Regrid;

use super::decode::decode;
use super::export::{Export, Grid, Place};
use super::layout::{Layout, Window};
use super::memory::{self, Memory};
use super::slabs::{Schedule, Target, segment};
use super::window::{Tiles, sliding_window};
use super::{LoadedModel, Predictor};
use crate::error::Result;

/// How the cases of a run are predicted.
pub(super) struct Segmenter<'a> {
    predictors: &'a [&'a dyn Predictor],
    window: &'a Window,
    export: &'a Export<'a>,
    /// Logits are kept, because probabilities are written.
    probabilities: bool,
}

/// What came out of a case.
pub(super) struct Segmented {
    /// (z, y, x) in the image's own axes and shape.
    pub(super) image: Array3<i16>,
    /// On each further grid.
    pub(super) further: Vec<Array3<i16>>,
    /// (K, z, y, x) on the network's grid, where probabilities are written.
    pub(super) logits: Option<Array4<f32>>,
}

/// The grids of a case, and the work and memory that they make.
struct Work {
    /// Tiles that cover the image.
    tiles: usize,
    regrids: Vec<Regrid>,
    schedule: Schedule,
    memory: Memory,
}

impl<'a> Segmenter<'a> {
    pub(super) fn new(model: &LoadedModel<'a>, window: &'a Window, export: &'a Export<'a>, probabilities: bool) -> Self {
        Self { predictors: model.predictors, window, export, probabilities }
    }

    /// The segmentation of the image that `image` (C, z, y, x) was made of, and those on `further` grids.
    ///
    /// # Errors
    /// As [`sliding_window`]; properties that contradict themselves; more memory than there is.
    pub(super) fn segment(&self, image: &Array4<f32>, properties: &CaseProperties, further: &[Grid]) -> Result<Segmented> {
        let place = self.export.place(properties)?;
        let (channels, depth, height, width) = image.dim();
        let work = self.work(channels, [depth, height, width], &place, further)?;
        memory::check(&work.memory, self.probabilities)?;
        let (bytes, strips, tiles) = (work.memory.total(), work.schedule.strips(), work.tiles);
        tracing::debug!("predicting {depth} x {height} x {width} voxels in {tiles} tile(s) takes at most {bytes} bytes, in {strips} strip(s)");
        let mut segmented =
            Segmented { image: self.export.blank(&place, 0), further: further.iter().map(|grid| Array3::zeros(grid.shape)).collect(), logits: None };
        let own = self.export.cropped_in(&place, &mut segmented.image);
        let views = std::iter::once(own).chain(segmented.further.iter_mut().map(|labels| labels.view_mut()));
        let mut targets: Vec<Target<'_>> =
            work.regrids.into_iter().zip(views).map(|(regrid, segmentation)| Target { regrid, segmentation }).collect();
        let (labels, classes) = (self.export.labels(), self.export.labels().num_outputs());
        if self.probabilities {
            let logits = sliding_window(self.predictors, image, classes, self.window)?;
            for Target { regrid, segmentation } in targets {
                decode(labels, &regrid, (logits.view(), [0; 3]), &regrid.whole(), segmentation);
            }
            segmented.logits = Some(logits);
        } else {
            let tiles = Tiles::new(self.predictors, image, classes, self.window)?;
            segment(&tiles, &work.schedule, labels, &mut targets)?;
        }
        Ok(segmented)
    }

    /// The bytes that [`Segmenter::segment`] takes at most, for an image of so many channels on the network's grid.
    ///
    /// # Errors
    /// As [`Segmenter::segment`].
    pub(super) fn memory(&self, channels: usize, network: [usize; 3], place: &Place) -> Result<Memory> {
        Ok(self.work(channels, network, place, &[])?.memory)
    }

    fn work(&self, channels: usize, network: [usize; 3], place: &Place, further: &[Grid]) -> Result<Work> {
        let layout = Layout::new(network, self.export.labels().num_outputs(), self.window)?;
        let grids = std::iter::once(&place.cropped).chain(further);
        let regrids = grids.map(|grid| self.export.regrid(network, place.cropped.spacing, grid)).collect::<Result<Vec<_>>>()?;
        let borrowed: Vec<&Regrid> = regrids.iter().collect();
        let of = |schedule: &Schedule| {
            let sums = if self.probabilities { layout.logits_bytes() } else { schedule.bytes(&layout) };
            Memory::new(self.predictors, &layout, channels, &borrowed, place.voxels(), sums, self.probabilities)
        };
        let goal = memory::goal();
        let (mut schedule, mut strips) = (Schedule::new(&layout, &borrowed, 1), 1);
        let mut memory = of(&schedule);
        // no more strips than are needed: tiles on their borders are predicted more than once
        while !self.probabilities && memory.total() > goal && strips < place.cropped.shape[1] {
            strips += (strips / 4).max(1);
            let other = Schedule::new(&layout, &borrowed, strips);
            if of(&other).total() < memory.total() {
                (memory, schedule) = (of(&other), other);
            }
        }
        Ok(Work { tiles: layout.places.iter().map(Vec::len).product(), schedule, memory, regrids })
    }
}
