//! What a network offers the planner to choose besides the patch (see [`plugin_api::Architecture::planning_choices`]).

use plugin_api::NetworkSpec;
use serde_json::Value;

use super::{Estimate, search::Budget};
use crate::error::Result;

/// The first choice whose network fits: `arch_kwargs` with it, and what a sample needs. None where nothing is offered.
///
/// # Errors
/// The network cannot be estimated.
pub(super) fn first_fitting(spec: &NetworkSpec, budget: &Budget, estimate: &dyn Estimate) -> Result<Option<(Value, f64)>> {
    for choice in estimate.choices(spec)? {
        let mut tried = spec.clone();
        if let Some(kwargs) = tried.arch_kwargs.as_object_mut() {
            kwargs.extend(choice);
        }
        let size = estimate.size(&tried)? as f64;
        if budget.holds(size) {
            return Ok(Some((tried.arch_kwargs, size)));
        }
    }
    Ok(None)
}
