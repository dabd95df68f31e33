//! Threads that make the coming batches, and hand them over in order.

use super::batch::Batch;
use super::draw::Draw;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Batches beyond those in the making that may wait to be taken, at least.
const LEAST_WAITING: usize = 6;

/// The threads and what they share.
pub(super) struct Queue {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// There may be something to make.
    work: Condvar,
    /// A batch is done.
    done: Condvar,
    /// The number of the present plan; what is made for an older one is unwanted. [`STOP`] at the end.
    plan: AtomicU64,
    /// Batches made or in the making that nobody has taken yet, at most.
    capacity: u64,
}

const STOP: u64 = u64::MAX;

#[derive(Default)]
struct State {
    /// Batches of an epoch; 0 before the first plan.
    iterations: u64,
    /// The plan's first batch, counted from the first one of epoch 0.
    first: u64,
    /// Batches of the plan handed to a thread.
    begun: u64,
    /// Batches of the plan taken.
    taken: u64,
    done: BTreeMap<u64, Result<Batch>>,
}

impl Queue {
    /// Starts `workers` threads.
    pub(super) fn start(draw: &Arc<Draw>, workers: usize) -> Result<Self> {
        let capacity = (workers + LEAST_WAITING.max(workers / 2)) as u64;
        let (work, done) = (Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { state: Mutex::default(), work, done, plan: AtomicU64::new(0), capacity });
        let mut queue = Self { shared, threads: Vec::with_capacity(workers) };
        for number in 0..workers {
            let (shared, draw) = (queue.shared.clone(), draw.clone());
            let thread = std::thread::Builder::new().name(format!("loader {number}")).spawn(move || shared.run(&draw));
            // On an error the threads that did start are stopped as the queue is dropped.
            queue.threads.push(thread.map_err(|e| Error::invalid(format!("cannot start loader thread {number}: {e}")))?);
        }
        Ok(queue)
    }

    /// Makes batch `first` of `epoch` the next to be taken. Whatever was made for this very place is kept.
    pub(super) fn seek(&self, epoch: u64, first: u64, iterations: u64) {
        let mut state = self.shared.lock();
        let wanted = epoch.saturating_mul(iterations).saturating_add(first);
        if state.iterations == iterations && state.first + state.taken == wanted {
            return;
        }
        *state = State { iterations, first: wanted, ..State::default() };
        self.shared.plan.fetch_add(1, Ordering::SeqCst);
        self.shared.work.notify_all();
    }

    /// The next batch, as soon as it is made.
    pub(super) fn take(&self) -> Result<Batch> {
        let mut state = self.shared.lock();
        loop {
            let next = state.taken;
            if let Some(batch) = state.done.remove(&next) {
                state.taken += 1;
                self.shared.work.notify_one();
                return batch;
            }
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Queue {
    /// Waits for the samples that are in the making, no longer.
    fn drop(&mut self) {
        {
            let _state = self.shared.lock();
            self.shared.plan.store(STOP, Ordering::SeqCst);
            self.shared.work.notify_all();
        }
        for thread in self.threads.drain(..) {
            // A thread's panic is of no interest any more.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, draw: &Draw) {
        let mut state = self.lock();
        loop {
            let plan = self.plan.load(Ordering::SeqCst);
            if plan == STOP {
                return;
            }
            if state.iterations == 0 || state.begun >= state.taken + self.capacity {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let ticket = state.begun;
            state.begun += 1;
            let (at, iterations) = (state.first + ticket, state.iterations);
            drop(state);
            let batch = draw.batch(at / iterations, at % iterations, &|| self.plan.load(Ordering::SeqCst) != plan);
            state = self.lock();
            if let (Some(batch), true) = (batch, self.plan.load(Ordering::SeqCst) == plan) {
                state.done.insert(ticket, batch);
                self.done.notify_all();
            }
        }
    }
}
