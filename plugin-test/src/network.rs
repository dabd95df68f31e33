//! A network under test.

use crate::{Bench, Values};
use plugin_api::{
    NetworkSpec, Result,
    abi::host::{Library, NetworkHandle},
};

/// A network built from a plan, by the name that its architecture is registered under.
pub struct TestNetwork {
    bench: Bench,
    network: NetworkHandle,
    spec: NetworkSpec,
}

impl TestNetwork {
    fn build(bench: Bench, name: &str, settings: &serde_json::Value, spec: &NetworkSpec) -> Result<Self> {
        let architecture = Library::builtin().architecture(name, &settings.to_string())?;
        let network = architecture.build(&bench, &serde_json::to_string(spec)?)?;
        Ok(TestNetwork { bench, network, spec: spec.clone() })
    }

    /// One that computes. It is slow: a patch of some hundred voxels and a few channels is enough to see whether it is right.
    ///
    /// # Errors
    /// There is no such architecture, or it does not take settings or plan.
    pub fn on_values(name: &str, settings: serde_json::Value, spec: &NetworkSpec) -> Result<Self> {
        Self::build(Bench::on_values(true), name, &settings, spec)
    }

    /// One that knows shapes alone, for plans of any size.
    ///
    /// # Errors
    /// As [`TestNetwork::on_values`].
    pub fn on_shapes(name: &str, settings: serde_json::Value, spec: &NetworkSpec) -> Result<Self> {
        Self::build(Bench::on_shapes(), name, &settings, spec)
    }

    /// The host that it was built with: parameters, sizes.
    pub fn bench(&self) -> &Bench {
        &self.bench
    }

    /// The logits of each head, finest first. `x` is (B, C, spatial...).
    ///
    /// # Errors
    /// The network fails, or it was built on shapes alone.
    pub fn forward(&self, x: &Values) -> Result<Vec<Values>> {
        let heads = self.network.forward(&self.bench, self.bench.put(x.clone()))?;
        heads.into_iter().map(|id| self.bench.get(id)).collect()
    }

    /// The shapes of the heads for a batch of the plan's patch, finest first.
    ///
    /// # Errors
    /// The network fails.
    pub fn head_shapes(&self, batch: usize) -> Result<Vec<Vec<usize>>> {
        let shape = [&[batch, self.spec.input_channels], &self.spec.patch_size[..]].concat();
        let heads = self.network.forward(&self.bench, self.bench.put(Values::noise(&shape, 1)))?;
        heads.into_iter().map(|id| self.bench.shape(id)).collect()
    }
}
