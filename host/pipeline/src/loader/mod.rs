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
mod synthetic;
mod workers;

pub use batch::{Batch, TargetArray};
pub use dataset::{Case, Dataset, Locations};
pub use draw::{LoaderSpec, Oversample, Prepare};
pub use place::Place;
pub use workers::{worker_threads, worker_threads_from};

use crate::error::Result;
use draw::Draw;
use queue::Queue;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Makes batches of a set of cases.
pub struct Loader {
    source: Source,
    /// Waiting for batches so far, or making them, where nobody does ahead.
    waited: Duration,
}

enum Source {
    /// Threads that make batches before they are asked for.
    Ahead(Queue),
    /// Batches are made when they are asked for, by who asks.
    Asked(Arc<Draw>),
    /// The same batch again and again.
    Same(Box<Batch>),
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
        Ok(Self::of(if workers > 0 { Source::Ahead(Queue::start(&draw, workers)?) } else { Source::Asked(draw) }))
    }

    /// A loader that loads nothing: one batch of random values and labels for a task with so many image `channels` and `labels`.
    ///
    /// # Errors
    /// The loss's `prepare` fails, or the settings do not fit together.
    pub fn synthetic(spec: &LoaderSpec, channels: usize, labels: usize) -> Result<Self> {
        Ok(Self::of(Source::Same(Box::new(synthetic::batch(spec, channels, labels)?))))
    }

    fn of(source: Source) -> Self {
        Self { source, waited: Duration::ZERO }
    }

    /// How long whoever took batches waited for them since this was last asked.
    pub fn waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    /// The batches of an epoch, in order. Once they are all taken, the threads go on with the next epoch's.
    pub fn epoch(&mut self, epoch: u64, iterations: u64) -> Epoch<'_> {
        self.epoch_from(epoch, 0, iterations)
    }

    /// The batches of an epoch of `iterations`, beginning with `first`.
    pub fn epoch_from(&mut self, epoch: u64, first: u64, iterations: u64) -> Epoch<'_> {
        if let (Source::Ahead(queue), true) = (&self.source, first < iterations) {
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
        let start = Instant::now();
        let batch = match &self.loader.source {
            Source::Ahead(queue) => Some(queue.take()),
            Source::Asked(draw) => draw.batch(self.epoch, iteration, &|| false),
            Source::Same(batch) => Some(Ok((**batch).clone())),
        };
        self.loader.waited += start.elapsed();
        batch
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.iterations.saturating_sub(self.next) as usize;
        (left, Some(left))
    }
}

#[cfg(test)]
mod tests;
