//! From preprocessed cases to batches in host memory, made in threads of their own while the network works.
//!
//! Every sample has random numbers keyed by (seed, epoch, iteration, place in the batch), and batches are delivered in
//! order: what comes out depends neither on the number of threads nor on their timing, and a run that resumes at an
//! epoch continues with the very batches that it would have got.

mod batch;
mod dataset;
mod draw;
mod place;
mod queue;
mod workers;

pub use batch::{Batch, TargetArray};
pub use dataset::{Case, Dataset, Locations};
pub use draw::{LoaderSpec, Oversample, Prepare};
pub use place::Place;
pub use workers::{worker_threads, worker_threads_from};

use crate::error::Result;
use draw::Draw;
use queue::Queue;
use std::sync::Arc;

/// Makes batches of a set of cases.
pub struct Loader {
    draw: Arc<Draw>,
    /// `None`: batches are made when they are asked for, by who asks.
    queue: Option<Queue>,
}

impl Loader {
    /// A loader of the cases `keys` of `dataset`; starts `spec.workers` threads. Training and validation should have
    /// different seeds.
    ///
    /// # Errors
    /// There are no keys, a key has no case in the dataset, or the settings do not fit together.
    pub fn new(dataset: Arc<Dataset>, keys: Vec<String>, spec: LoaderSpec) -> Result<Self> {
        let workers = spec.workers;
        let draw = Arc::new(Draw::new(dataset, keys, spec)?);
        let queue = if workers > 0 { Some(Queue::start(&draw, workers)?) } else { None };
        Ok(Self { draw, queue })
    }

    /// The batches of an epoch, in order. Once they are all taken, the threads go on with the next epoch's.
    pub fn epoch(&mut self, epoch: u64, iterations: u64) -> Epoch<'_> {
        self.epoch_from(epoch, 0, iterations)
    }

    /// The batches of an epoch of `iterations`, beginning with `first`.
    pub fn epoch_from(&mut self, epoch: u64, first: u64, iterations: u64) -> Epoch<'_> {
        if let Some(queue) = self.queue.as_ref().filter(|_| first < iterations) {
            queue.seek(epoch, first, iterations);
        }
        Epoch { loader: self, epoch, next: first, iterations }
    }
}

/// The batches of one epoch; see [`Loader::epoch`].
pub struct Epoch<'a> {
    loader: &'a mut Loader,
    epoch: u64,
    next: u64,
    iterations: u64,
}

impl Iterator for Epoch<'_> {
    /// An error names its case and, where a thread panicked, what it said.
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.iterations {
            return None;
        }
        let iteration = self.next;
        self.next += 1;
        match &self.loader.queue {
            Some(queue) => Some(queue.take()),
            None => self.loader.draw.batch(self.epoch, iteration, &|| false),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.iterations.saturating_sub(self.next) as usize;
        (left, Some(left))
    }
}

#[cfg(test)]
mod tests;
