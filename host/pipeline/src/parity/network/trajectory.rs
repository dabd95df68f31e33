//! A few steps of nnU-Net's optimizer.

use std::collections::BTreeMap;

use engine::{Mode, Optimizer, OptimizerSpec};

use super::super::desk::Desk;
use super::super::tolerance;
use super::{Case, norm, weights};
use crate::error::{Error, Result};

/// Inputs of a network that is not steady. PyTorch's own third loss of `resencM3d_aniso_2ch_small` is off by -1.4e-4 to 6.2e-5 over 120 inputs that
/// are one unit in the last place from the reference's, more than 1e-4 in one of them.
const NUDGED: usize = 9;

impl Case {
    /// nnU-Net's optimizer on the same batch: losses, gradient norms, and the parameters' norms at the end. Of a network that is not
    /// steady, the losses alone, of as many inputs as [`NUDGED`] in the middle.
    pub(super) fn trajectory(&mut self, desk: &mut Desk<'_>, weights: &[f64]) -> Result<()> {
        if self.meta.sgd_trajectory.is_empty() {
            return Ok(());
        }
        let folder = self.folder.clone();
        let what = |index: usize, what: &str| format!("{folder}: SGD step {}, {what}", index + 1);
        if !self.meta.is_steady() {
            let mut losses = vec![Vec::new(); self.meta.sgd_trajectory.len()];
            for input in 0..NUDGED {
                weights::load(desk, &self.folder, &self.meta.init, &mut self.model)?;
                let steps = self.steps(&self.nudged(input)?, weights)?;
                losses.iter_mut().zip(steps).for_each(|(losses, (loss, _))| losses.push(loss));
            }
            for (index, (mut losses, point)) in losses.into_iter().zip(&self.meta.sgd_trajectory).enumerate() {
                losses.sort_by(f64::total_cmp);
                desk.number(
                    &what(index, "loss in the middle of inputs one unit in the last place apart"),
                    losses[NUDGED / 2],
                    point.loss,
                    tolerance::SGD,
                );
            }
            desk.not_compared(&self.name("norms along SGD"), "the coarsest stage has two voxels, whose instance norm hangs on the last bit");
            return Ok(());
        }
        let x = self.io.get("x")?.to_f32();
        for (index, ((loss, norm), point)) in self.steps(&x, weights)?.into_iter().zip(&self.meta.sgd_trajectory).enumerate() {
            desk.number(&what(index, "loss"), loss, point.loss, tolerance::SGD);
            let limit = if index == 0 { tolerance::GRADIENT_NORM } else { tolerance::GRADIENT_NORM_LATER };
            let theirs = point.total_grad_norm_before_clip;
            desk.number(&what(index, "gradient norm"), norm, theirs, limit * theirs);
        }
        let own = self.model.weights()?;
        let ours: BTreeMap<&str, f64> = own.iter().filter(|w| w.trainable).map(|w| (w.name.as_str(), norm(&w.data))).collect();
        if !self.meta.params_l2_after_sgd.is_empty() {
            desk.tree(&self.name("norms of the parameters after SGD"), &ours, &self.meta.params_l2_after_sgd, tolerance::SGD);
        }
        Ok(())
    }

    /// The losses and gradient norms of the reference's steps on this input.
    fn steps(&mut self, x: &[f32], weights: &[f64]) -> Result<Vec<(f64, f64)>> {
        let (shape, count) = (self.io.get("x")?.shape().to_vec(), self.meta.sgd_trajectory.len());
        let mut optimizer = Optimizer::new(OptimizerSpec::default());
        let mut one = || {
            let step = self.step_on(Mode::Train, x, &shape, weights)?;
            let Some(gradients) = step.gradients else { return Err(Error::invalid("the step gave no gradients")) };
            Ok((f64::from(step.loss), optimizer.step(&mut self.model, gradients, 0.01, Some(12.0))?))
        };
        (0..count).map(|_| one()).collect()
    }
}
