//! Logits back on the grid of the image.

use ndarray::{Array4, Axis, Ix3, Ix4};
use volume::files::CaseProperties;

use super::super::desk::Desk;
use super::super::files::Use;
use super::super::tolerance;
use crate::dataset::DatasetJson;
use crate::error::Result;
use crate::infer::{Export, LoadedModel};
use crate::plan::{Configuration, Plans};

/// `export.npz`: nnU-Net exported the logits once as f16 and once as f32.
pub(super) fn compare(
    desk: &mut Desk<'_>,
    folder: &str,
    plans: &Plans,
    configuration: &Configuration,
    dataset: &DatasetJson,
    properties: &CaseProperties,
) -> Result<()> {
    let what = format!("{folder}/export.npz");
    let arrays = desk.arrays(&what, Use::Compared)?;
    let logits: Array4<f32> = arrays.f32::<Ix4>("logits_f16")?;
    let export = Export::new(&LoadedModel { plugins: None, plans, configuration, dataset, predictors: &[] })?;
    let segmentation = export.segmentation(&logits, properties)?;
    let (mut probabilities, mut class) = (Array4::zeros((logits.dim().0, 0, 0, 0)), 0);
    export.probabilities(&logits, properties, |own| {
        if class == 0 {
            let (depth, height, width) = own.dim();
            probabilities = Array4::zeros((logits.dim().0, depth, height, width));
        }
        probabilities.index_axis_mut(Axis(0), class).assign(own);
        class += 1;
        Ok(())
    })?;
    for (name, _) in arrays.iter().filter(|(name, _)| *name != "logits_f16") {
        let what = format!("{what}: {name}");
        if name.starts_with("seg") {
            let theirs = arrays.labels::<Ix3>(name)?;
            if desk.shape(&what, segmentation.shape(), theirs.shape()) {
                desk.voxels(&what, segmentation.as_slice().unwrap_or_default(), theirs.as_slice().unwrap_or_default(), tolerance::TIES);
            }
        } else if name.starts_with("prob") {
            let theirs = arrays.f32::<Ix4>(name)?;
            if desk.shape(&what, probabilities.shape(), theirs.shape()) {
                desk.floats(&what, probabilities.as_slice().unwrap_or_default(), theirs.as_slice().unwrap_or_default(), tolerance::PROBABILITY);
            }
        } else {
            desk.fell_short(&what, "the array was not understood, so nothing was compared with it");
        }
    }
    Ok(())
}
