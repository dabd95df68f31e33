//! Where the tiles of an image lie.

use std::ops::Range;

use super::gaussian::{bell, product};
use super::steps::positions;
use crate::error::{Error, Result};

/// Voxels that go through the network at once, at most, unless a single tile has more: small tiles are cheaper together.
const BATCH_VOXELS: usize = 1 << 18;

/// How an image is covered.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The network's patch: (D, H, W), or (H, W) of one that sees slices.
    pub patch: Vec<usize>,
    /// Distance between tiles as a share of the patch, above 0 and at most 1.
    pub step_size: f64,
    /// The centre of a tile counts more than its border.
    pub gaussian: bool,
    /// Views mirrored along every combination of a network's axes are averaged.
    pub mirroring: bool,
    /// Sums of logits may lie on the networks' device.
    pub on_device: bool,
}

impl Window {
    /// nnU-Net's: half a patch apart, weighted, mirrored.
    pub fn new(patch: &[usize]) -> Self {
        Self { patch: patch.to_vec(), step_size: 0.5, gaussian: true, mirroring: true, on_device: true }
    }

    /// The tile in a volume (z, y, x); a slice is a tile of one voxel along z.
    fn tile(&self) -> Result<[usize; 3]> {
        if !(self.step_size > 0.0 && self.step_size <= 1.0) {
            return Err(Error::invalid(format!("the step size is {}; it is a share of the patch, above 0 and at most 1", self.step_size)));
        }
        match *self.patch.as_slice() {
            [d, h, w] if d * h * w > 0 => Ok([d, h, w]),
            [h, w] if h * w > 0 => Ok([1, h, w]),
            ref other => Err(Error::invalid(format!("the patch is {other:?}; it needs two or three axes above 0"))),
        }
    }
}

/// One tile, seen one way.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    /// Its first voxel in the padded image.
    pub(super) start: [usize; 3],
    /// Whether each of z, y, x runs backwards.
    pub(super) flip: [bool; 3],
}

/// The tiles of an image, known from shapes alone.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// (z, y, x) of the image, ...
    pub(super) shape: [usize; 3],
    /// ... of the image padded to a tile where it is smaller, ...
    pub(super) padded: [usize; 3],
    /// ... and where its first voxel lies in there.
    pub(super) before: [usize; 3],
    pub(super) classes: usize,
    /// (z, y, x) of a tile.
    pub(super) tile: [usize; 3],
    /// The first voxels of the tiles along each axis of the padded image.
    pub(super) places: [Vec<usize>; 3],
    /// The tiles by the slice that they begin in, as ranges of the places along z: a layer is what fills a batch, at least one slice's.
    pub(super) layers: Vec<Range<usize>>,
    /// How much the voxels of a tile count: along each axis, ...
    pub(super) axes: [Vec<f64>; 3],
    /// ... and together.
    pub(super) weights: Vec<f32>,
}

impl Layout {
    /// # Errors
    /// A step size or patch that cannot be used.
    pub(super) fn new(shape: [usize; 3], classes: usize, window: &Window) -> Result<Self> {
        let tile = window.tile()?;
        let padded: [usize; 3] = std::array::from_fn(|axis| shape[axis].max(tile[axis]));
        let before = std::array::from_fn(|axis| (padded[axis] - shape[axis]) / 2);
        let axes = tile.map(|side| if window.gaussian { bell(side) } else { vec![1.0; side] });
        let (places, weights) = (positions(padded, tile, window.step_size), product(&axes));
        let layer = (batch(tile) / (places[1].len() * places[2].len())).max(1);
        let layers = (0..places[0].len()).step_by(layer).map(|first| first..places[0].len().min(first + layer)).collect();
        Ok(Self { shape, padded, before, classes, tile, places, layers, axes, weights })
    }

    pub(super) fn is_padded(&self) -> bool {
        self.padded != self.shape
    }

    /// Bytes of the logits of the whole image.
    pub(super) fn logits_bytes(&self) -> u64 {
        4 * self.shape.iter().chain([&self.classes]).map(|&n| n as u64).product::<u64>()
    }

    /// Tiles that go through the network at once.
    pub(super) fn batch(&self) -> usize {
        batch(self.tile)
    }

    /// Where a tile that begins at `start` lies in the image along `axis`; what is padding is left out.
    pub(super) fn extent(&self, axis: usize, start: usize) -> Range<usize> {
        let inside = |at: usize| at.saturating_sub(self.before[axis]).min(self.shape[axis]);
        inside(start)..inside(start + self.tile[axis])
    }

    /// Along each axis, where a view lies in the box `with` of the image, and the same part of its tile.
    pub(super) fn overlap(&self, view: &View, with: &[Range<usize>; 3]) -> [(Range<usize>, Range<usize>); 3] {
        std::array::from_fn(|axis| {
            let own = self.extent(axis, view.start[axis]);
            let start = own.start.max(with[axis].start);
            let end = own.end.min(with[axis].end).max(start);
            let in_tile = |at: usize| at + self.before[axis] - view.start[axis];
            (start..end, in_tile(start)..in_tile(end))
        })
    }
}

fn batch(tile: [usize; 3]) -> usize {
    (BATCH_VOXELS / tile.iter().product::<usize>()).max(1)
}
