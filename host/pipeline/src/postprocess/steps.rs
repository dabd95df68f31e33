//! The steps.

use ndarray::Array3;
use volume::components::keep_largest_of;

use crate::evaluate::Structure;

/// Keeps the largest component (full connectivity, size in voxels; several if they are tied) of all voxels of some labels; the others
/// become background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeepLargest {
    /// Of one label or region.
    Of(Structure),
    /// Of several together: the whole foreground.
    OfAll(Vec<Structure>),
}

impl KeepLargest {
    /// The labels whose voxels are looked at.
    pub fn labels(&self) -> Vec<i16> {
        match self {
            Self::Of(structure) => structure.values().to_vec(),
            Self::OfAll(structures) => structures.iter().flat_map(|structure| structure.values()).copied().collect(),
        }
    }

    /// Does it to a segmentation (z, y, x).
    pub fn apply(&self, segmentation: &mut Array3<i16>) {
        keep_largest_of(segmentation, &self.labels());
    }
}

/// Steps one after the other; none is a postprocessing too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Postprocessing(pub Vec<KeepLargest>);

impl Postprocessing {
    /// Does all steps to a segmentation (z, y, x).
    pub fn apply(&self, segmentation: &mut Array3<i16>) {
        self.0.iter().for_each(|step| step.apply(segmentation));
    }
}
