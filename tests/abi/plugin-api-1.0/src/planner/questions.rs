//! What a planner is asked, and what it answers. Fields may be added; each has a default then.

use crate::Intensities;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::Arc,
};

/// What is planned for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanningDataset {
    /// The dataset's folder name.
    pub name: String,
    /// Names of the image channels.
    pub channel_names: Vec<String>,
    /// Training cases.
    pub num_training: usize,
    /// Channels of the logits: labels including background, or regions.
    pub outputs: usize,
    /// Spacing of each training image, mm, axes as in the images.
    pub spacings: Vec<[f64; 3]>,
    /// Shape of each training image after cropping to what is not zero, voxels.
    pub shapes_after_crop: Vec<[usize; 3]>,
    /// Median share of an image that cropping keeps.
    pub median_relative_size_after_cropping: f64,
    /// Intensities of the foreground, by channel number.
    pub intensities: BTreeMap<String, Intensities>,
    /// `dataset.json`.
    pub dataset_json: Value,
}

/// Where a planner starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlannerSetup {
    /// One of the host's planners, e.g. `ExperimentPlanner` or `nnUNetPlannerResEncM`.
    pub base: String,
    /// The plans' name, unless the user gives another (`-overwrite_plans_name`).
    pub plans_name: String,
}

/// Millimetres along three axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spacing(pub [f64; 3]);

impl Spacing {
    /// The same along each axis.
    pub fn isotropic(mm: f64) -> Self {
        Spacing([mm; 3])
    }

    /// The finest axis, mm.
    pub fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The coarsest axis, mm.
    pub fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

impl Deref for Spacing {
    type Target = [f64; 3];
    fn deref(&self) -> &[f64; 3] {
        &self.0
    }
}

impl DerefMut for Spacing {
    fn deref_mut(&mut self) -> &mut [f64; 3] {
        &mut self.0
    }
}

/// Strides and kernels of a network's stages, finest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Topology {
    /// Down-sampling on entering each stage, an axis each; all ones in the first.
    pub strides: Vec<Vec<usize>>,
    /// Kernel of each stage, an axis each.
    pub kernels: Vec<Vec<usize>>,
}

impl Topology {
    /// What a patch must be a multiple of, an axis each.
    pub fn divisors(&self) -> Vec<usize> {
        let axes = self.strides.first().map_or(0, Vec::len);
        (0..axes).map(|axis| self.strides.iter().map(|stride| stride.get(axis).copied().unwrap_or(1)).product()).collect()
    }
}

/// The normalization of one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelNormalization {
    /// The scheme, e.g. `ZScoreNormalization`, or a plugin's.
    pub scheme: String,
    /// Only voxels that are not zero are normalized.
    pub use_mask: bool,
}

macro_rules! question {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $field_doc:literal])+ $field:ident : $ty:ty,)* }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[doc = $field_doc])+ pub $field: $ty,)*
            /// What is planned for.
            #[serde(skip)]
            pub dataset: Arc<PlanningDataset>,
        }
    };
}

question! {
    /// See [`target_spacing`](crate::Planner::target_spacing).
    SpacingQuestion {}
}
question! {
    /// See [`transpose`](crate::Planner::transpose).
    TransposeQuestion {
        /// The target spacing, mm, axes as in the images.
        target_spacing: Spacing,
    }
}
question! {
    /// See [`normalization`](crate::Planner::normalization).
    SchemesQuestion {}
}
question! {
    /// See [`topology`](crate::Planner::topology).
    TopologyQuestion {
        /// `2d`, `3d_fullres` or `3d_lowres`.
        configuration: String,
        /// mm, two or three axes.
        spacing: Vec<f64>,
        /// Voxels; a median shape may end in a half.
        patch: Vec<f64>,
    }
}
question! {
    /// See [`patch_size`](crate::Planner::patch_size).
    PatchQuestion {
        /// `2d`, `3d_fullres` or `3d_lowres`.
        configuration: String,
        /// mm, two or three axes.
        spacing: Vec<f64>,
        /// Median shape of the images on that spacing, voxels.
        median_shape: Vec<f64>,
        /// The network for the host's patch.
        topology: Topology,
        /// The memory to plan for, GiB.
        memory_gib: f64,
    }
}
question! {
    /// See [`batch_size`](crate::Planner::batch_size).
    BatchQuestion {
        /// `2d`, `3d_fullres` or `3d_lowres`.
        configuration: String,
        /// Voxels.
        patch: Vec<usize>,
        /// Samples that fit into the memory.
        fitting: usize,
        /// The memory to plan for, GiB.
        memory_gib: f64,
    }
}
question! {
    /// See [`lowres_spacing`](crate::Planner::lowres_spacing).
    LowresQuestion {
        /// Spacing of 3d_fullres, mm.
        spacing: Spacing,
        /// Median shape of the images on that spacing, voxels.
        median_shape: Vec<f64>,
        /// The patch of 3d_fullres, voxels.
        patch: Vec<usize>,
    }
}
question! {
    /// See [`plans`](crate::Planner::plans).
    PlansQuestion {}
}
