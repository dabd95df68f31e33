//! Softmax and its logarithm along the middle axis of (outer, n, inner), and their gradients, in one pass over memory.

use rayon::prelude::*;

use super::buffer::Buffer;
use super::level::{Job, Level};
use super::shared::Shared;
use super::vector::Vector;

/// Positions of a task.
const TASK: usize = 512;

/// The axes (outer, n, inner) of a value.
#[derive(Clone, Copy, Debug)]
pub struct Middle {
    /// Positions before the axis.
    pub outer: usize,
    /// Length of the axis.
    pub n: usize,
    /// Positions behind the axis.
    pub inner: usize,
}

impl Middle {
    /// Around an axis of a shape.
    pub fn of(shape: &[usize], axis: usize) -> Self {
        Self { outer: shape[..axis].iter().product(), n: shape[axis], inner: shape[axis + 1..].iter().product() }
    }

    /// The softmax of `x` or, with `log`, its logarithm.
    pub fn softmax(&self, x: &[f32], log: bool) -> Buffer {
        self.run(&[x], |x, rows, inner, y| Level::best().run(Forward { x: x[0], rows, inner, log, y }))
    }

    /// The gradient for x from the result `y` of [`Middle::softmax`] and its gradient.
    pub fn softmax_grad(&self, y: &[f32], dy: &[f32], log: bool) -> Buffer {
        self.run(&[y, dy], |of, rows, inner, dx| Level::best().run(Back { y: of[0], dy: of[1], rows, inner, log, dx }))
    }

    /// Calls `f(inputs, rows, inner, output)`; `rows` are where a task's positions lie, a row for each of n.
    fn run(&self, inputs: &[&[f32]], f: impl Fn(&[&[f32]], &[Row], usize, Shared) + Sync) -> Buffer {
        let Self { outer, n, inner } = *self;
        inputs.iter().for_each(|x| assert_eq!(x.len(), outer * n * inner, "x does not fit its shape"));
        let mut y = Buffer::take(outer * n * inner);
        let to = Shared::new(&mut y);
        let tasks = inner.div_ceil(TASK);
        (0..outer * tasks).into_par_iter().for_each(|task| {
            let (o, first) = (task / tasks, task % tasks * TASK);
            let rows: Vec<Row> = (0..n).map(|i| Row { first: (o * n + i) * inner + first }).collect();
            f(inputs, &rows, TASK.min(inner - first), to);
        });
        y
    }
}

/// Where a row begins.
struct Row {
    first: usize,
}

impl Row {
    #[inline(always)]
    fn of<'a>(&self, values: &'a [f32], count: usize) -> &'a [f32] {
        &values[self.first..self.first + count]
    }

    #[inline(always)]
    fn to<'a>(&self, values: Shared<'a>, count: usize) -> &'a mut [f32] {
        // SAFETY: these positions of this row are the task's alone.
        unsafe { values.part(self.first, count) }
    }
}

/// e^x for x of at most 0 (Cephes' polynomial, two units in the last place); below -87 what it is at -87.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Added, it leaves the nearest whole number in the lowest bits.
    const WHOLE: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + WHOLE;
    let whole = shifted - WHOLE;
    let r = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + c;
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    (p * r * r + r + 1.0) * power
}

struct Forward<'a> {
    x: &'a [f32],
    rows: &'a [Row],
    inner: usize,
    log: bool,
    y: Shared<'a>,
}

impl Job for Forward<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { x, rows, inner, log, y } = self;
        let (mut top, mut sum) = ([f32::NEG_INFINITY; TASK], [0f32; TASK]);
        let (top, sum) = (&mut top[..inner], &mut sum[..inner]);
        for row in rows {
            for (top, &x) in top.iter_mut().zip(row.of(x, inner)) {
                *top = if x > *top { x } else { *top };
            }
        }
        for row in rows {
            for (((y, &x), sum), &top) in row.to(y, inner).iter_mut().zip(row.of(x, inner)).zip(&mut *sum).zip(&*top) {
                let part = exp(x - top);
                *sum += part;
                *y = part;
            }
        }
        if !log {
            for row in rows {
                row.to(y, inner).iter_mut().zip(&*sum).for_each(|(y, sum)| *y /= sum);
            }
            return;
        }
        sum.iter_mut().for_each(|sum| *sum = sum.ln());
        for row in rows {
            for (((y, &x), sum), &top) in row.to(y, inner).iter_mut().zip(row.of(x, inner)).zip(&*sum).zip(&*top) {
                *y = x - top - sum;
            }
        }
    }
}

struct Back<'a> {
    y: &'a [f32],
    dy: &'a [f32],
    rows: &'a [Row],
    inner: usize,
    log: bool,
    dx: Shared<'a>,
}

impl Job for Back<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { y, dy, rows, inner, log, dx } = self;
        let mut sum = [0f32; TASK];
        let sum = &mut sum[..inner];
        for row in rows {
            for ((sum, &y), &dy) in sum.iter_mut().zip(row.of(y, inner)).zip(row.of(dy, inner)) {
                *sum += if log { dy } else { dy * y };
            }
        }
        for row in rows {
            for (((dx, &y), &dy), &sum) in row.to(dx, inner).iter_mut().zip(row.of(y, inner)).zip(row.of(dy, inner)).zip(&*sum) {
                *dx = if log { dy - exp(y) * sum } else { y * (dy - sum) };
            }
        }
    }
}
