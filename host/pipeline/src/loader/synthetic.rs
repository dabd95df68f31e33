//! A batch out of nothing: random values under random labels, for trainings that only measure time.

use super::{
    batch::{Batch, Made},
    draw::{LoaderSpec, prepared},
};
use crate::augment::{Source, Stream, volume_shape};
use crate::error::{Error, Result};

/// The batch of a task with so many image `channels` and `labels`.
pub(super) fn batch(spec: &LoaderSpec, channels: usize, labels: usize) -> Result<Batch> {
    let shape = volume_shape(&spec.initial_patch).ok_or_else(|| Error::invalid(format!("the initial patch is {:?}", spec.initial_patch)))?;
    let voxels: usize = shape.iter().product();
    let sample = |place: usize| {
        let stream = Stream::new(spec.seed, &[place as u64]);
        let mut rng = stream.fork(0);
        let data: Vec<f32> = (0..channels * voxels).map(|_| rng.f32()).collect();
        let seg: Vec<Vec<i16>> = (0..spec.augment.label_maps()).map(|_| (0..voxels).map(|_| rng.below(labels) as i16).collect()).collect();
        let source = Source { data: &data, seg: seg.iter().map(Vec::as_slice).collect(), shape, start: [0; 3], size: shape };
        let example = spec.augment.apply(&source, &stream.fork(1))?;
        Ok(Made { key: "random values".into(), prepared: prepared(spec, &example)?, example })
    };
    let samples: Vec<Made> = (0..spec.batch_size).map(sample).collect::<Result<_>>()?;
    Batch::stack(&samples, spec.augment.is_2d())
}
