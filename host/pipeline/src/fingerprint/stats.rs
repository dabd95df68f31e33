//! Intensities over all cases, with NumPy's order of operations.

use rayon::prelude::*;
use volume::numpy::{mean_f32, percentile_linear, std_f32};

use super::record::Record;
use crate::error::Result;
use crate::plan::IntensityProperties;

/// The statistics of `channel` over `samples` voxels of each case; `None` where no case has foreground. Channels must come in order.
///
/// NumPy joins the cases' float32 samples; an empty list among them makes it all float64, and so does nnU-Net's.
pub(super) fn intensities(records: &mut [Record], channel: usize, samples: usize) -> Result<Option<IntensityProperties>> {
    let in_double = records.iter().any(|record| record.voxels == 0);
    let mut shown: Vec<&mut Record> = records.iter_mut().filter(|record| record.voxels > 0).collect();
    if shown.is_empty() {
        return Ok(None);
    }
    let mut all = vec![0.0; shown.len() * samples];
    shown.par_iter_mut().zip(all.par_chunks_mut(samples)).try_for_each(|(record, drawn)| record.draw(channel, drawn))?;
    let (mean, std) = if in_double {
        let mean = pairwise(&all, &f64::from) / all.len() as f64;
        let squares = pairwise(&all, &|v| (f64::from(v) - mean) * (f64::from(v) - mean));
        (mean, (squares / all.len() as f64).sqrt())
    } else {
        (f64::from(mean_f32(&all)), f64::from(std_f32(&all)))
    };
    let (min, max) = all.par_iter().map(|&v| (v, v)).reduce(|| (f32::INFINITY, f32::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    let percentiles = percentile_linear(&all, &[0.5, 50.0, 99.5]);
    let percentile = |index: usize| percentiles.get(index).copied().unwrap_or(f64::NAN);
    Ok(Some(IntensityProperties {
        max: f64::from(max),
        mean,
        median: percentile(1),
        min: f64::from(min),
        percentile_00_5: percentile(0),
        percentile_99_5: percentile(2),
        std,
    }))
}

/// `np.median`; NaN when empty.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len() % 2, values.get(middle)) {
        (1, Some(&value)) => value,
        (0, Some(&above)) => (values[middle - 1] + above) / 2.0,
        _ => f64::NAN,
    }
}

/// The sum of `f` over `x` as NumPy sums float64: pairwise (Higham 1993) over blocks of 128 with eight accumulators.
fn pairwise(x: &[f32], f: &impl Fn(f32) -> f64) -> f64 {
    const BLOCK: usize = 128;
    const LANES: usize = 8;
    if x.len() > BLOCK {
        let half = x.len() / 2;
        let (left, right) = x.split_at(half - half % LANES);
        return pairwise(left, f) + pairwise(right, f);
    }
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    let mut lanes = [0.0_f64; LANES];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &v)| *lane += f(v));
    }
    let [a, b, c, d, e, g, h, i] = lanes;
    rest.iter().fold(((a + b) + (c + d)) + ((e + g) + (h + i)), |sum, &v| sum + f(v))
}
