//! One case by itself, as a parity report looks at it.

use std::path::Path;

use super::record::Record;
use crate::dataset::{Case, DatasetJson};
use crate::error::Result;

/// What a fingerprint takes from one case, of its first channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// mm, z, y, x.
    pub(crate) spacing: [f64; 3],
    /// Voxels after cropping.
    pub(crate) shape: [usize; 3],
    /// Voxels after cropping / voxels before.
    pub(crate) relative_size: f64,
    /// All foreground voxels.
    pub(crate) foreground: Vec<f32>,
    /// Those that were drawn.
    pub(crate) drawn: Vec<f32>,
}

impl Sample {
    /// Reads `case` and draws `samples` voxels; two files in `scratch` remember them.
    ///
    /// # Errors
    /// The case cannot be read, does not fit the dataset, or has no foreground.
    pub(crate) fn of(scratch: &Path, case: &Case, dataset: &DatasetJson, samples: usize) -> Result<Self> {
        let mut record = Record::read_or_make(&scratch.join(format!("{}.npz", case.name)), case, dataset, samples)?;
        let mut drawn = vec![0.0; samples];
        record.draw(0, &mut drawn)?;
        let whole = Record::read_or_make(&scratch.join(format!("{}_whole.npz", case.name)), case, dataset, usize::MAX)?;
        let (spacing, shape, relative_size) = (record.spacing, record.shape, record.relative_size);
        Ok(Self { spacing, shape, relative_size, foreground: whole.foreground()?, drawn })
    }
}
