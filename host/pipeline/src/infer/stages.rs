//! Three stages that work at once: the next case is prepared and the last one is written while the network is busy with one.

use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;

use ndarray::Array4;

use crate::error::{Error, Result};
use crate::progress::{Progress, Report};

/// What is done with each case.
pub(super) struct Stages<Prepare, Predict, Finish> {
    /// Stages work at once; else a case is finished before the next is prepared.
    pub(super) at_once: bool,
    /// From the case to what the network sees, (C, z, y, x), and what the last stage needs.
    pub(super) prepare: Prepare,
    /// From there to its segmentations. Runs in the thread that calls.
    pub(super) predict: Predict,
    /// From there to files.
    pub(super) finish: Finish,
}

impl<Prepare, Predict, Finish> Stages<Prepare, Predict, Finish> {
    /// Takes `items` through the stages, in order; at most one is prepared and one finished beside the one that is predicted.
    ///
    /// # Errors
    /// The first failure in the order of the items, with the item's name. What came before it is finished.
    pub(super) fn run<I: Sync, T: Send, P: Send>(self, step: &str, items: &[I], name: impl Fn(&I) -> &str + Sync, report: Report<'_>) -> Result<()>
    where
        Prepare: Fn(&I) -> Result<(Array4<f32>, T)> + Send,
        Predict: Fn(&I, &Array4<f32>, &T) -> Result<P>,
        Finish: Fn(&I, T, P) -> Result<()> + Send,
    {
        let Self { at_once, prepare, predict, finish } = self;
        let name = &name;
        let finished = |index: usize, item: &I| report(Progress { step, done: index + 1, total: items.len(), case: name(item) });
        if !at_once {
            return items.iter().enumerate().try_for_each(|(index, item)| {
                let whole = || {
                    let (image, about) = prepare(item)?;
                    let predicted = predict(item, &image, &about)?;
                    drop(image);
                    finish(item, about, predicted)
                };
                whole().map_err(|error| error.in_case(name(item)))?;
                finished(index, item);
                Ok(())
            });
        }
        // a sender waits until the other side is free, so that no queue fills the memory
        let (send_input, inputs) = sync_channel(0);
        let (send_predicted, outputs) = sync_channel::<(&I, T, P)>(0);
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
                for (index, (item, about, predicted)) in outputs.iter().enumerate() {
                    finish(item, about, predicted).map_err(|error| error.in_case(name(item)))?;
                    finished(index, item);
                }
                Ok(())
            });
            let predicted = inputs.iter().try_for_each(|(item, prepared)| {
                let (image, about) = prepared?;
                let made = predict(item, &image, &about).map_err(|error| error.in_case(name(item)))?;
                drop(image);
                // refused only after a failure there, which is told below instead of this one
                send_predicted.send((item, about, made)).map_err(|_| Error::invalid("the last stage has failed"))
            });
            // ends the other two stages
            drop((inputs, send_predicted));
            // what fails in the last stage is an earlier case than what fails here
            finisher.join().unwrap_or_else(|panic| resume_unwind(panic)).and(predicted)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::silent;
    use std::cell::Cell;

    #[test]
    fn a_failure_of_the_last_stage_ends_the_others() {
        let predicted = Cell::new(0);
        let stages = Stages {
            at_once: true,
            prepare: |_: &usize| Ok((Array4::zeros((1, 1, 1, 1)), ())),
            predict: |_: &usize, _: &Array4<f32>, (): &()| {
                predicted.set(predicted.get() + 1);
                Ok(())
            },
            finish: |item: &usize, (), ()| if *item == 1 { Err(Error::invalid("the disk is full")) } else { Ok(()) },
        };
        let items: Vec<usize> = (0..100).collect();
        let error = stages.run("test", &items, |_| "a case", &silent).unwrap_err().to_string();
        assert!(error.contains("the disk is full"), "{error}");
        assert!(predicted.get() <= 4, "{} cases were predicted for nothing", predicted.get());
    }
}
