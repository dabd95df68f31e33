//! A replica of a network on a further device, in a thread of its own.

use crate::{
    device::Device,
    error::{Error, Result},
    model::Model,
    step::Mode,
    value::Value,
};
use plugin_api::{Error as ComponentError, abi::host::catch_panic};
use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread::{Builder, JoinHandle},
};

/// What is asked of a replica, and where its answer goes. Values come and go as the processor has them.
enum Job {
    Forward { mode: Mode, x: Vec<f32>, shape: Vec<usize>, place: Vec<u64>, heads: usize, answer: Sender<Result<Vec<Value>>> },
    Backward { gradients: Vec<Option<Value>>, answer: Sender<Result<Back>> },
    TakeOver { values: Vec<Value>, answer: Sender<Result<()>> },
}

/// What the way back through a part of the batch brought.
pub(crate) struct Back {
    /// Of each parameter.
    pub(crate) gradients: Vec<Option<Value>>,
    /// The values of each buffer, by its number among parameters and buffers.
    pub(crate) buffers: Vec<(usize, Vec<f32>)>,
}

/// A thread with a model. It ends with this handle.
pub(crate) struct Replica {
    device: Device,
    /// `None` once it shall end.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// An answer to come.
pub(crate) struct Asked<T> {
    device: Device,
    answer: Receiver<Result<T>>,
}

/// Runs `f` for one of several devices: an error or a panic names it.
pub(crate) fn on<T>(device: &Device, f: impl FnOnce() -> Result<T>) -> Result<T> {
    let outcome = catch_panic(|| Ok(f())).unwrap_or_else(|panic| Err(panic.into()));
    outcome.map_err(|source| Error::OnDevice { device: device.name().into(), source: Box::new(source) })
}

impl<T> Asked<T> {
    /// Waits for it.
    pub(crate) fn wait(self) -> Result<T> {
        let gone = |_| on(&self.device, || Err(ComponentError::new("its thread has ended").into()));
        self.answer.recv().unwrap_or_else(gone)
    }
}

impl Replica {
    /// Starts a thread with `model`.
    pub(crate) fn start(model: Model) -> Result<Self> {
        let device = model.device().clone();
        let (jobs, list) = channel();
        let thread = Builder::new().name(format!("device {}", device.name())).spawn(move || serve(&model, &list));
        let thread = thread.map_err(|e| Error::Device(format!("no thread for device {}: {e}", device.name())))?;
        Ok(Replica { device, jobs: Some(jobs), thread: Some(thread) })
    }

    fn ask<T>(&self, job: impl FnOnce(Sender<Result<T>>) -> Job) -> Asked<T> {
        let (sender, answer) = channel();
        // where the thread has ended the answer's sender is dropped with the job, and the wait says so
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(job(sender)));
        Asked { device: self.device.clone(), answer }
    }

    /// The forward pass of a part of the batch: the logits of the first `heads` heads.
    pub(crate) fn forward(&self, mode: Mode, x: Vec<f32>, shape: Vec<usize>, place: Vec<u64>, heads: usize) -> Asked<Vec<Value>> {
        self.ask(|answer| Job::Forward { mode, x, shape, place, heads, answer })
    }

    /// The way back through it, from the gradients of those logits.
    pub(crate) fn backward(&self, gradients: Vec<Option<Value>>) -> Asked<Back> {
        self.ask(|answer| Job::Backward { gradients, answer })
    }

    /// From now on these are its parameters and buffers.
    pub(crate) fn take_over(&self, values: Vec<Value>) -> Asked<()> {
        self.ask(|answer| Job::TakeOver { values, answer })
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.jobs = None;
        // its panics were told as errors
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The thread's life. An answer that nobody waits for any more is dropped.
fn serve(model: &Model, jobs: &Receiver<Job>) {
    let (device, processor) = (model.device(), Device::cpu());
    let send = |value: &Value| value.to(&processor);
    let receive = |value: Option<Value>| value.map(|value| value.to(device)).transpose();
    let mut pass = None;
    for job in jobs {
        match job {
            Job::Forward { mode, x, shape, place, heads, answer } => {
                pass = None;
                let logits = on(device, || {
                    let new = model.pass(mode, model.place(x, &shape)?, &place)?;
                    let logits = new.logits(heads)?.iter().map(send).collect::<plugin_api::Result<_>>()?;
                    pass = Some(new).filter(|_| mode == Mode::Train);
                    Ok(logits)
                });
                let _ = answer.send(logits);
            }
            Job::Backward { gradients, answer } => {
                let back = on(device, || {
                    let pass = pass.take().ok_or_else(|| ComponentError::new("there was no forward pass to go back through"))?;
                    let gradients = pass.backward(gradients.into_iter().map(receive).collect::<plugin_api::Result<_>>()?)?;
                    let gradients = gradients.iter().map(|g| g.as_ref().map(send).transpose()).collect::<plugin_api::Result<_>>()?;
                    Ok(Back { gradients, buffers: model.buffers()? })
                });
                let _ = answer.send(back);
            }
            Job::TakeOver { values, answer } => {
                pass = None;
                let _ = answer.send(on(device, || model.take_over(&values)));
            }
        }
    }
}
