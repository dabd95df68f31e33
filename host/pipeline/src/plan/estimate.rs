//! What the planner compares memory by.

use plugin_api::NetworkSpec;
use registry::Registry;
use serde_json::Map;

/// The figure of the network that a plan names, for one sample: elements of all convolution outputs, or what the network answers itself.
///
/// # Errors
/// The architecture is not there, refuses the plan, or cannot be traced.
pub fn planning_size(registry: &Registry, spec: &NetworkSpec) -> plugin_api::Result<u64> {
    let name = spec.network_class_name.rsplit('.').next().unwrap_or_default();
    let made = registry.architecture(name).and_then(|architecture| architecture.create(&Map::new()));
    let architecture = made.map_err(|error| plugin_api::Error::new(error.to_string()))?;
    Ok(engine::shape::planning_size(&architecture, spec)?)
}
