//! From a fingerprint to plans: target spacings, patches, topologies and batch sizes (Isensee et al. 2021,
//! doi 10.1038/s41592-020-01008-z, supplementary note 2).

mod choice;
mod configuration;
mod difference;
mod estimate;
mod legacy;
mod planner;
mod plans;
mod presets;
mod resampling;
mod review;
mod run;
mod search;
mod spacing;
mod stages;
mod steps;
mod topology;
mod transfer;

pub use configuration::{ArchitecturePlan, Configuration};
pub use difference::{Difference, difference};
pub use estimate::{Estimate, Planned};
pub use planner::{plan_experiment, plan_with};
pub use plans::{IntensityProperties, Plans};
pub use presets::{PRESETS, Preset};
pub use resampling::{Resampling, ResamplingPlan};
pub(crate) use review::explained;
pub use review::{Remark, review};
pub use run::{Options, run};
pub use stages::{Stages, stages, traced};
pub use steps::planner_plugin;
pub use topology::{Topology, topology};
pub use transfer::{Transfer, move_plans};

#[cfg(test)]
mod plugin_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod tests;
