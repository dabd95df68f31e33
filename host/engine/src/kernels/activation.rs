//! Leaky ReLU (Maas et al. 2013); with slope 0 the plain ReLU.

use rayon::prelude::*;

use super::buffer::Buffer;
use super::level::{Job, Level};
use super::vector::Vector;

/// Values one task works on.
const CHUNK: usize = 1 << 15;
/// Values side by side.
const LANES: usize = 16;

/// `x` where positive, `slope * x` elsewhere; any shape.
pub fn leaky_relu(x: &[f32], slope: f32) -> Buffer {
    let mut y = Buffer::take(x.len());
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| Level::best().run(Scale { by: x, values: x, y, slope }));
    y
}

/// The gradient of [`leaky_relu`] from its output `y`, which has the input's sign where `slope >= 0`, and the output's gradient `dy`.
pub fn leaky_relu_grad(y: &[f32], dy: &[f32], slope: f32) -> Buffer {
    assert_eq!(y.len(), dy.len(), "the output and its gradient differ in length");
    let mut dx = Buffer::take(y.len());
    dx.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK).zip(dy.par_chunks(CHUNK))).for_each(|(dx, (y, dy))| {
        Level::best().run(Scale { by: y, values: dy, y: dx, slope });
    });
    dx
}

/// `values` where `by` is positive, `slope * values` elsewhere.
struct Scale<'a> {
    by: &'a [f32],
    values: &'a [f32],
    y: &'a mut [f32],
    slope: f32,
}

impl Job for Scale<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let scale = |by: f32, value: f32| value * if by > 0.0 { 1.0 } else { self.slope };
        let ((by, by_rest), (values, rest), (y, y_rest)) =
            (self.by.as_chunks::<LANES>(), self.values.as_chunks::<LANES>(), self.y.as_chunks_mut::<LANES>());
        for ((by, values), y) in by.iter().zip(values).zip(y) {
            for i in 0..LANES {
                y[i] = scale(by[i], values[i]);
            }
        }
        for ((&by, &value), y) in by_rest.iter().zip(rest).zip(y_rest) {
            *y = scale(by, value);
        }
    }
}
