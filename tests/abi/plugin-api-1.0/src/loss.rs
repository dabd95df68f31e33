//! Losses: what they are given, and the two steps they take.

use crate::{
    Error, ErrorKind, Result, Tensor,
    abi::guard::throw,
    losses,
    voxels::{Components, Connectivity, components},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is being learned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Task {
    /// Channels of the logits: labels including background, or regions.
    pub outputs: usize,
    /// Regions (sigmoid) rather than labels (softmax).
    pub regions: bool,
    /// Some voxels are not annotated.
    pub ignore: bool,
    /// The plan's `batch_dice`: Dice sums run over the batch.
    pub batch_dice: bool,
}

impl Default for Task {
    fn default() -> Self {
        Task { outputs: 2, regions: false, ignore: false, batch_dice: false }
    }
}

/// The label map of one sample on the CPU, as [`Loss::prepare`] sees it.
pub struct Labels<'a> {
    shape: Vec<usize>,
    data: &'a [i16],
    task: &'a Task,
}

impl<'a> Labels<'a> {
    pub(crate) fn new(shape: Vec<usize>, data: &'a [i16], task: &'a Task) -> Self {
        Labels { shape, data, task }
    }

    /// Spatial axes: (D, H, W) or (H, W).
    pub fn spatial(&self) -> &[usize] {
        &self.shape[1.min(self.shape.len())..]
    }

    /// The task.
    pub fn task(&self) -> &Task {
        self.task
    }

    /// Whether each voxel is annotated.
    pub fn valid(&self) -> Vec<bool> {
        let n: usize = self.spatial().iter().product();
        if !self.task.ignore {
            return vec![true; n];
        }
        if self.task.regions {
            return self.data[self.data.len() - n..].iter().map(|&v| v == 0).collect();
        }
        self.data.iter().map(|&v| (v as usize) < self.task.outputs).collect()
    }

    /// Where output channel `channel` is wanted; ignored voxels are false.
    pub fn mask(&self, channel: usize) -> Vec<bool> {
        let n: usize = self.spatial().iter().product();
        if self.task.regions {
            let part = self.data.get(channel * n..(channel + 1) * n).unwrap_or_default();
            return part.iter().zip(self.valid()).map(|(&v, ok)| ok && v > 0).collect();
        }
        self.data.iter().map(|&v| v == channel as i16).collect()
    }

    /// The connected components of [`Labels::mask`] of a channel.
    pub fn components(&self, channel: usize, connectivity: Connectivity) -> Components {
        components(&self.mask(channel), self.spatial(), connectivity)
    }

    /// The channels that are foreground: all but the background of labels, every region.
    pub fn foreground(&self) -> std::ops::Range<usize> {
        usize::from(!self.task.regions)..self.task.outputs
    }
}

/// A named array that a loss computed from the labels beforehand.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    name: String,
    shape: Vec<usize>,
    floats: Vec<f32>,
    ints: Vec<i32>,
}

impl Prepared {
    /// Whole numbers, e.g. component ids (C, spatial...).
    pub fn ints(name: impl Into<String>, shape: &[usize], values: Vec<i32>) -> Self {
        Self::from_parts(name.into(), shape.to_vec(), vec![], values)
    }

    /// Real numbers, e.g. a distance map (C, spatial...).
    pub fn floats(name: impl Into<String>, shape: &[usize], values: Vec<f32>) -> Self {
        Self::from_parts(name.into(), shape.to_vec(), values, vec![])
    }

    #[doc(hidden)]
    pub fn from_parts(name: String, shape: Vec<usize>, floats: Vec<f32>, ints: Vec<i32>) -> Self {
        Prepared { name, shape, floats, ints }
    }

    pub(crate) fn into_parts(self) -> (String, Vec<usize>, Vec<f32>, Vec<i32>) {
        (self.name, self.shape, self.floats, self.ints)
    }

    /// The name given in `prepare`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shape; in `forward` the batch is the first axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, if they are real numbers.
    pub fn float_values(&self) -> &[f32] {
        &self.floats
    }

    /// The values, if they are whole numbers.
    pub fn int_values(&self) -> &[i32] {
        &self.ints
    }
}

/// What one head is compared with, on the device.
pub struct Target {
    labels: Option<Tensor>,
    regions: Option<Tensor>,
    valid: Option<Tensor>,
    prepared: Vec<Prepared>,
    task: Arc<Task>,
}

#[track_caller]
fn absent(what: &str) -> ! {
    throw(Error::of(ErrorKind::Component, what))
}

impl Target {
    pub(crate) fn new(labels: u64, regions: u64, valid: u64, prepared: Vec<Prepared>, task: Arc<Task>) -> Self {
        let some = |id: u64| (id != 0).then(|| Tensor::borrowed(id));
        Target { labels: some(labels), regions: some(regions), valid: some(valid), prepared, task }
    }

    /// The task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// (B, 1, spatial...) Int; ignored voxels read 0.
    #[track_caller]
    pub fn labels(&self) -> &Tensor {
        match &self.labels {
            Some(labels) => labels,
            None => absent("a region-based task has no label map; use regions() or one_hot()"),
        }
    }

    /// (B, R, spatial...) of 0 and 1.
    #[track_caller]
    pub fn regions(&self) -> &Tensor {
        match &self.regions {
            Some(regions) => regions,
            None => absent("a label-based task has no regions; use labels() or one_hot()"),
        }
    }

    /// (B, outputs, spatial...) of 0 and 1, for labels and regions alike.
    #[track_caller]
    pub fn one_hot(&self) -> Tensor {
        match &self.regions {
            Some(regions) => regions.clone(),
            None => self.labels().one_hot(self.task.outputs),
        }
    }

    /// (B, 1, spatial...) Float, 1 where annotated; `None` where everything is.
    pub fn valid(&self) -> Option<&Tensor> {
        self.valid.as_ref()
    }

    /// An array of `prepare`, stacked over the batch, in host memory.
    #[track_caller]
    pub fn prepared_array(&self, name: &str) -> &Prepared {
        match self.prepared.iter().find(|p| p.name == name) {
            Some(p) => p,
            None => absent(&format!("prepare() returned no array called {name} for this head")),
        }
    }

    /// An array of `prepare`, stacked over the batch, as a tensor.
    #[track_caller]
    pub fn prepared(&self, name: &str) -> Tensor {
        let p = self.prepared_array(name);
        if p.floats.is_empty() { Tensor::from_i32(&p.shape, &p.ints) } else { Tensor::from_f32(&p.shape, &p.floats) }
    }
}

/// One deep-supervision head.
pub struct Head {
    /// (B, outputs, spatial...)
    pub logits: Tensor,
    /// What it is compared with, at its own resolution.
    pub target: Target,
    /// Its weight; the weights of all heads add up to 1.
    pub weight: f64,
}

/// A loss. Its fields are its settings: derive `Deserialize` and `Default`.
pub trait Loss: Send + Sync + 'static {
    /// The loss of one head, a tensor of one element. `logits` is (B, outputs, spatial...).
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor>;

    /// The loss of all heads, finest first: the weighted sum of [`Loss::forward`] unless overridden.
    fn heads(&self, heads: &[Head]) -> Result<Tensor> {
        losses::over_heads(heads, |logits, target| self.forward(logits, target))
    }

    /// Computed from the finest label map of one sample in the loader's threads; arrives in
    /// [`Target::prepared`] of the first head, stacked over the batch.
    fn prepare(&self, labels: &Labels<'_>) -> Result<Vec<Prepared>> {
        let _ = labels;
        Ok(vec![])
    }
}
