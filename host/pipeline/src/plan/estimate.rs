//! What the planner compares memory by.

use plugin_api::{ComponentRef, NetworkSpec, abi::host::ArchitectureHandle};
use registry::Registry;
use serde_json::{Map, Value};

use crate::error::Result;

/// What a planner asks of the network that it plans for.
pub trait Estimate {
    /// The figure for one sample: elements of all convolution outputs, or what stands for them.
    ///
    /// # Errors
    /// The network refuses the plan or cannot be traced.
    fn size(&self, spec: &NetworkSpec) -> plugin_api::Result<u64>;

    /// Further `arch_kwargs` that the planner may choose from, best first.
    ///
    /// # Errors
    /// The network refuses the plan.
    fn choices(&self, spec: &NetworkSpec) -> plugin_api::Result<Vec<Map<String, Value>>> {
        let _ = spec;
        Ok(vec![])
    }
}

impl<F: Fn(&NetworkSpec) -> plugin_api::Result<u64>> Estimate for F {
    fn size(&self, spec: &NetworkSpec) -> plugin_api::Result<u64> {
        self(spec)
    }
}

/// The network that a planning is for: a trainer config's, or the one that each plan names.
pub struct Planned<'a> {
    registry: &'a Registry,
    architecture: Option<ComponentRef>,
}

impl<'a> Planned<'a> {
    /// The networks that the plans themselves name.
    pub fn by_plan(registry: &'a Registry) -> Self {
        Planned { registry, architecture: None }
    }

    /// The network of a trainer config; where that leaves the network to the plans, theirs.
    ///
    /// # Errors
    /// There is no such config.
    pub fn by_trainer(registry: &'a Registry, trainer: &str) -> Result<Self> {
        Ok(Planned { registry, architecture: registry.config(trainer)?.config.architecture })
    }

    fn architecture(&self, spec: &NetworkSpec) -> plugin_api::Result<ArchitectureHandle> {
        let plain = spec.network_class_name.rsplit('.').next().unwrap_or_default();
        let made = match &self.architecture {
            Some(wanted) => self.registry.architecture(wanted.name_or(plain)).and_then(|a| a.create(&wanted.settings)),
            None => self.registry.architecture(plain).and_then(|a| a.create(&Map::new())),
        };
        made.map_err(|error| plugin_api::Error::new(error.to_string()))
    }
}

impl Estimate for Planned<'_> {
    fn size(&self, spec: &NetworkSpec) -> plugin_api::Result<u64> {
        Ok(engine::shape::planning_size(&self.architecture(spec)?, spec)?)
    }

    fn choices(&self, spec: &NetworkSpec) -> plugin_api::Result<Vec<Map<String, Value>>> {
        self.architecture(spec)?.planning_choices(&serde_json::to_string(spec)?)
    }
}
