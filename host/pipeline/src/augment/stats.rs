//! Sums over voxels, always added in the same order.

/// Partial sums; enough that the compiler can keep them in vector registers.
const LANES: usize = 8;

fn sum(values: &[f32], term: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0f64; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|&v| term(f64::from(v))).sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &v)| *lane += term(f64::from(v)));
    }
    lanes.iter().sum::<f64>() + rest
}

/// The mean.
pub(super) fn mean(values: &[f32]) -> f64 {
    sum(values, |v| v) / values.len() as f64
}

/// The mean and the standard deviation, the latter with n - 1.
pub(super) fn mean_std(values: &[f32]) -> (f64, f64) {
    let mean = mean(values);
    let squares = sum(values, |v| (v - mean) * (v - mean));
    (mean, (squares / values.len().saturating_sub(1).max(1) as f64).sqrt())
}

/// The least and the greatest value.
pub(super) fn min_max(values: &[f32]) -> (f32, f32) {
    let mut low = [f32::INFINITY; LANES];
    let mut high = [f32::NEG_INFINITY; LANES];
    for chunk in values.chunks(LANES) {
        for ((low, high), &v) in low.iter_mut().zip(&mut high).zip(chunk) {
            *low = if v < *low { v } else { *low };
            *high = if v > *high { v } else { *high };
        }
    }
    (low.into_iter().fold(f32::INFINITY, f32::min), high.into_iter().fold(f32::NEG_INFINITY, f32::max))
}
