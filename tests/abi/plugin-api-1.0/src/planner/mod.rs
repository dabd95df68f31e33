//! Planners: the host's planning with single steps replaced.

mod questions;
mod steps;

pub use questions::{
    BatchQuestion, ChannelNormalization, LowresQuestion, PatchQuestion, PlannerSetup, PlanningDataset, PlansQuestion, SchemesQuestion, Spacing,
    SpacingQuestion, Topology, TopologyQuestion, TransposeQuestion,
};
pub(crate) use steps::PlannerHook;

use crate::Result;
use serde_json::Value;

/// Plans on top of the host's planner. Each step gets a question and the host's answer, and may return another; a step that is left out
/// is the host's. The steps come in the order in which they stand here. Its fields are its settings: derive `Deserialize` and `Default`.
pub trait Planner: Send + Sync + 'static {
    /// Which of the host's planners this one starts from, and what the plans are called.
    fn setup(&self, dataset: &PlanningDataset, host: PlannerSetup) -> Result<PlannerSetup> {
        let _ = dataset;
        Ok(host)
    }

    /// The spacing of 3d_fullres, mm, in the axis order of the images. `-overwrite_target_spacing` of the user overrules it.
    fn target_spacing(&self, q: &SpacingQuestion, host: Spacing) -> Result<Spacing> {
        let _ = q;
        Ok(host)
    }

    /// The order in which the axes are taken: axis `i` of preprocessed data is axis `host[i]` of the image. From here on axes are those
    /// after the transposition.
    fn transpose(&self, q: &TransposeQuestion, host: [usize; 3]) -> Result<[usize; 3]> {
        let _ = q;
        Ok(host)
    }

    /// The normalization of each channel.
    fn normalization(&self, q: &SchemesQuestion, host: Vec<ChannelNormalization>) -> Result<Vec<ChannelNormalization>> {
        let _ = q;
        Ok(host)
    }

    /// Strides and kernels of the network for a patch. Asked for each patch that the search tries.
    fn topology(&self, q: &TopologyQuestion, host: Topology) -> Result<Topology> {
        let _ = q;
        Ok(host)
    }

    /// The patch of a configuration, voxels; the guide calls this step `determine_patch_size`. For another patch than the host's the
    /// topology is derived anew; the patch must be a multiple of its strides and fit into the memory.
    fn patch_size(&self, q: &PatchQuestion, host: Vec<usize>) -> Result<Vec<usize>> {
        let _ = q;
        Ok(host)
    }

    /// Samples a batch. More than fit into the memory are refused.
    fn batch_size(&self, q: &BatchQuestion, host: usize) -> Result<usize> {
        let _ = q;
        Ok(host)
    }

    /// The spacing of 3d_lowres, mm; `None`: there is no 3d_lowres.
    fn lowres_spacing(&self, q: &LowresQuestion, host: Option<Spacing>) -> Result<Option<Spacing>> {
        let _ = q;
        Ok(host)
    }

    /// The plans as they will be written, all keys. What comes back must still be plans.
    fn plans(&self, q: &PlansQuestion, host: Value) -> Result<Value> {
        let _ = q;
        Ok(host)
    }
}
