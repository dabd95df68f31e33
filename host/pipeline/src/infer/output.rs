//! The files of a predicted case.

use std::path::{Path, PathBuf};

use volume::files::npz::{Packing, write_npz_in_parts};
use volume::image::write_segmentation;

use super::Export;
use super::case::Segmented;
use super::prepare::About;
use crate::error::{Error, Result};

/// Where predictions go.
pub(super) struct Output<'a> {
    pub(super) folder: &'a Path,
    pub(super) ending: &'a str,
    /// `{case}.npz` with `probabilities` (K, z, y, x) f32 and `{case}.pkl` are written, too.
    pub(super) probabilities: bool,
}

impl Output<'_> {
    /// Makes the folder.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn create(&self) -> Result<()> {
        std::fs::create_dir_all(self.folder).map_err(Error::io("create", self.folder))
    }

    /// The segmentation of `case`.
    pub(super) fn segmentation(&self, case: &str) -> PathBuf {
        self.folder.join(format!("{case}{}", self.ending))
    }

    fn beside(&self, case: &str, ending: &str) -> PathBuf {
        self.folder.join(format!("{case}.{ending}"))
    }

    /// Whether all files of `case` are there.
    pub(super) fn has(&self, case: &str) -> bool {
        let probabilities = || ["npz", "pkl"].iter().all(|ending| self.beside(case, ending).exists());
        self.segmentation(case).exists() && (!self.probabilities || probabilities())
    }

    /// Writes the files of `case`, each whole or not at all; the segmentation last, so that where it is, the others are.
    ///
    /// # Errors
    /// The logits cannot be brought back to the image, or a file not be written.
    pub(super) fn write(&self, case: &str, segmented: Segmented, about: &About, export: &Export<'_>) -> Result<()> {
        if let Some(logits) = segmented.logits {
            let (classes, (depth, height, width)) = (logits.dim().0, segmented.image.dim());
            let (path, shape) = (self.beside(case, "npz"), [classes, depth, height, width]);
            write_npz_in_parts(&path, "probabilities", &shape, Packing::Deflated, |append| {
                export.probabilities(&logits, &about.properties, |class| Ok(append(class.as_slice().unwrap_or_default())?))
            })?;
            about.properties.write(&self.beside(case, "pkl"))?;
        }
        Ok(write_segmentation(self.segmentation(case), &segmented.image, &about.geometry)?)
    }
}
