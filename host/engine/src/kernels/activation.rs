//! Leaky ReLU (Maas et al. 2013); with slope 0 the plain ReLU.

use rayon::prelude::*;

/// Values one task works on.
const CHUNK: usize = 1 << 15;

/// `x` where positive, `slope * x` elsewhere; any shape.
pub fn leaky_relu(x: &[f32], slope: f32) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = if x > 0.0 { x } else { slope * x };
        }
    });
    y
}

/// The gradient of [`leaky_relu`] from its output `y`, which has the input's sign where `slope >= 0`, and the output's gradient `dy`.
pub fn leaky_relu_grad(y: &[f32], dy: &[f32], slope: f32) -> Vec<f32> {
    assert_eq!(y.len(), dy.len(), "the output and its gradient differ in length");
    let mut dx = vec![0.0; y.len()];
    dx.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK).zip(dy.par_chunks(CHUNK))).for_each(|(dx, (y, dy))| {
        for (dx, (&y, &dy)) in dx.iter_mut().zip(y.iter().zip(dy)) {
            *dx = if y > 0.0 { dy } else { slope * dy };
        }
    });
    dx
}
