//! One iteration of a training, or of its validation.

use super::run::Run;
use crate::{
    error::{Error, Result},
    loader::Batch,
};
use engine::{HeadTarget, Images, Loss, Mode, Norm, Supervision};

/// A batch and its images, which are where the network is or on their way there.
pub(super) struct Ready {
    images: Images,
    batch: Batch,
}

/// An iteration that a GPU may still be at.
pub(super) struct Updating {
    loss: Loss,
    norm: Norm,
    batch: Batch,
    epoch: usize,
    iteration: usize,
}

impl Run<'_> {
    pub(super) fn step(&self, mode: Mode, batch: &Batch, epoch: usize, iteration: usize) -> Result<engine::Step> {
        let supervision = self.supervision(batch);
        let step = self.parts.group.step(mode, &batch.data, &batch.shape, &supervision, &self.parts.loss, &[epoch as u64, iteration as u64]);
        let step = step.map_err(|e| self.explained(e))?;
        finite(step.loss, batch, epoch, iteration)?;
        Ok(step)
    }

    fn supervision<'a>(&'a self, batch: &'a Batch) -> Supervision<'a> {
        let heads =
            batch.targets.iter().zip(&self.parts.weights).map(|(t, &weight)| HeadTarget { shape: &t.shape, values: &t.labels, weight }).collect();
        Supervision { heads, prepared: &batch.prepared, task: &self.parts.task }
    }

    /// The failure of a step with the components that may be its cause.
    fn explained(&self, e: engine::Error) -> Error {
        match e {
            engine::Error::OnDevice { device, source } => Error::Device { device, source: Box::new(self.explained(*source)) },
            engine::Error::Component(e) => {
                let both = format!(
                    "training step with the architecture of {} and the loss of {}",
                    self.parts.architecture_from.who(),
                    self.parts.loss_from.who()
                );
                let from = if self.parts.loss_from.file.is_some() { &self.parts.loss_from } else { &self.parts.architecture_from };
                Error::from(from.failed(&both, e))
            }
            other => Error::from(other),
        }
    }

    /// A batch whose images are on their way to the device.
    pub(super) fn ready(&self, mut batch: Batch) -> Result<Ready> {
        let images = self.parts.group.place(std::mem::take(&mut batch.data), &batch.shape).map_err(|e| self.explained(e))?;
        Ok(Ready { images, batch })
    }

    /// A training iteration: forward, backward and the optimizer. A GPU may still be at it until its loss is read.
    pub(super) fn update(&mut self, ready: Ready, lr: f64, epoch: usize, iteration: usize) -> Result<Updating> {
        let Ready { images, batch } = ready;
        let step = self.parts.group.begin(images, &self.supervision(&batch), &self.parts.loss, &[epoch as u64, iteration as u64]);
        let step = step.map_err(|e| self.explained(e))?;
        let norm = self.parts.group.update(&mut self.optimizer, step.gradients, lr, Some(self.settings.clip))?;
        Ok(Updating { loss: step.loss, norm, batch, epoch, iteration })
    }

    /// The loss of an iteration, once the device is done.
    pub(super) fn updated(&self, updating: Updating) -> Result<f32> {
        let Updating { loss, norm, batch, epoch, iteration } = updating;
        let loss = loss.read().map_err(|e| self.explained(e))?;
        finite(loss, &batch, epoch, iteration)?;
        norm.read()?;
        Ok(loss)
    }
}

fn finite(loss: f32, batch: &Batch, epoch: usize, iteration: usize) -> Result<()> {
    match loss.is_finite() {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "the loss of epoch {epoch}, iteration {iteration} is {loss} (cases {}); lower the learning rate or look at these cases",
            batch.keys.join(", ")
        ))),
    }
}
