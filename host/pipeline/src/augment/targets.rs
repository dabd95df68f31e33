//! Labels at the resolution of each deep-supervision head.

use ndarray::Array4;

/// `seg` (C, D, H, W) resized to `shape`, each voxel taking the label nearest to its centre
/// (PyTorch's `nearest-exact`).
pub fn resize(seg: &Array4<i16>, shape: [usize; 3]) -> Array4<i16> {
    let (channels, d, h, w) = seg.dim();
    if [d, h, w] == shape {
        return seg.clone();
    }
    let [zs, ys, xs] = [(d, shape[0]), (h, shape[1]), (w, shape[2])].map(|(from, to)| nearest(from, to));
    Array4::from_shape_fn((channels, shape[0], shape[1], shape[2]), |(c, z, y, x)| seg[[c, zs[z], ys[y], xs[x]]])
}

/// For each of `to` voxels, the one of `from` that covers its centre.
fn nearest(from: usize, to: usize) -> Vec<usize> {
    let step = from as f64 / to as f64;
    (0..to).map(|at| (((at as f64 + 0.5) * step) as usize).min(from.saturating_sub(1))).collect()
}
