//! Twenty iterations of a training on a phantom dataset, loader and all.

use super::{Bed, Check};
use crate::{
    error::{Error, Result},
    fingerprint, json,
    paths::Paths,
    phantom::{self, ModelSpec, PhantomSpec},
    plan, preprocess,
    progress::silent,
    train::{Fold, Iteration, Observer, TrainOptions, train},
};
use engine::Device;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

const ITERATIONS: usize = 20;
/// How far losses may be apart; training makes differences of rounding grow.
const TOLERANCE: f32 = 2e-2;
/// Beside it a tolerance for the first loss, before anything was learned.
const FIRST: f32 = 2e-3;

pub(super) fn run(bed: &Bed<'_>, done: &mut dyn FnMut(Check)) -> Result<()> {
    let place = tempfile::tempdir().map_err(Error::io("make a folder in", &std::env::temp_dir()))?;
    let [raw, preprocessed, results] = ["raw", "preprocessed", "results"].map(|name| place.path().join(name));
    for folder in [&raw, &preprocessed, &results] {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let paths = Paths::new(raw.clone(), preprocessed, results);
    let dataset = prepare(bed, &paths)?;
    let here = losses(bed, &paths, &dataset, &Device::cpu())?;
    let there = match losses(bed, &paths, &dataset, bed.device) {
        Ok(losses) => losses,
        Err(error) => {
            done(Check::new("training", false, error.to_string(), Value::Null));
            return Ok(());
        }
    };
    let apart: Vec<f32> = here.iter().zip(&there).map(|(a, b)| (a - b).abs()).collect();
    let most = apart.iter().copied().fold(0.0, f32::max);
    let passed = here.len() == ITERATIONS && there.len() == ITERATIONS && apart[0] <= FIRST && apart.iter().all(|off| *off <= TOLERANCE);
    let found = format!(
        "{ITERATIONS} losses, from {:.4} to {:.4}; the first is off by {:.1e} (wanted {FIRST:.0e}), all by {most:.1e} at most (wanted {TOLERANCE:.0e})",
        there.first().copied().unwrap_or(f32::NAN),
        there.last().copied().unwrap_or(f32::NAN),
        apart.first().copied().unwrap_or(f32::NAN),
    );
    done(Check::new("training", passed, found, json!({"cpu": here, "device": there})));
    Ok(())
}

/// A phantom dataset, planned and preprocessed, its 3d_fullres with a small network.
fn prepare(bed: &Bed<'_>, paths: &Paths) -> Result<String> {
    let spec = PhantomSpec { cases: 6, test_cases: 1, shape: vec![32, 36, 34], ..PhantomSpec::default() };
    phantom::write(paths.raw()?, &spec)?;
    fingerprint::run(paths, &spec.dataset, &fingerprint::Options::default(), &silent)?;
    let (_, file) = plan::run(paths, &spec.dataset, &plan::Options::default(), None, &plan::Planned::by_plan(bed.registry))?;
    let mut plans: Value = json::read(&file)?;
    let network = ModelSpec { patch: vec![32; 3], features: vec![16, 32, 64], blocks: 2, ..ModelSpec::default() };
    let configuration = &mut plans["configurations"]["3d_fullres"];
    configuration["patch_size"] = json!(network.patch);
    configuration["batch_size"] = json!(2);
    configuration["architecture"] = network.architecture();
    json::write(&file, &plans)?;
    let options = preprocess::Options { configurations: vec!["3d_fullres".into()], ..preprocess::Options::default() };
    preprocess::run(paths, Some(bed.registry), &spec.dataset, &options, &silent)?;
    Ok(spec.dataset)
}

/// Keeps the losses.
#[derive(Default)]
struct Losses(Mutex<Vec<f32>>);

impl Observer for Losses {
    fn line(&self, _: &str) {}

    fn iteration(&self, at: Iteration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(at.loss);
    }
}

fn losses(bed: &Bed<'_>, paths: &Paths, dataset: &str, device: &Device) -> Result<Vec<f32>> {
    let options = TrainOptions {
        devices: device.clone().into(),
        no_checkpoints: true,
        epochs: Some(1),
        iterations: Some(ITERATIONS),
        validation_iterations: Some(0),
        seed: Some(1),
        ..TrainOptions::new(dataset, "3d_fullres", Fold::All)
    };
    let losses = Losses::default();
    train(paths, bed.registry, &options, &losses)?;
    Ok(losses.0.into_inner().unwrap_or_else(PoisonError::into_inner))
}
