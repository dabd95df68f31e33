//! The search for a patch: as large as the memory allows, with what is left over put into the batch.

use std::collections::{HashMap, HashSet};

use super::presets::Preset;
use super::steps::Steps;
use super::topology::Topology;
use crate::error::{Error, Result};

/// Samples in a batch that the 3D reference stands for.
const REFERENCE_BATCH_3D: f64 = 2.0;
/// Samples in a batch that the 2D reference stands for.
const REFERENCE_BATCH_2D: f64 = 12.0;
const MIN_BATCH: f64 = 2.0;

/// A grid of voxels: spacing (mm) and median shape (voxels), after the transposition.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    pub(super) spacing: Vec<f64>,
    pub(super) shape: Vec<f64>,
}

impl Grid {
    pub(super) fn voxels(&self) -> f64 {
        self.shape.iter().product()
    }

    /// A slice of the grid.
    pub(super) fn slice(&self) -> Self {
        Self { spacing: self.spacing[1..].to_vec(), shape: self.shape[1..].to_vec() }
    }

    /// The same volume with other voxels.
    pub(super) fn resampled(&self, spacing: &[f64]) -> Self {
        let shape = self.spacing.iter().zip(spacing).zip(&self.shape).map(|((old, new), n)| old / new * n).collect();
        Self { spacing: spacing.to_vec(), shape }
    }

    /// A patch with the volume of 256³ (or 2048²) voxels and edges of equal length in mm, cut to the median image.
    fn initial_patch(&self) -> Vec<f64> {
        let density: Vec<f64> = self.spacing.iter().map(|spacing| 1.0 / spacing).collect();
        let product: f64 = density.iter().product();
        let scale = match density.len() {
            2 => (2048f64.powi(2) / product).powf(1.0 / 2.0),
            _ => (256f64.powi(3) / product).powf(1.0 / 3.0),
        };
        density.iter().zip(&self.shape).map(|(d, &n)| (d * scale).round_ties_even().min(n).max(1.0)).collect()
    }
}

/// What a network may need. Sizes are elements of all convolution outputs of one sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// For a batch of `batch`.
    reference: f64,
    batch: f64,
    /// The batch that must fit at least.
    least: f64,
    /// The largest share of the dataset's voxels that a batch may show.
    covered: f64,
    gb: f64,
    /// How a batch becomes a whole number.
    whole: fn(f64) -> f64,
}

impl Budget {
    /// What `preset` allows a network of 2 or 3 axes (`dims`) in `gb` GiB. Residual planners want the reference's batch to fit, the
    /// default planner one of two. nnU-Net rounds a batch, which may be a little too much; a `strict` budget does not.
    pub(super) fn of(preset: &Preset, dims: usize, gb: f64, strict: bool) -> Self {
        let (reference, batch) = if dims == 2 { (preset.reference_2d, REFERENCE_BATCH_2D) } else { (preset.reference_3d, REFERENCE_BATCH_3D) };
        let least = if preset.residual { batch } else { MIN_BATCH };
        Self {
            reference: reference * (gb / preset.reference_gb),
            batch,
            least,
            covered: preset.max_dataset_covered,
            gb,
            whole: if strict { f64::floor } else { f64::round_ties_even },
        }
    }

    /// Whether the smallest batch of such samples fits.
    pub(super) fn holds(&self, size: f64) -> bool {
        // in nnU-Net's order of operations, to the last bit
        let needed = if self.least == self.batch { size } else { size / self.batch * self.least };
        needed <= self.reference
    }

    /// The largest batch of such samples, at least the smallest that is planned.
    pub(super) fn batch_for(&self, size: f64) -> f64 {
        self.filling(size).max(MIN_BATCH)
    }

    /// Samples that fit.
    fn filling(&self, size: f64) -> f64 {
        (self.whole)(self.reference / size * self.batch)
    }

    /// What so many samples of a network of that size need, GiB.
    fn gib(&self, size: f64, samples: f64) -> f64 {
        size * samples / (self.reference * self.batch) * self.gb
    }
}

/// A configuration that is searched for.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) grid: &'a Grid,
    pub(super) budget: Budget,
    /// Voxels of all training images.
    pub(super) dataset_voxels: f64,
    pub(super) steps: &'a Steps,
}

impl Wanted<'_> {
    fn topology(&self, patch: &[f64]) -> Result<Topology> {
        self.steps.topology(self.name, &self.grid.spacing, patch)
    }
}

/// What was found for one configuration.
pub(super) struct Found {
    pub(super) topology: Topology,
    pub(super) batch: f64,
}

impl Found {
    pub(super) fn patch_voxels(&self) -> f64 {
        self.topology.patch.iter().map(|&n| n as f64).product()
    }
}

/// Patch and strides: what decides the size of a planner's network.
type Shape = (Vec<usize>, Vec<Vec<usize>>);

fn shape_of(topology: &Topology) -> Shape {
    (topology.patch.clone(), topology.strides.clone())
}

/// Sizes that are known already.
pub(super) type Sizes = HashMap<Shape, f64>;

/// The largest patch whose network fits, and the batch for it; `size` weighs a network. A planner plugin has the last word on either.
///
/// # Errors
/// `size` fails; not even the smallest patch fits; a plugin's patch or batch that the network does not take or that does not fit.
pub(super) fn search(wanted: &Wanted<'_>, sizes: &mut Sizes, size: &dyn Fn(&Topology) -> Result<f64>) -> Result<Found> {
    let mut weigh = |topology: &Topology| -> Result<f64> {
        let shape = shape_of(topology);
        if let Some(&known) = sizes.get(&shape) {
            return Ok(known);
        }
        let found = size(topology)?;
        sizes.insert(shape, found);
        Ok(found)
    };
    let Wanted { name, grid, budget, steps, .. } = wanted;
    let mut now = wanted.topology(&grid.initial_patch())?;
    let mut seen = HashSet::from([shape_of(&now)]);
    let mut weight = weigh(&now)?;
    while !budget.holds(weight) {
        let Some(smaller) = shrink(wanted, &now, &seen)? else {
            let (patch, gb) = (&now.patch, budget.gb);
            return Err(Error::invalid(format!("not even a patch of {patch:?} voxels fits into {gb} GiB; raise -gpu_memory_target")));
        };
        seen.insert(shape_of(&smaller));
        now = smaller;
        weight = weigh(&now)?;
    }

    let too_large = |step: &str, answered: String, weight: f64, samples: f64| {
        let (needed, gb) = (budget.gib(weight, samples), budget.gb);
        steps.fault(step, answered, format!("with {samples} samples a batch it needs {needed:.1} GiB of {gb}; -gpu_memory_target plans for more"))
    };
    let patch = steps.patch_size(name, grid, &now, budget.gb)?;
    if patch != now.patch {
        let floats: Vec<f64> = patch.iter().map(|&n| n as f64).collect();
        now = wanted.topology(&floats)?;
        steps.check_divisible("patch_size", &patch, &now.divisors)?;
        weight = weigh(&now)?;
        if !budget.holds(weight) {
            return too_large("patch_size", format!("{patch:?} for {name}"), weight, budget.least);
        }
    }
    let mut found = Found { topology: now, batch: budget.filling(weight) };
    let most = (wanted.dataset_voxels * budget.covered / found.patch_voxels()).round_ties_even();
    found.batch = found.batch.min(most).max(MIN_BATCH);
    let (fitting, host) = (budget.batch_for(weight) as usize, found.batch as usize);
    let batch = steps.batch_size(name, &found.topology.patch, fitting, budget.gb, host)?;
    if batch > fitting {
        return too_large("batch_size", format!("{batch} for {name}"), weight, batch as f64);
    }
    found.batch = batch as f64;
    Ok(found)
}

/// The next smaller patch: shorter along the axis that shows the largest share of the image, by what the network that results must
/// divide. Where that axis is at its end, or the padding to what the network divides leads back to a patch of before (`seen`), the
/// axes with smaller shares follow, by either divisor.
fn shrink(wanted: &Wanted<'_>, old: &Topology, seen: &HashSet<Shape>) -> Result<Option<Topology>> {
    let shape = &wanted.grid.shape;
    let share = |axis: usize| old.patch[axis] as f64 / shape[axis].max(1.0);
    let mut axes: Vec<usize> = (0..shape.len()).rev().collect();
    axes.sort_by(|&a, &b| share(b).total_cmp(&share(a)));
    let patch: Vec<f64> = old.patch.iter().map(|&n| n as f64).collect();
    let shorter = |axis: usize, by: usize| {
        let mut patch = patch.clone();
        patch[axis] -= by as f64;
        (patch[axis] >= 1.0).then(|| wanted.topology(&patch)).transpose()
    };
    for axis in axes {
        let by = old.divisors[axis];
        // nnU-Net asks the network of the shorter patch even where nothing of it is left
        let mut less = patch.clone();
        less[axis] -= by as f64;
        let finer = wanted.topology(&less)?.divisors[axis];
        for by in [finer, by] {
            if let Some(found) = shorter(axis, by)?.filter(|found| !seen.contains(&shape_of(found))) {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}
