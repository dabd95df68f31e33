//! Values that move: reshape, permute, slice, concat, pad.

use super::Call;
use crate::values::Values;
use plugin_api::Op;

/// Where the value of a padded axis comes from; `None` for the constant outside.
fn source(at: usize, low: usize, n: usize, mode: i64) -> Option<usize> {
    let (i, n) = (at as i64 - low as i64, n as i64);
    let inside = (0..n).contains(&i);
    match mode {
        _ if inside => Some(i as usize),
        1 => Some(if i < 0 { -i } else { 2 * (n - 1) - i } as usize),
        2 => Some(i.clamp(0, n - 1) as usize),
        _ => None,
    }
}

pub(super) fn run(c: &Call<'_>) -> Values {
    let x = c.inputs[0];
    let from = |f: &dyn Fn(&[usize]) -> Vec<usize>| Values::from_fn(&c.out, x.dtype, |i| x.at(&f(i)));
    match c.op {
        Op::Reshape => Values { shape: c.out.clone(), ..x.clone() },
        Op::Permute => from(&|i| {
            let mut at = vec![0; i.len()];
            c.ints.iter().zip(i).for_each(|(&axis, &i)| at[axis as usize] = i);
            at
        }),
        Op::Slice => from(&|i| {
            let mut at = i.to_vec();
            at[c.n(0)] = c.n(1) + i[c.n(0)] * c.n(3);
            at
        }),
        Op::Flip => from(&|i| i.iter().enumerate().map(|(a, &at)| if c.ints.contains(&(a as i64)) { c.out[a] - 1 - at } else { at }).collect()),
        Op::Expand => from(&|i| i.to_vec()),
        Op::Concat => Values::from_fn(&c.out, x.dtype, |i| {
            let (axis, mut at) = (c.n(0), i.to_vec());
            for part in &c.inputs {
                if at[axis] < part.shape[axis] {
                    return part.at(&at);
                }
                at[axis] -= part.shape[axis];
            }
            f64::NAN
        }),
        _ => Values::from_fn(&c.out, x.dtype, |i| {
            let at: Option<Vec<usize>> = i.iter().enumerate().map(|(a, &at)| source(at, c.n(1 + 2 * a), x.shape[a], c.ints[0])).collect();
            at.map_or(c.floats.first().copied().unwrap_or_default(), |at| x.at(&at))
        }),
    }
}
