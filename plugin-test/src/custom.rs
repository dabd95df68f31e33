//! A custom op under test.

use crate::Values;
use plugin_api::{Array, ArrayMut, CustomOp, Result};

/// Steps of the differences; what agrees at one of them agrees, since rounding spoils the short ones and curvature the long ones.
const STEPS: [f64; 4] = [1e-3, 1e-2, 3e-2, 0.1];

/// How far an op's backward is off the differences of its forward, at worst, relative to the larger of the two. For each input the slope
/// of a weighted sum of the outputs is looked at along the gradient and along noise. Custom ops compute in f32: expect 1e-3 or less.
///
/// # Errors
/// The op fails.
pub fn backward_error(op: &impl CustomOp, inputs: &[Values]) -> Result<f64> {
    let shapes: Vec<&[usize]> = inputs.iter().map(|v| v.shape.as_slice()).collect();
    let shape = op.out_shape(&shapes)?;
    let weights = Values::noise(&shape, 7);
    let single = |v: &Values| v.data.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    let data: Vec<Vec<f32>> = inputs.iter().map(single).collect();
    let arrays = |data: &[Vec<f32>]| -> Result<f64> {
        let arrays: Vec<Array<'_>> = inputs.iter().zip(data).map(|(v, data)| Array { shape: v.shape.clone(), data }).collect();
        let mut out = vec![0.0; weights.data.len()];
        op.forward(&arrays, ArrayMut { shape: shape.clone(), data: &mut out })?;
        Ok(out.iter().zip(&weights.data).map(|(o, w)| f64::from(*o) * w).sum())
    };

    let mut out = vec![0.0; weights.data.len()];
    let mut gradients: Vec<Vec<f32>> = data.iter().map(|d| vec![0.0; d.len()]).collect();
    {
        let views: Vec<Array<'_>> = inputs.iter().zip(&data).map(|(v, data)| Array { shape: v.shape.clone(), data }).collect();
        op.forward(&views, ArrayMut { shape: shape.clone(), data: &mut out })?;
        let mut grads: Vec<ArrayMut<'_>> = inputs.iter().zip(&mut gradients).map(|(v, data)| ArrayMut { shape: v.shape.clone(), data }).collect();
        let slope = single(&weights);
        op.backward(&views, Array { shape: shape.clone(), data: &out }, Array { shape: shape.clone(), data: &slope }, &mut grads)?;
    }

    let mut worst = 0f64;
    for (k, gradient) in gradients.iter().enumerate() {
        let along: Vec<f64> = gradient.iter().map(|g| f64::from(*g)).collect();
        for direction in [along, Values::noise(&inputs[k].shape, 11).data] {
            let length = direction.iter().map(|d| d * d).sum::<f64>().sqrt();
            if length == 0.0 {
                continue;
            }
            let claimed: f64 = direction.iter().zip(gradient).map(|(d, g)| d / length * f64::from(*g)).sum();
            let mut best = f64::INFINITY;
            for step in STEPS {
                let moved = |sign: f64| {
                    let mut all = data.clone();
                    all[k].iter_mut().zip(&direction).for_each(|(x, d)| *x += (sign * step * d / length) as f32);
                    arrays(&all)
                };
                let measured = (moved(1.0)? - moved(-1.0)?) / (2.0 * step);
                let size = claimed.abs().max(measured.abs());
                best = best.min(if size == 0.0 { 0.0 } else { (claimed - measured).abs() / size });
            }
            worst = worst.max(best);
        }
    }
    Ok(worst)
}
