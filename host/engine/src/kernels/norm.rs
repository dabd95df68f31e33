//! Group normalisation (Wu and He 2018); with as many groups as channels, instance normalisation (Ulyanov et al. 2016).

use rayon::prelude::*;

/// Values whose sum one task takes: sums are taken chunk by chunk, in order, whatever the number of threads.
const CHUNK: usize = 1 << 14;

/// What [`norm_backward`] needs from the forward pass; one entry a row (batch, group).
#[derive(Clone, Debug, PartialEq)]
pub struct NormStats {
    /// Mean of the row.
    pub mean: Vec<f32>,
    /// One over the row's standard deviation, `1 / sqrt(variance + eps)`, with the biased variance.
    pub rstd: Vec<f32>,
}

/// `(x - mean) * rstd * scale + shift` of `x` (B, C, voxels), mean and variance over each row of C / groups channels; `scale` and `shift` are (C).
/// The statistics are summed in f64, in two passes.
#[expect(clippy::too_many_arguments, reason = "a norm has this many")]
pub fn norm_forward(
    x: &[f32],
    batch: usize,
    channels: usize,
    voxels: usize,
    groups: usize,
    scale: Option<&[f32]>,
    shift: Option<&[f32]>,
    eps: f32,
) -> (Vec<f32>, NormStats) {
    assert_eq!(x.len(), batch * channels * voxels, "x does not fit its shape");
    let row = channels / groups * voxels;
    if x.is_empty() {
        return (Vec::new(), NormStats { mean: vec![0.0; batch * groups], rstd: vec![0.0; batch * groups] });
    }
    let (mean, rstd) = x
        .par_chunks(row)
        .map(|x| {
            let mean = sum(x, |v| v) / row as f64;
            let variance = sum(x, |v| (v - mean) * (v - mean)) / row as f64;
            (mean as f32, (1.0 / (variance + f64::from(eps)).sqrt()) as f32)
        })
        .unzip();
    let stats = NormStats { mean, rstd };
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(voxels).zip(x.par_chunks(voxels)).enumerate().for_each(|(plane, (y, x))| {
        let (channel, row) = (plane % channels, plane / (channels / groups));
        let factor = stats.rstd[row] * scale.map_or(1.0, |s| s[channel]);
        let (mean, shift) = (stats.mean[row], shift.map_or(0.0, |s| s[channel]));
        for (y, &x) in y.iter_mut().zip(x) {
            *y = (x - mean) * factor + shift;
        }
    });
    (y, stats)
}

/// The gradients of [`norm_forward`] for its input (B, C, voxels), scale (C) and shift (C).
#[expect(clippy::too_many_arguments, reason = "a norm has this many")]
pub fn norm_backward(
    x: &[f32],
    stats: &NormStats,
    dy: &[f32],
    scale: Option<&[f32]>,
    batch: usize,
    channels: usize,
    voxels: usize,
    groups: usize,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    assert_eq!(x.len(), batch * channels * voxels, "x does not fit its shape");
    assert_eq!(x.len(), dy.len(), "x and the output's gradient differ in length");
    let (mut dscale, mut dshift) = (vec![0f64; channels], vec![0f64; channels]);
    if x.is_empty() {
        return (Vec::new(), vec![0.0; channels], vec![0.0; channels]);
    }
    let per_group = channels / groups;
    let weight = |channel: usize| scale.map_or(1.0, |s| s[channel]);
    // per plane: the sums of dy and of dy * (x - mean) * rstd
    let sums: Vec<(f64, f64)> = (x.par_chunks(voxels), dy.par_chunks(voxels))
        .into_par_iter()
        .enumerate()
        .map(|(plane, (x, dy))| {
            let row = plane / per_group;
            let (plain, product) = plane_sums(x, dy, stats.mean[row]);
            (plain, product * f64::from(stats.rstd[row]))
        })
        .collect();
    for (plane, &(plain, product)) in sums.iter().enumerate() {
        dshift[plane % channels] += plain;
        dscale[plane % channels] += product;
    }
    // per row: the means of dy * scale and of dy * scale * (x - mean) * rstd
    let means: Vec<(f32, f32)> = sums
        .chunks(per_group)
        .enumerate()
        .map(|(row, planes)| {
            let first = row % groups * per_group;
            let (mut plain, mut product) = (0.0, 0.0);
            for (i, &(p, q)) in planes.iter().enumerate() {
                plain += p * f64::from(weight(first + i));
                product += q * f64::from(weight(first + i));
            }
            let count = (per_group * voxels) as f64;
            ((plain / count) as f32, (product / count) as f32)
        })
        .collect();
    let mut dx = vec![0.0; x.len()];
    (dx.par_chunks_mut(voxels), x.par_chunks(voxels), dy.par_chunks(voxels)).into_par_iter().enumerate().for_each(|(plane, (dx, x, dy))| {
        let row = plane / per_group;
        let (mean, rstd) = (stats.mean[row], stats.rstd[row]);
        let (plain, product) = means[row];
        // dx = rstd (scale dy - plain - (x - mean) rstd product)
        let (a, b, c) = (rstd * weight(plane % channels), rstd * plain, rstd * rstd * product);
        for (dx, (&x, &dy)) in dx.iter_mut().zip(x.iter().zip(dy)) {
            *dx = a * dy - b - c * (x - mean);
        }
    });
    (dx, dscale.iter().map(|&v| v as f32).collect(), dshift.iter().map(|&v| v as f32).collect())
}

/// The sum of `f(x)` over a row, in f64.
pub(super) fn sum(x: &[f32], f: impl Fn(f64) -> f64 + Sync) -> f64 {
    let parts: Vec<f64> = x
        .par_chunks(CHUNK)
        .map(|x| {
            let mut lanes = [0f64; 8];
            let (eights, rest) = x.as_chunks::<8>();
            for eight in eights {
                for (lane, &v) in lanes.iter_mut().zip(eight) {
                    *lane += f(f64::from(v));
                }
            }
            lanes.iter().sum::<f64>() + rest.iter().map(|&v| f(f64::from(v))).sum::<f64>()
        })
        .collect();
    parts.iter().sum()
}

/// The sums of `dy` and of `dy * (x - mean)` over a plane.
fn plane_sums(x: &[f32], dy: &[f32], mean: f32) -> (f64, f64) {
    let parts: Vec<(f64, f64)> = (x.par_chunks(CHUNK), dy.par_chunks(CHUNK))
        .into_par_iter()
        .map(|(x, dy)| {
            let (mut plain, mut product) = ([0f64; 8], [0f64; 8]);
            let ((xs, x_rest), (dys, dy_rest)) = (x.as_chunks::<8>(), dy.as_chunks::<8>());
            for (x, dy) in xs.iter().zip(dys) {
                for i in 0..8 {
                    plain[i] += f64::from(dy[i]);
                    product[i] += f64::from(dy[i]) * f64::from(x[i] - mean);
                }
            }
            for (i, (&x, &dy)) in x_rest.iter().zip(dy_rest).enumerate() {
                plain[i] += f64::from(dy);
                product[i] += f64::from(dy) * f64::from(x - mean);
            }
            (plain.iter().sum(), product.iter().sum())
        })
        .collect();
    parts.iter().fold((0.0, 0.0), |total, part| (total.0 + part.0, total.1 + part.1))
}
