//! From the names of steps to a planner's functions.

use super::{Planner, PlannerSetup, PlanningDataset};
use crate::{
    Result,
    abi::hook::{Hook, answer},
};
use serde_json::Value;
use std::sync::Arc;

pub(crate) struct PlannerHook<T> {
    planner: T,
    dataset: Arc<PlanningDataset>,
}

impl<T> PlannerHook<T> {
    pub(crate) fn new(planner: T, dataset: PlanningDataset) -> Self {
        Self { planner, dataset: Arc::new(dataset) }
    }
}

impl<T: Planner> Hook for PlannerHook<T> {
    fn ask(&self, step: &str, question: &str) -> Result<Option<String>> {
        macro_rules! step {
            ($method:ident, $question:ident) => {
                answer(step, question, |mut q: super::$question, host| {
                    q.dataset = self.dataset.clone();
                    self.planner.$method(&q, host)
                })
            };
        }
        match step {
            "setup" => answer(step, question, |_: Value, host: PlannerSetup| self.planner.setup(&self.dataset, host)),
            "target_spacing" => step!(target_spacing, SpacingQuestion),
            "transpose" => step!(transpose, TransposeQuestion),
            "normalization" => step!(normalization, SchemesQuestion),
            "topology" => step!(topology, TopologyQuestion),
            "patch_size" => step!(patch_size, PatchQuestion),
            "batch_size" => step!(batch_size, BatchQuestion),
            "lowres_spacing" => step!(lowres_spacing, LowresQuestion),
            "plans" => step!(plans, PlansQuestion),
            _ => Ok(None),
        }
    }
}
