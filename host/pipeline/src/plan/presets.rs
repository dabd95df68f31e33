//! nnU-Net's planners: one procedure, other constants.

use super::resampling::ResamplingPlan;
use crate::error::{Error, Result};

/// The constants of one planner. Sizes are elements of all convolution outputs of one sample, nnU-Net's stand-in for memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    /// What `-pl` selects, and what plans name as `experiment_planner_used`.
    pub name: &'static str,
    /// The plans' name unless another is given.
    pub plans_name: &'static str,
    /// Residual encoder instead of plain convolutions.
    pub residual: bool,
    /// What a batch of two 3D patches may need at `reference_gb`, a sample each.
    pub reference_3d: f64,
    /// What a batch of twelve 2D patches may need at `reference_gb`, a sample each.
    pub reference_2d: f64,
    /// The memory that the references stand for, GiB.
    pub reference_gb: f64,
    /// The memory to plan for unless another is given, GiB.
    pub target_gb: f64,
    /// The largest share of the dataset's voxels that a batch may show.
    pub max_dataset_covered: f64,
    /// How images, labels and probabilities are resampled.
    pub resampling: ResamplingPlan,
}

const DEFAULT: Preset = Preset {
    name: "ExperimentPlanner",
    plans_name: "nnUNetPlans",
    residual: false,
    reference_3d: 560e6,
    reference_2d: 85e6,
    reference_gb: 8.0,
    target_gb: 8.0,
    max_dataset_covered: 0.05,
    resampling: ResamplingPlan::Spline,
};
const RESENC: Preset =
    Preset { name: "ResEncUNetPlanner", plans_name: "nnUNetResEncUNetPlans", residual: true, reference_3d: 680e6, reference_2d: 135e6, ..DEFAULT };
const RESENC_M: Preset = Preset { name: "nnUNetPlannerResEncM", plans_name: "nnUNetResEncUNetMPlans", max_dataset_covered: 1.0, ..RESENC };
const RESENC_L: Preset = Preset {
    name: "nnUNetPlannerResEncL",
    plans_name: "nnUNetResEncUNetLPlans",
    reference_3d: 2.1e9,
    reference_2d: 380e6,
    reference_gb: 24.0,
    target_gb: 24.0,
    ..RESENC_M
};
const RESENC_XL: Preset = Preset {
    name: "nnUNetPlannerResEncXL",
    plans_name: "nnUNetResEncUNetXLPlans",
    reference_3d: 3.6e9,
    reference_2d: 560e6,
    reference_gb: 40.0,
    target_gb: 40.0,
    ..RESENC_M
};

/// The planners that are built in.
pub const PRESETS: [Preset; 9] = [
    DEFAULT,
    RESENC,
    RESENC_M,
    RESENC_L,
    RESENC_XL,
    Preset { name: "nnUNetPlanner_torchres", plans_name: "nnUNetPlans_torchres", resampling: ResamplingPlan::Torch, ..DEFAULT },
    Preset { name: "nnUNetPlannerResEncL_torchres", plans_name: "nnUNetResEncUNetLPlans_torchres", resampling: ResamplingPlan::Torch, ..RESENC_L },
    Preset {
        name: "nnUNetPlannerResEncL_torchres_sepz",
        plans_name: "nnUNetResEncUNetLPlans_torchres_sepz",
        resampling: ResamplingPlan::TorchSeparateZ,
        ..RESENC_L
    },
    Preset {
        name: "nnUNetPlannerResEncL_noResampling",
        plans_name: "nnUNetResEncUNetLPlans_noResampling",
        resampling: ResamplingPlan::Off,
        ..RESENC_L
    },
];

impl Preset {
    /// What plans unless another planner is named.
    pub const DEFAULT: Preset = DEFAULT;

    /// The planner of that name.
    ///
    /// # Errors
    /// There is none; the error lists them all.
    pub fn named(name: &str) -> Result<Self> {
        PRESETS.into_iter().find(|preset| preset.name == name).ok_or_else(|| {
            let names = PRESETS.map(|preset| preset.name).join(", ");
            Error::invalid(format!("there is no planner {name}; there are {names}"))
        })
    }

    /// The folder of the cases that a configuration trains on. Plans for another network (`other_network`) leave 2d and 3d_fullres as the
    /// default planner has them, and so share its cases, unless they resample in another way.
    pub(super) fn data_identifier(&self, plans_name: &str, configuration: &str, other_network: bool) -> String {
        let shared = other_network && self.resampling == ResamplingPlan::Spline && matches!(configuration, "2d" | "3d_fullres");
        format!("{}_{configuration}", if shared { DEFAULT.plans_name } else { plans_name })
    }

    /// Convolutions (or residual blocks) of encoder stage `index`.
    pub(super) fn encoder_blocks(&self, index: usize) -> usize {
        match (self.residual, index) {
            (false, _) => 2,
            (true, 0) => 1,
            (true, 1) => 3,
            (true, 2) => 4,
            (true, _) => 6,
        }
    }

    /// Convolutions of each decoder stage.
    pub(super) fn decoder_blocks(&self) -> usize {
        if self.residual { 1 } else { 2 }
    }
}
