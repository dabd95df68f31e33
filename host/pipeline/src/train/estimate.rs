//! What a training will take, measured on a few of its iterations before it begins.

use super::{TrainOptions, job::Job, journal::now, memory, run::Run};
use crate::{
    doctor,
    error::{Error, Result},
    memory as machine,
    paths::Paths,
};
use engine::Mode;
use registry::Registry;
use serde::Serialize;
use std::path::PathBuf;

/// Iterations that only warm up: the first allocates.
const WARM: u64 = 1;
/// Iterations that are timed, at most ...
const TIMED: u64 = 4;
/// ... and for how long, seconds.
const ENOUGH: f64 = 20.0;
/// Checkpoints that lie in a fold's folder at a time: the best, the latest or final, and one that is being written.
const CHECKPOINTS: u64 = 3;

/// What a training will take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// The fold's folder.
    pub folder: PathBuf,
    /// Epochs.
    pub epochs: usize,
    /// Training iterations an epoch.
    pub iterations: usize,
    /// Validation iterations an epoch.
    pub validation_iterations: usize,
    /// Seconds a training iteration, loading included.
    pub iteration: f64,
    /// Seconds a validation iteration; 0 where there is none.
    pub validation_iteration: f64,
    /// Bytes of a training step by the shapes of its network.
    pub step_bytes: u64,
    /// Bytes that the process held after the iterations.
    pub process_bytes: u64,
    /// Bytes in the fold's folder at most.
    pub disk_bytes: u64,
    /// Bytes free where the folder lies, if the system tells.
    pub disk_free: Option<u64>,
}

impl Estimate {
    /// Seconds an epoch.
    pub fn epoch(&self) -> f64 {
        self.iterations as f64 * self.iteration + self.validation_iterations as f64 * self.validation_iteration
    }
}

/// Runs a few iterations of the training that `options` ask for, and keeps nothing of them.
///
/// # Errors
/// As [`train`](super::train), as far as it comes.
pub fn estimate(paths: &Paths, registry: &Registry, options: &TrainOptions) -> Result<Estimate> {
    let job = Job::open(paths, registry, options)?;
    let mut run = job.start(registry, None)?;
    let (iteration, validation_iteration) = (run.time(&job, true)?, run.time(&job, false)?);
    let there = job.folder.ancestors().find(|folder| folder.is_dir());
    let checkpoint = memory::checkpoint_bytes(&run.parts.trace, &run.settings);
    Ok(Estimate {
        epochs: run.settings.epochs,
        iterations: run.settings.iterations,
        validation_iterations: run.settings.validation_iterations,
        iteration,
        validation_iteration,
        step_bytes: memory::step_bytes(&run.parts.trace, &run.settings, &options.devices),
        process_bytes: machine::taken(),
        disk_bytes: if run.keeps_checkpoints() { CHECKPOINTS * checkpoint } else { checkpoint },
        disk_free: there.and_then(doctor::room),
        folder: job.folder,
    })
}

impl Run<'_> {
    /// Seconds of an iteration.
    fn time(&mut self, job: &Job<'_>, training: bool) -> Result<f64> {
        if !training && (self.settings.validation_iterations == 0 || self.options.no_checkpoints) {
            return Ok(0.0);
        }
        let mut loader = self.loader(job, training)?;
        let lr = self.settings.lr(0)?;
        let (mut start, mut timed) = (now(), 0);
        for (index, batch) in (0..).zip(loader.epoch(0, WARM + TIMED)) {
            match training {
                true => {
                    let updating = self.update(self.ready(batch?)?, lr, 0, index as usize)?;
                    self.updated(updating)?
                }
                false => self.step(Mode::Validate, &batch?, 0, index as usize)?.loss,
            };
            if index + 1 == WARM {
                start = now();
            } else if index >= WARM {
                timed += 1;
                if now() - start > ENOUGH {
                    break;
                }
            }
        }
        if timed == 0 {
            return Err(Error::invalid("no iteration could be timed"));
        }
        Ok((now() - start) / f64::from(timed))
    }
}
