//! Histogram standardisation (Nyúl and Udupa 1999) before the standard steps.
#![forbid(unsafe_code)]

use plugin_api::prelude::*;

plugin!("org.example.standardize_preprocessor");

/// Landmarks of the histogram of voxels that are not 0: percentile, and the place on the standard scale (quantiles of a normal distribution
/// with mean 100 and deviation 25).
const LANDMARKS: [(f64, f64); 11] = [
    (0.01, 41.841),
    (0.10, 67.961),
    (0.20, 78.959),
    (0.30, 86.890),
    (0.40, 93.666),
    (0.50, 100.0),
    (0.60, 106.334),
    (0.70, 113.110),
    (0.80, 121.041),
    (0.90, 132.039),
    (0.99, 158.159),
];
/// What is not 0 stays above 0.
const FLOOR: f32 = 1e-3;

/// Each channel on its own.
#[derive(Default, Deserialize)]
struct StandardizePreprocessor {}

impl Preprocessor for StandardizePreprocessor {
    fn before(&self, case: &mut Case<'_>) -> Result<()> {
        case.image.channels_mut().for_each(|channel| standardize(channel.voxels));
        Ok(())
    }
}

/// Maps the landmarks to the standard scale, linearly between them and beyond. A channel without contrast stays as it is.
fn standardize(voxels: &mut [f32]) {
    let mut inside: Vec<f32> = voxels.iter().copied().filter(|&v| v != 0.0).collect();
    inside.sort_unstable_by(f32::total_cmp);
    let mut places: Vec<(f64, f64)> = LANDMARKS.iter().map(|&(share, place)| (quantile(&inside, share), place)).collect();
    // equal intensities are one landmark
    places.dedup_by(|later, first| later.0 <= first.0);
    if places.len() < 2 {
        return;
    }
    for voxel in voxels.iter_mut().filter(|v| **v != 0.0) {
        let value = f64::from(*voxel);
        let above = places.partition_point(|&(at, _)| at < value).clamp(1, places.len() - 1);
        let ((low, from), (high, to)) = (places[above - 1], places[above]);
        *voxel = ((from + (value - low) / (high - low) * (to - from)) as f32).max(FLOOR);
    }
}

/// Linearly interpolated; 0 when empty.
fn quantile(sorted: &[f32], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = share * last as f64;
    let below = place.floor() as usize;
    let (low, high) = (f64::from(sorted[below]), f64::from(sorted[(below + 1).min(last)]));
    low + (high - low) * (place - place.floor())
}

register_preprocessor!("StandardizePreprocessor", StandardizePreprocessor, "histogram standardisation, then the standard steps");

#[cfg(test)]
mod tests {
    use super::*;

    /// A histogram with a tail, a share of zeros, and no order.
    fn image(scale: f32, shift: f32) -> Vec<f32> {
        (0..1000).map(|i| if i % 4 == 0 { 0.0 } else { ((i * 7919 % 1000) as f32 / 100.0).exp() * scale + shift }).collect()
    }

    #[test]
    fn another_scanners_scale_makes_no_difference() {
        let (mut one, mut other) = (image(1.0, 5.0), image(37.0, 900.0));
        standardize(&mut one);
        standardize(&mut other);
        assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 0.05), "{one:?} {other:?}");
        let mut inside: Vec<f32> = one.iter().copied().filter(|&v| v != 0.0).collect();
        inside.sort_unstable_by(f32::total_cmp);
        assert!(LANDMARKS.iter().all(|&(share, place)| (quantile(&inside, share) - place).abs() < 0.5));
    }

    #[test]
    fn zeros_stay_and_order_is_kept() {
        let (before, mut after) = (image(2.0, 1.0), image(2.0, 1.0));
        standardize(&mut after);
        assert!(before.iter().zip(&after).all(|(b, a)| (*b == 0.0) == (*a == 0.0)));
        let mut pairs: Vec<(f32, f32)> = before.into_iter().zip(after).filter(|(b, _)| *b != 0.0).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(pairs.windows(2).all(|w| w[0].1 <= w[1].1));
    }

    #[test]
    fn a_channel_without_contrast_stays() {
        for mut flat in [vec![], vec![0.0; 5], vec![3.0f32; 5]] {
            let before = flat.clone();
            standardize(&mut flat);
            assert_eq!(flat, before);
        }
    }
}
