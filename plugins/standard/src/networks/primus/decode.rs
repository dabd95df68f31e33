//! From tokens back to voxels: transposed convolutions that double the grid, with norms over channels and GELU between them.

use plugin_api::{
    Params, Result, Tensor,
    nn::{ConvTranspose, LayerNorm},
};

/// Epsilon of the norms between the steps.
const EPSILON: f64 = 1e-6;

/// (B, E, d, h, w) to (B, classes, D, H, W).
pub(super) struct PatchDecode {
    steps: Vec<(ConvTranspose, Option<LayerNorm>)>,
}

impl PatchDecode {
    /// From `features` to `classes`, a token being `token` voxels. Names: `{s}.0` and `{s}.1`, the last step `{s}`.
    pub(super) fn new(p: &Params, token: &[usize], features: usize, classes: usize) -> Result<Self> {
        let count = token.iter().copied().max().unwrap_or(1).ilog2() as usize;
        let channels = channels(features, classes, count);
        let step = |s: usize| -> Result<_> {
            // an axis that needs fewer doublings begins later
            let stride: Vec<usize> = token.iter().map(|n| if n.is_multiple_of(2 << (count - 1 - s)) { 2 } else { 1 }).collect();
            let (p, last) = (p.at(s), s + 1 == count);
            let place = if last { p.clone() } else { p.at(0) };
            let up = ConvTranspose::new(&place, channels[s], channels[s + 1], &stride, true)?;
            let norm = (!last).then(|| LayerNorm::new(&p.at(1), channels[s + 1], EPSILON)).transpose()?;
            Ok((up, norm))
        };
        Ok(Self { steps: (0..count).map(step).collect::<Result<_>>()? })
    }

    #[track_caller]
    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        self.steps.iter().fold(x.clone(), |x, (up, norm)| {
            let y = up.forward(&x);
            match norm {
                // over channels: they go to the end and back
                Some(norm) => norm.forward(&y.permute(&[0, 2, 3, 4, 1])).permute(&[0, 4, 1, 2, 3]).gelu(),
                None => y,
            }
        })
    }
}

/// Channels before and after each of `steps` steps: a geometric series from `features` to twice `classes`, in multiples of 8.
fn channels(features: usize, classes: usize, steps: usize) -> Vec<usize> {
    let ratio = (features as f64 / (2.0 * classes as f64)).powf(1.0 / steps.max(1) as f64);
    let rounded = |n: f64| (((n + 1e-6) / 8.0).round_ties_even() * 8.0).max(8.0) as usize;
    let inner = (1..steps).map(|s| rounded(features as f64 / ratio.powi(s as i32)));
    std::iter::once(features).chain(inner).chain([classes]).collect()
}
