//! How much memory a case takes, known beforehand.

use volume::resample::Regrid;

use super::Predictor;
use super::layout::Layout;
use crate::error::{Error, Result};
use crate::memory::gib;

/// What prediction keeps below where it can, by sums in strips and by one case after the other: 7.75 GiB, so that a process stays below 8.
pub(super) const GOAL: u64 = 31 << 28;

/// [`GOAL`], or what can be had where that is less.
pub(super) fn goal() -> u64 {
    GOAL.min(crate::memory::available())
}

/// What the program takes when it has nothing to do, and its allocator holds back.
const PROGRAM: u64 = 160 << 20;

/// Bytes that a process takes at most while it predicts a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// The preprocessed image, which is there when prediction begins.
    image: u64,
    /// The padded image.
    padded: u64,
    /// A batch of tiles: the network's activations, the tiles and their logits.
    network: u64,
    /// Sums of logits.
    sums: u64,
    /// Segmentations, and what decoding them takes.
    segmentations: u64,
    /// Probabilities of a class, and what the softmax needs.
    probabilities: u64,
}

impl Memory {
    /// `whole` is the number of voxels of the whole image, `sums` the bytes of the sums.
    pub(super) fn new(
        predictors: &[&dyn Predictor],
        layout: &Layout,
        channels: usize,
        regrids: &[&Regrid],
        whole: u64,
        sums: u64,
        probabilities: bool,
    ) -> Self {
        let tile = voxels(layout.tile);
        let devices = predictors.iter().map(|predictor| predictor.devices()).max().unwrap_or(1);
        let (batch, channels, classes) = ((layout.batch() * devices) as u64, channels as u64, layout.classes as u64);
        // the tiles and their logits are there twice: ours, and the network's
        let activations = predictors.iter().map(|predictor| predictor.bytes()).max().unwrap_or(0);
        let network = batch * (activations.max(4 * tile * (channels + classes)) + 4 * tile * (2 * channels + classes));
        let decoding = |regrid: &Regrid| match (0..3).all(|axis| regrid.is_local(axis)) {
            true => rayon::current_num_threads() as u64 * DECODED_AT_ONCE,
            // a class of the whole block, before and after the last pass, and the best so far
            false => 4 * (2 * voxels(regrid.new_shape()) + voxels(regrid.new_shape()).max(voxels(layout.shape))),
        };
        let further: u64 = regrids.iter().skip(1).map(|regrid| voxels(regrid.new_shape())).sum();
        let cropped = regrids.first().map_or(0, |regrid| voxels(regrid.new_shape()));
        Self {
            image: 4 * channels * voxels(layout.shape),
            padded: if layout.is_padded() { 4 * channels * voxels(layout.padded) } else { 0 },
            network,
            sums,
            segmentations: 2 * (whole + further) + regrids.iter().map(|regrid| decoding(regrid)).max().unwrap_or(0),
            // the largest logit and the sum; a class before and after the last pass of resampling; the same in the whole image
            probabilities: if probabilities { 4 * (4 * cropped + whole) } else { 0 },
        }
    }

    /// All of it, the image and the program included. The network and the softmax never work at once, so it is a little less than the sum.
    pub(super) fn total(&self) -> u64 {
        PROGRAM + self.image + self.padded + self.sums + self.segmentations + self.network.max(self.probabilities)
    }
}

/// Bytes that decoding a piece takes: a class before and after a pass, the best so far, and what the pass works on.
const DECODED_AT_ONCE: u64 = 4 << 20;

pub(super) fn voxels(shape: [usize; 3]) -> u64 {
    shape.iter().map(|&n| n as u64).product()
}

/// Refuses what cannot fit.
///
/// # Errors
/// A case that takes more than is free.
pub(super) fn check(memory: &Memory, probabilities: bool) -> Result<()> {
    let (needed, free) = (memory.total() - memory.image - PROGRAM, crate::memory::available());
    if needed <= free {
        return Ok(());
    }
    let way_out = match probabilities {
        true => "leave out --save_probabilities, which keeps the logits of the whole image, give --max-ram more, or use a machine with more memory",
        false => "give --max-ram more, use a machine with more memory, or plans with a smaller patch",
    };
    Err(Error::invalid(format!(
        "prediction takes {:.1} GiB of memory ({:.1} GiB for logits, {:.1} GiB for the network, {:.1} GiB for segmentations, {:.1} GiB for \
         probabilities), but {:.1} GiB can be had; {way_out}",
        gib(needed),
        gib(memory.sums),
        gib(memory.network),
        gib(memory.segmentations),
        gib(memory.probabilities),
        gib(free)
    )))
}
