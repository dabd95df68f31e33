//! Target spacing, axis order, and the statistics that they rest on.

use crate::fingerprint::Fingerprint;

/// Largest spacing / smallest spacing from which on an image is anisotropic.
const ANISOTROPY: f64 = 3.0;

/// The spacing (mm, original axis order) that 3d_fullres resamples to: the median, and where one axis is much coarser than the others
/// its 10th percentile, so that not half of the images lose slices.
pub(super) fn fullres_spacing(fingerprint: &Fingerprint) -> [f64; 3] {
    let mut target: [f64; 3] = std::array::from_fn(|axis| percentile(&column(&fingerprint.spacings, axis), 0.5));
    let size: [f64; 3] = std::array::from_fn(|axis| percentile(&column(&shapes(fingerprint), axis), 0.5));
    let worst = coarsest(target);
    let others = || (0..3).filter(|&axis| axis != worst);
    let finer = others().map(|axis| target[axis]).fold(f64::NEG_INFINITY, f64::max);
    let shortest = others().map(|axis| size[axis]).fold(f64::INFINITY, f64::min);
    if target[worst] > ANISOTROPY * finer && size[worst] * ANISOTROPY < shortest {
        let fine = percentile(&column(&fingerprint.spacings, worst), 0.1);
        target[worst] = if fine < finer { finer.max(fine) + 1e-5 } else { fine };
    }
    target
}

/// The axis with the largest spacing goes first; the others keep their order.
pub(super) fn transpose(target: [f64; 3]) -> [usize; 3] {
    match coarsest(target) {
        0 => [0, 1, 2],
        1 => [1, 0, 2],
        _ => [2, 0, 1],
    }
}

/// The permutation that undoes `forward`.
pub(super) fn inverse(forward: [usize; 3]) -> [usize; 3] {
    [0, 1, 2].map(|axis| forward.iter().position(|&from| from == axis).unwrap_or(axis))
}

/// The median of `rows` along each axis.
pub(super) fn median(rows: &[[f64; 3]]) -> [f64; 3] {
    std::array::from_fn(|axis| {
        let mut values = column(rows, axis);
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match (values.len() % 2, values.get(middle)) {
            (1, Some(&value)) => value,
            (0, Some(&above)) => (values[middle - 1] + above) / 2.0,
            _ => f64::NAN,
        }
    })
}

/// The shapes after cropping, as floats.
pub(super) fn shapes(fingerprint: &Fingerprint) -> Vec<[f64; 3]> {
    fingerprint.shapes_after_crop.iter().map(|shape| shape.map(|n| n as f64)).collect()
}

/// The first axis with the largest value.
fn coarsest(spacing: [f64; 3]) -> usize {
    (1..3).fold(0, |best, axis| if spacing[axis] > spacing[best] { axis } else { best })
}

fn column(rows: &[[f64; 3]], axis: usize) -> Vec<f64> {
    rows.iter().map(|row| row[axis]).collect()
}

/// NumPy's linearly interpolated quantile; NaN when empty.
fn percentile(values: &[f64], quantile: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = last as f64 * quantile;
    let below = place.floor() as usize;
    let (low, high) = (sorted[below.min(last)], sorted[(below + 1).min(last)]);
    let t = place - place.floor();
    if t >= 0.5 { high - (high - low) * (1.0 - t) } else { low + (high - low) * t }
}
