//! Learning rate schedules.

use crate::{
    Result,
    abi::hook::{Hook, understand},
};
use serde::{Deserialize, Serialize};

/// The learning rate over the epochs. Its fields are its settings: derive `Deserialize` and `Default`.
pub trait Schedule: Send + Sync + 'static {
    /// The learning rate of `epoch`, counted from 0, of `epochs`; `initial` is the config's `initial_lr`.
    fn lr(&self, epoch: usize, epochs: usize, initial: f64) -> Result<f64>;
}

/// The question of step `lr`; the answer is a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LrQuestion {
    /// Counted from 0.
    pub epoch: usize,
    /// How many there are.
    pub epochs: usize,
    /// The config's `initial_lr`.
    pub initial: f64,
}

pub(crate) struct ScheduleHook<T>(pub(crate) T);

impl<T: Schedule> Hook for ScheduleHook<T> {
    fn ask(&self, step: &str, question: &str) -> Result<Option<String>> {
        if step != "lr" {
            return Ok(None);
        }
        let q: LrQuestion = understand(step, question)?;
        Ok(Some(serde_json::to_string(&self.0.lr(q.epoch, q.epochs, q.initial)?)?))
    }
}
