//! Weighted sums along one axis: the common part of blurring and of simulated low resolution.

/// For each voxel of an axis, which voxels of that axis it is made of.
pub(super) struct Taps {
    /// Taps of one voxel.
    count: usize,
    /// `count` (position, weight) for each voxel.
    taps: Vec<(usize, f32)>,
}

impl Taps {
    /// For an axis of `n` voxels, `count` taps each; `tap(voxel, k)` is the k-th of them. Positions are below `n`.
    pub(super) fn new(n: usize, count: usize, mut tap: impl FnMut(usize, usize) -> (usize, f32)) -> Self {
        let taps = (0..n * count).map(|i| tap(i / count, i % count)).collect();
        Self { count, taps }
    }

    /// Replaces `values`, (D, H, W) of `shape`, by the weighted sums along `axis`; `scratch` is overwritten.
    pub(super) fn apply(&self, values: &mut [f32], shape: [usize; 3], axis: usize, scratch: &mut Vec<f32>) {
        let n = shape[axis];
        let inner: usize = shape[axis + 1..].iter().product();
        for block in values.chunks_exact_mut(n * inner) {
            scratch.clear();
            scratch.extend_from_slice(block);
            if inner == 1 {
                for (to, taps) in block.iter_mut().zip(self.taps.chunks_exact(self.count)) {
                    *to = taps.iter().map(|&(at, weight)| weight * scratch[at]).sum();
                }
                continue;
            }
            for (to, taps) in block.chunks_exact_mut(inner).zip(self.taps.chunks_exact(self.count)) {
                to.fill(0.0);
                for &(at, weight) in taps {
                    let from = &scratch[at * inner..][..inner];
                    to.iter_mut().zip(from).for_each(|(to, from)| *to += weight * from);
                }
            }
        }
    }
}
