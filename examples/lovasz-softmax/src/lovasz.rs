//! The Lovász extension of the Jaccard loss. It needs the errors in falling order, which no operation of the table gives.

use plugin_api::prelude::*;

/// Inputs: probabilities and annotation of 0 and 1, both (B, C, spatial...). Result (B, C): the loss of each channel of each sample, 0 where it is not
/// annotated at all. There is a gradient for the probabilities.
pub(crate) struct Lovasz;

impl CustomOp for Lovasz {
    fn name(&self) -> &str {
        "lovasz"
    }

    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match inputs {
            [p, y] if p == y && p.len() > 2 => Ok(p[..2].to_vec()),
            _ => bail!("probabilities and annotation are {inputs:?}; wanted twice the same (B, C, spatial...)"),
        }
    }

    fn forward(&self, inputs: &[Array<'_>], out: ArrayMut<'_>) -> Result<()> {
        for (row, loss) in out.data.iter_mut().enumerate() {
            let (p, y) = channel(inputs, row);
            *loss = weights(p, y).iter().map(|&(i, weight)| weight * error(p[i], y[i])).sum::<f64>() as f32;
        }
        Ok(())
    }

    /// The weights do not change until two errors swap places, so they are the slope for the errors.
    fn backward(&self, inputs: &[Array<'_>], _: Array<'_>, out_grad: Array<'_>, grads: &mut [ArrayMut<'_>]) -> Result<()> {
        for (row, &slope) in out_grad.data.iter().enumerate() {
            let (p, y) = channel(inputs, row);
            let gradient = &mut grads[0].data[row * p.len()..(row + 1) * p.len()];
            for (i, weight) in weights(p, y) {
                let sign = if y[i] > 0.5 { -1.0 } else { 1.0 };
                gradient[i] += (f64::from(slope) * weight * sign) as f32;
            }
        }
        Ok(())
    }
}

/// Probabilities and annotation of one channel of one sample.
fn channel<'a>(inputs: &'a [Array<'_>], row: usize) -> (&'a [f32], &'a [f32]) {
    let voxels: usize = inputs[0].shape[2..].iter().product();
    let part = row * voxels..(row + 1) * voxels;
    (&inputs[0].data[part.clone()], &inputs[1].data[part])
}

fn error(p: f32, y: f32) -> f64 {
    f64::from((y - p).abs())
}

/// By how much the Jaccard loss grows when the voxels are given up one after the other, largest error first: algorithm 1 of the paper. Voxels that
/// add nothing are left out.
fn weights(p: &[f32], y: &[f32]) -> Vec<(usize, f64)> {
    let wanted = y.iter().filter(|&&v| v > 0.5).count() as f64;
    if wanted == 0.0 {
        return vec![];
    }
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_unstable_by(|&a, &b| error(p[b], y[b]).total_cmp(&error(p[a], y[a])).then(a.cmp(&b)));
    let (mut kept, mut union, mut before) = (wanted, wanted, 0.0);
    let mut weights = Vec::new();
    for i in order {
        if y[i] > 0.5 {
            kept -= 1.0
        } else {
            union += 1.0
        }
        let jaccard = 1.0 - kept / union;
        weights.push((i, jaccard - before));
        before = jaccard;
        if kept == 0.0 {
            break; // the loss is 1 and grows no more
        }
    }
    weights
}
