//! `selftest`

use super::Run;
use crate::{
    failure::Failure,
    options::{DeviceOption, PluginOptions},
    show,
};
use pipeline::{
    json,
    selftest::{self, Bed, Check, Part},
};
use serde_json::{Map, Value};
use std::{path::PathBuf, time::Instant};

/// Hold a device against the processor: every operation with its gradient, a training's losses, plugins, memory; then time plans for typical data
#[derive(clap::Parser)]
#[command(
    name = "selftest",
    after_help = "host selftest -device cuda:0 --json selftest.json                            # all parts, a few minutes each\n\
                  host selftest -device cuda:0 --part bench-2d --python python3 --json selftest.json   # one part, beside PyTorch"
)]
pub(crate) struct Selftest {
    #[command(flatten)]
    device: DeviceOption,
    /// What to look at: ops, train, plugins, memory, bench-ct, bench-prostate, bench-brats, bench-2d
    /// [default: all of them; on the processor those that are no benchmark]
    #[arg(long = "part", value_name = "PART", num_args = 1.., value_parser = clap::value_parser!(Part))]
    parts: Vec<Part>,
    /// File for the results; parts that it has from an earlier run stay
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A Python with PyTorch, which the benchmarks run the same networks in, too
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    #[command(flatten)]
    plugins: PluginOptions,
}

impl Run for Selftest {
    fn run(self) -> Result<(), Failure> {
        let (device, registry) = (self.device.parse()?, self.plugins.open()?);
        let bed = Bed { device: &device, registry: &registry, python: self.python.clone() };
        let parts = match self.parts.as_slice() {
            [] => Part::ALL.into_iter().filter(|part| part.checks() || device.name().starts_with("cuda")).collect(),
            named => named.to_vec(),
        };
        if device.is_cpu() {
            show::note("the processor is held against itself; -device flex computes without its kernels what a GPU is given");
        }
        let (mut failed, start) = (0, Instant::now());
        for part in parts {
            let (begin, mut checks, mut kept) = (Instant::now(), Vec::new(), Ok(()));
            selftest::run(part, &bed, &mut |check| {
                show::line(&format!("{}  {}: {}", if check.passed { "good" } else { "BAD " }, check.what, check.found));
                checks.push(check);
                // each at once: a part may be cut off
                kept = self.keep(part, device.name(), &checks, begin.elapsed().as_secs_f64());
            })?;
            kept?;
            failed += checks.iter().filter(|check| !check.passed).count();
        }
        show::line(&format!("{}: {:.0} s", device.name(), start.elapsed().as_secs_f64()));
        if failed > 0 {
            return Err(Failure::Plain(format!(
                "{failed} checks of {} failed; the driver, NVRTC or this program is at fault: send the results to its authors",
                device.name()
            )));
        }
        Ok(())
    }
}

impl Selftest {
    /// Adds a part's results to the file.
    fn keep(&self, part: Part, device: &str, checks: &[Check], seconds: f64) -> Result<(), Failure> {
        let Some(file) = &self.json else { return Ok(()) };
        let mut results: Map<String, Value> = if file.exists() { json::read(file)? } else { Map::new() };
        results.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        results.insert("device".into(), device.into());
        let parts = results.entry("parts").or_insert_with(|| Map::new().into());
        let checks = serde_json::to_value(checks).map_err(|error| Failure::Plain(error.to_string()))?;
        if let Some(parts) = parts.as_object_mut() {
            parts.insert(part.name().into(), serde_json::json!({"seconds": seconds, "checks": checks}));
        }
        Ok(json::write(file, &results)?)
    }
}
