//! How much each voxel of a tile counts.

/// The share of a tile's side that is the standard deviation.
const SIGMA: f64 = 1.0 / 8.0;

/// The weights along one axis of a tile: 1 at voxel `side / 2`, and a bell curve around it. None is below e^-8.
pub(super) fn bell(side: usize) -> Vec<f64> {
    let (centre, sigma) = ((side / 2) as f64, side as f64 * SIGMA);
    (0..side).map(|i| (-0.5 * ((i as f64 - centre) / sigma).powi(2)).exp()).collect()
}

/// The weights of a tile (any number of axes, last axis fastest): the product of a bell curve along each axis, 1 at its centre.
///
/// nnU-Net filters a single voxel with a Gaussian of standard deviation side / 8, which is that product.
pub fn gaussian(tile: &[usize]) -> Vec<f32> {
    product(&tile.iter().map(|&side| bell(side)).collect::<Vec<_>>())
}

/// The products of one factor from each axis, last axis fastest.
pub(super) fn product(axes: &[Vec<f64>]) -> Vec<f32> {
    let all = axes.iter().fold(vec![1.0], |all, axis| all.iter().flat_map(|a| axis.iter().map(move |b| a * b)).collect::<Vec<f64>>());
    all.into_iter().map(|weight| weight as f32).collect()
}
