//! Sizes as nnU-Net's planner computes them.

use plugin_api::{NetworkSpec, StageSpec};

/// Voxels of one channel at each stage, a remainder of the division by the stride being dropped.
pub(super) struct Voxels(Vec<u64>);

impl Voxels {
    /// For the patch of `spec`, before the first stage's own stride and after each stage's.
    pub(super) fn new(spec: &NetworkSpec, stages: &[StageSpec]) -> Self {
        let mut size = spec.patch_size.clone();
        let per_stage = stages.iter().map(|s| {
            for (n, &stride) in size.iter_mut().zip(&s.stride) {
                *n /= stride.max(1);
            }
            size.iter().map(|&n| n as u64).product()
        });
        Voxels(per_stage.collect())
    }

    /// At a stage, 0 being the finest; 0 where there is no such stage.
    pub(super) fn at(&self, stage: usize) -> u64 {
        self.0.get(stage).copied().unwrap_or(0)
    }
}
