//! Three stages that work at once: the next case is prepared and the last one is written while the network is busy with one.

use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;

use ndarray::Array4;

use crate::error::Result;
use crate::progress::{Progress, Report};

/// What is done with each case.
pub(super) struct Stages<Prepare, Predict, Finish> {
    /// From the case to what the network sees, (C, z, y, x), and what the last stage needs.
    pub(super) prepare: Prepare,
    /// From there to logits (K, z, y, x). Runs in the thread that calls.
    pub(super) predict: Predict,
    /// From there to files.
    pub(super) finish: Finish,
}

impl<Prepare, Predict, Finish> Stages<Prepare, Predict, Finish> {
    /// Takes `items` through the stages, in order; at most one is prepared and one finished beside the one that is predicted.
    ///
    /// # Errors
    /// The first failure in the order of the items, with the item's name. What came before it is finished.
    pub(super) fn run<I: Sync, T: Send>(self, step: &str, items: &[I], name: impl Fn(&I) -> &str + Sync, report: Report<'_>) -> Result<()>
    where
        Prepare: Fn(&I) -> Result<(Array4<f32>, T)> + Send,
        Predict: Fn(&Array4<f32>) -> Result<Array4<f32>>,
        Finish: Fn(&I, T, Array4<f32>) -> Result<()> + Send,
    {
        let Self { prepare, predict, finish } = self;
        let name = &name;
        // a sender waits until the other side is free, so that no queue fills the memory
        let (send_input, inputs) = sync_channel(0);
        let (send_logits, outputs) = sync_channel::<(&I, T, Array4<f32>)>(0);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for item in items {
                    let prepared = prepare(item).map_err(|error| error.in_case(name(item)));
                    let failed = prepared.is_err();
                    if send_input.send((item, prepared)).is_err() || failed {
                        break;
                    }
                }
            });
            let finisher = scope.spawn(move || -> Result<()> {
                for (index, (item, about, logits)) in outputs.iter().enumerate() {
                    finish(item, about, logits).map_err(|error| error.in_case(name(item)))?;
                    report(Progress { step, done: index + 1, total: items.len(), case: name(item) });
                }
                Ok(())
            });
            let predicted = inputs.iter().try_for_each(|(item, prepared)| {
                let (image, about) = prepared?;
                let logits = predict(&image).map_err(|error| error.in_case(name(item)))?;
                drop(image);
                // refused only after a failure there, which is told below
                let _ = send_logits.send((item, about, logits));
                Ok(())
            });
            // ends the other two stages
            drop((inputs, send_logits));
            // what fails in the last stage is an earlier case than what fails here
            finisher.join().unwrap_or_else(|panic| resume_unwind(panic)).and(predicted)
        })
    }
}
