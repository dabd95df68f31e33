//! How one sample and one batch are made.

use super::batch::{Batch, Made, network_axes};
use super::{Dataset, Place};
use crate::augment::{Example, Pipeline, Stream, volume_shape};
use crate::error::{Error, Result};
use plugin_api::Prepared;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A loss's `prepare`: from the shape (1 | R, spatial...) and the labels of the finest target of one sample.
pub type Prepare = Arc<dyn Fn(&[usize], &[i16]) -> plugin_api::Result<Vec<Prepared>> + Send + Sync>;

/// Which samples must show foreground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Oversample {
    /// The last ones of each batch, this share of it.
    Last(f64),
    /// Each with this probability.
    Random(f64),
}

impl Default for Oversample {
    /// nnU-Net's.
    fn default() -> Self {
        Self::Last(0.33)
    }
}

impl Oversample {
    /// Whether sample `place` of a batch of `size` must.
    pub fn forced(self, place: usize, size: usize, rng: &mut Stream) -> bool {
        match self {
            Self::Last(share) => place as f64 >= (size as f64 * (1.0 - share)).round_ties_even(),
            Self::Random(share) => rng.chance(share),
        }
    }
}

/// The settings of a [`Loader`](super::Loader).
#[derive(Clone)]
pub struct LoaderSpec {
    /// Samples a batch.
    pub batch_size: usize,
    /// Size in voxels of the window that is cut out of a case, in the network's axes; see
    /// [`rules`](crate::augment::rules). For a validation pipeline it is the patch.
    pub initial_patch: Vec<usize>,
    /// Which samples must show foreground.
    pub oversample: Oversample,
    /// Some voxels are not annotated: every sample then shows one that is.
    pub ignore: bool,
    /// What all random numbers come from.
    pub seed: u64,
    /// Threads that make batches; 0: who asks for a batch makes it.
    pub workers: usize,
    /// From the window to the network's input and targets.
    pub augment: Arc<Pipeline>,
    /// What the loss wants to know beforehand.
    pub prepare: Option<Prepare>,
}

/// Makes any batch of a run.
pub(super) struct Draw {
    dataset: Arc<Dataset>,
    keys: Vec<String>,
    spec: LoaderSpec,
    place: Place,
}

impl Draw {
    pub(super) fn new(dataset: Arc<Dataset>, keys: Vec<String>, spec: LoaderSpec) -> Result<Self> {
        dataset.require(&keys)?;
        if keys.is_empty() || spec.batch_size == 0 {
            return Err(Error::invalid(format!("batches of {} out of {} cases; wanted one at least", spec.batch_size, keys.len())));
        }
        let (patch, is_2d) = (spec.augment.patch(), spec.augment.is_2d());
        let window = volume_shape(&spec.initial_patch).filter(|w| (spec.initial_patch.len() == 2) == is_2d && (0..3).all(|i| w[i] >= patch[i]));
        let Some(window) = window else {
            let found = format!("the initial patch is {:?} and the patch {:?}", spec.initial_patch, network_axes(&patch, false));
            return Err(Error::invalid(format!("{found}; wanted as many axes, and no axis shorter")));
        };
        Ok(Self { dataset, keys, place: Place { window, patch }, spec })
    }

    /// Batch `iteration` of `epoch`; `None` if it became `unwanted` before it was done.
    pub(super) fn batch(&self, epoch: u64, iteration: u64, unwanted: &dyn Fn() -> bool) -> Option<Result<Batch>> {
        let mut samples = Vec::with_capacity(self.spec.batch_size);
        for place in 0..self.spec.batch_size {
            if unwanted() {
                return None;
            }
            let stream = Stream::new(self.spec.seed, &[epoch, iteration, place as u64]);
            let mut rng = stream.fork(0);
            let key = &self.keys[rng.below(self.keys.len())];
            // A plugin's `prepare` or a defect of ours may panic; the training shall hear of it, and of the case.
            let made = catch_unwind(AssertUnwindSafe(|| self.sample(key, place, &mut rng, &stream.fork(1))));
            let made = made.unwrap_or_else(|panic| Err(Error::invalid(format!("a loader thread panicked: {}", message(&*panic)))));
            match made {
                Ok(sample) => samples.push(sample),
                Err(error @ Error::Case { .. }) => return Some(Err(error)),
                Err(error) => return Some(Err(error.in_case(key))),
            }
        }
        Some(Batch::stack(&samples, self.spec.augment.is_2d()))
    }

    fn sample(&self, key: &str, place: usize, rng: &mut Stream, augment: &Stream) -> Result<Made> {
        let case = self.dataset.case(key)?;
        let shape = case.shape();
        let forced = self.spec.oversample.forced(place, self.spec.batch_size, rng);
        let start = if forced || self.spec.ignore {
            self.place.showing(shape, &self.dataset.locations(key)?, !forced, rng)?
        } else {
            self.place.random(shape, rng)
        };
        let source = case.window(start, self.place.window)?;
        let pipeline = &self.spec.augment;
        if source.seg.len() != pipeline.label_maps() {
            let what = format!("{} label maps, wanted {}", source.seg.len(), pipeline.label_maps());
            return Err(Error::invalid(format!("{what}: a cascade's second stage, and no other, needs the previous stage's segmentations")));
        }
        let example = pipeline.apply(&source, augment)?;
        Ok(Made { key: key.to_owned(), prepared: prepared(&self.spec, &example)?, example })
    }
}

/// What the loss wants to know of an example.
pub(super) fn prepared(spec: &LoaderSpec, example: &Example) -> Result<Vec<Prepared>> {
    match (&spec.prepare, example.targets.first()) {
        (Some(prepare), Some(finest)) => Ok(prepare(&network_axes(finest.shape(), spec.augment.is_2d()), finest.as_slice().unwrap_or_default())?),
        _ => Ok(Vec::new()),
    }
}

/// What a panic said.
pub(super) fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
