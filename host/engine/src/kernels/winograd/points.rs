//! Winograd's minimal filtering F(m, 3) along one axis (Winograd 1980; Lavin and Gray 2016): m outputs from m + 2 products.
//!
//! An output is `A^T [(G g) * (B^T d)]` of weights `g` and inputs `d`, the weights' gradient `G^T [(A dy) * (B^T d)]`.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use crate::kernels::vector::Vector;

/// Most points of an axis.
pub(super) const MOST: usize = 6;

/// One axis of a tile. The functions work in place, on the first values of the array.
///
/// They are unsafe as those of [`Vector`] are: the processor must have its instructions.
pub(super) trait Axis: Send + Sync {
    /// Kernel taps.
    const TAPS: usize;
    /// Outputs of a tile, m.
    const OUTPUTS: usize;
    /// Inputs of a tile, and products.
    const POINTS: usize;
    /// G, a row a point.
    const WEIGHTS: [[f32; 3]; MOST];

    /// `B^T d`: inputs to points.
    unsafe fn input<V: Vector>(values: &mut [V; MOST]);
    /// `A^T p`: points to outputs.
    unsafe fn output<V: Vector>(values: &mut [V; MOST]);
    /// `A dy`: outputs' gradients to points.
    unsafe fn gradient<V: Vector>(values: &mut [V; MOST]);
}

/// An axis along which the kernel has one tap.
pub(super) struct Single;

impl Axis for Single {
    const TAPS: usize = 1;
    const OUTPUTS: usize = 1;
    const POINTS: usize = 1;
    const WEIGHTS: [[f32; 3]; MOST] = [[1.0, 0.0, 0.0], [0.0; 3], [0.0; 3], [0.0; 3], [0.0; 3], [0.0; 3]];

    #[inline(always)]
    unsafe fn input<V: Vector>(_: &mut [V; MOST]) {}
    #[inline(always)]
    unsafe fn output<V: Vector>(_: &mut [V; MOST]) {}
    #[inline(always)]
    unsafe fn gradient<V: Vector>(_: &mut [V; MOST]) {}
}

/// F(2, 3) at 0, 1, -1 and infinity.
pub(super) struct Two;

impl Axis for Two {
    const TAPS: usize = 3;
    const OUTPUTS: usize = 2;
    const POINTS: usize = 4;
    const WEIGHTS: [[f32; 3]; MOST] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0], [0.0; 3], [0.0; 3]];

    #[inline(always)]
    unsafe fn input<V: Vector>(values: &mut [V; MOST]) {
        let [a, b, c, d, ..] = *values;
        // SAFETY: the caller's; so for all below.
        unsafe { (values[0], values[1], values[2], values[3]) = (a.sub(c), b.add(c), c.sub(b), d.sub(b)) }
    }
    #[inline(always)]
    unsafe fn output<V: Vector>(values: &mut [V; MOST]) {
        let [a, b, c, d, ..] = *values;
        // SAFETY: see `input`.
        unsafe { (values[0], values[1]) = (a.add(b.add(c)), b.sub(c).add(d)) }
    }
    #[inline(always)]
    unsafe fn gradient<V: Vector>(values: &mut [V; MOST]) {
        let [a, b, ..] = *values;
        // SAFETY: see `input`.
        unsafe { (values[1], values[2], values[3]) = (a.add(b), a.sub(b), b) }
    }
}

/// F(4, 3) at 0, ±sqrt(1/2), ±sqrt(2) and infinity. Points that are each other's inverses round less than 0, ±1, ±2.
pub(super) struct Four;

impl Axis for Four {
    const TAPS: usize = 3;
    const OUTPUTS: usize = 4;
    const POINTS: usize = 6;
    const WEIGHTS: [[f32; 3]; MOST] = [
        [1.0, 0.0, 0.0],
        [-2.0 / 3.0, -SQRT_2 / 3.0, -1.0 / 3.0],
        [-2.0 / 3.0, SQRT_2 / 3.0, -1.0 / 3.0],
        [1.0 / 6.0, SQRT_2 / 6.0, 1.0 / 3.0],
        [1.0 / 6.0, -SQRT_2 / 6.0, 1.0 / 3.0],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    unsafe fn input<V: Vector>(values: &mut [V; MOST]) {
        let x = *values;
        // SAFETY: the caller's; so for all below.
        unsafe {
            let (even, odd) = (x[4].add_scaled(x[2], -2.0), x[3].add_scaled(x[1], -2.0));
            let (even_far, odd_far) = (x[4].add_scaled(x[2], -0.5), x[3].add_scaled(x[1], -0.5));
            values[0] = x[0].add(x[4].add_scaled(x[2], -2.5));
            values[1] = even.add_scaled(odd, FRAC_1_SQRT_2);
            values[2] = even.add_scaled(odd, -FRAC_1_SQRT_2);
            values[3] = even_far.add_scaled(odd_far, SQRT_2);
            values[4] = even_far.add_scaled(odd_far, -SQRT_2);
            values[5] = x[1].add(x[5].add_scaled(x[3], -2.5));
        }
    }
    #[inline(always)]
    unsafe fn output<V: Vector>(values: &mut [V; MOST]) {
        let x = *values;
        // SAFETY: see `input`.
        unsafe {
            let (near, far) = (x[1].add(x[2]), x[3].add(x[4]));
            let (near_odd, far_odd) = (x[1].sub(x[2]), x[3].sub(x[4]));
            values[0] = x[0].add(near.add(far));
            values[1] = near_odd.add_scaled(far_odd, 2.0).scaled(FRAC_1_SQRT_2);
            values[2] = far.scaled(2.0).add_scaled(near, 0.5);
            values[3] = x[5].add_scaled(near_odd, FRAC_1_SQRT_2 / 2.0).add_scaled(far_odd, 2.0 * SQRT_2);
        }
    }
    #[inline(always)]
    unsafe fn gradient<V: Vector>(values: &mut [V; MOST]) {
        let y = *values;
        // SAFETY: see `input`.
        unsafe {
            let (even, odd) = (y[0].add_scaled(y[2], 0.5), y[1].add_scaled(y[3], 0.5));
            let (even_far, odd_far) = (y[0].add_scaled(y[2], 2.0), y[1].add_scaled(y[3], 2.0));
            values[1] = even.add_scaled(odd, FRAC_1_SQRT_2);
            values[2] = even.add_scaled(odd, -FRAC_1_SQRT_2);
            values[3] = even_far.add_scaled(odd_far, SQRT_2);
            values[4] = even_far.add_scaled(odd_far, -SQRT_2);
            values[5] = y[3];
        }
    }
}
