//! Samples stacked to a batch.

use crate::augment::Example;
use crate::error::{Error, Result};
use plugin_api::Prepared;

/// A batch in host memory. Spatial axes are the network's, (D, H, W) or (H, W).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Image values in C order.
    pub data: Vec<f32>,
    /// (B, C, spatial...)
    pub shape: Vec<usize>,
    /// For each head, finest first.
    pub targets: Vec<TargetArray>,
    /// What the loss computed beforehand from the finest target of each sample, (B, ...) each.
    pub prepared: Vec<Prepared>,
    /// The case of each sample.
    pub keys: Vec<String>,
}

/// What one head is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetArray {
    /// (B, 1, spatial...) for labels, where the ignore label is kept; (B, R, spatial...) for regions, with one more
    /// channel that is 1 where a voxel is ignored.
    pub shape: Vec<usize>,
    /// In C order.
    pub labels: Vec<i16>,
}

/// One sample of a batch.
pub(super) struct Made {
    /// Its case.
    pub(super) key: String,
    /// Its arrays.
    pub(super) example: Example,
    /// What the loss computed from its finest target.
    pub(super) prepared: Vec<Prepared>,
}

/// The network's axes of an array (C, D, H, W).
pub(super) fn network_axes(shape: &[usize], is_2d: bool) -> Vec<usize> {
    (0..shape.len()).filter(|&axis| !(is_2d && axis == 1)).map(|axis| shape[axis]).collect()
}

impl Batch {
    /// The batch of `samples`.
    ///
    /// # Errors
    /// Two samples have arrays of different shapes; both cases are named.
    pub(super) fn stack(samples: &[Made], is_2d: bool) -> Result<Self> {
        let Some(first) = samples.first() else { return Ok(Self::default()) };
        let stacked = |shape: &[usize]| [&[samples.len()], &network_axes(shape, is_2d)[..]].concat();
        let shape = stacked(first.example.data.shape());
        let mut data = Vec::with_capacity(shape.iter().product());
        for sample in samples {
            agree("image (C, D, H, W)", first, first.example.data.shape(), sample, sample.example.data.shape())?;
            data.extend_from_slice(sample.example.data.as_slice().unwrap_or_default());
        }
        let targets = first.example.targets.iter().enumerate().map(|(head, target)| {
            let shape = stacked(target.shape());
            let mut labels = Vec::with_capacity(shape.iter().product());
            // All samples went through one pipeline, which gives each head one shape.
            for target in samples.iter().filter_map(|sample| sample.example.targets.get(head)) {
                labels.extend_from_slice(target.as_slice().unwrap_or_default());
            }
            TargetArray { shape, labels }
        });
        let targets: Vec<_> = targets.collect();
        let full = |shape: &[usize], values: usize| shape.iter().product::<usize>() == values;
        if !full(&shape, data.len()) || !targets.iter().all(|target| full(&target.shape, target.labels.len())) {
            return Err(Error::invalid(format!("a batch of shape {shape:?} got {} values; an array is not in C order", data.len())));
        }
        let keys = samples.iter().map(|sample| sample.key.clone()).collect();
        Ok(Self { data, shape, targets, prepared: stack_prepared(samples, first)?, keys })
    }
}

fn stack_prepared(samples: &[Made], first: &Made) -> Result<Vec<Prepared>> {
    for sample in samples {
        agree("number of prepared arrays", first, &first.prepared.len(), sample, &sample.prepared.len())?;
    }
    let one = |(index, like): (usize, &Prepared)| {
        let shape = [&[samples.len()], like.shape()].concat();
        let (mut floats, mut ints) = (Vec::new(), Vec::new());
        for sample in samples {
            let array = &sample.prepared[index];
            agree("name of a prepared array", first, like.name(), sample, array.name())?;
            agree(&format!("shape of the prepared array {}", like.name()), first, like.shape(), sample, array.shape())?;
            floats.extend_from_slice(array.float_values());
            ints.extend_from_slice(array.int_values());
        }
        match (floats.is_empty(), ints.is_empty()) {
            (true, _) => Ok(Prepared::ints(like.name(), &shape, ints)),
            (_, true) => Ok(Prepared::floats(like.name(), &shape, floats)),
            _ => Err(Error::invalid(format!("the prepared array {} holds whole numbers for some cases, real ones for others", like.name()))),
        }
    };
    first.prepared.iter().enumerate().map(one).collect()
}

fn agree<T: PartialEq + std::fmt::Debug + ?Sized>(what: &str, first: &Made, wanted: &T, sample: &Made, found: &T) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    let (one, other) = (&first.key, &sample.key);
    Err(Error::invalid(format!("{what}: case {one} gives {wanted:?}, case {other} gives {found:?}; in a batch they must be equal")))
}
